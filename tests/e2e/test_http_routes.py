"""Routes over HTTP: their life, which one a request is for, and what verify and explain make of it. (Each reply is held to
docs/openapi.yaml by the client.)"""

from urllib.parse import quote

import pytest

from test_http_nouns import changed, created, listed


@pytest.fixture
def place(weather):
    return f"/v1/apis/{weather}/environments/production"


@pytest.fixture
def routes(place):
    return f"{place}/routes"


def make(admin, routes, method, path, **fields):
    return admin.done(admin.post(routes, {"method": method, "path": path, **fields}))


def match(admin, place, method, path):
    return admin.done(admin.get(f"{place}/match?method={quote(method)}&path={quote(path, safe='')}"))


def matched(admin, place, method, path):
    """The path of the route, or the result."""
    found = match(admin, place, method, path)
    return found["route"]["path"] if found["route"] else found["result"]


def ask(admin, key, api, method, path, **fields):
    return admin.done(admin.post("/v1/verify", dict(fields, key=key, api=api, method=method, path=path, match_route=True)))


def test_life(admin, weather, place, routes):
    location, made = created(admin, routes, {"method": "get", "path": "/v1/forecast/{city}", "scope": "forecast:read",
                                             "cost": 2, "description": "Für alle"})
    assert (made["api"], made["environment"], made["method"], made["cost"]) == (weather, "production", "GET", 2)
    assert listed(admin, routes, id=made["id"]) == made
    changed(admin, location, "PATCH", location, {"scope": "forecast:read or alerts:read"}, scope="forecast:read or alerts:read")
    changed(admin, location, "PATCH", location, {"scope": ""}, scope="")
    changed(admin, location, "PATCH", location, {"cost": 0}, cost=0)
    limits = [{"name": "all", "kind": "window", "limit": 3, "per": "day", "anchor": "utc"}]
    changed(admin, location, "PATCH", location, {"limits": limits}, limits=limits)
    assert match(admin, place, "get", "/v1/forecast/oslo")["route"] == admin.done(admin.get(location))
    assert admin.call("DELETE", location, headers={"If-Match": '"1"'}).problem() == "stale"
    assert admin.done(admin.call("DELETE", location))["id"] == made["id"]
    for again in (admin.get(location), admin.call("DELETE", location), admin.patch(location, {"cost": 1})):
        assert (again.status, again.problem()) == (404, "not_found")
    assert matched(admin, place, "GET", "/v1/forecast/oslo") == "unknown"
    assert make(admin, routes, "GET", "/v1/forecast/{town}")["id"] != made["id"]


def test_most_specific_first(admin, place, routes):
    assert matched(admin, place, "GET", "/v1") == "unknown"
    for method, path in (("*", "/v1/**"), ("GET", "/v1/{kind}/today"), ("GET", "/v1/forecast/{city}"),
                         ("GET", "/v1/forecast/oslo"), ("*", "/v1/forecast/oslo"), ("POST", "/")):
        make(admin, routes, method, path)
    for method, path, expected in (
            ("GET", "/v1/forecast/oslo", "/v1/forecast/oslo"), ("GET", "/v1/forecast/rome", "/v1/forecast/{city}"),
            ("HEAD", "/v1/forecast/rome", "/v1/forecast/{city}"), ("PUT", "/v1/forecast/rome", "/v1/**"),
            ("GET", "/v1/alerts/today", "/v1/{kind}/today"), ("GET", "/v1/forecast/today", "/v1/forecast/{city}"),
            ("GET", "/v1/%66orecast/rome", "/v1/forecast/{city}"), ("GET", "/v2", "unknown"), ("GET", "/", "unknown"),
            ("GET", "/v1//forecast/rome", "ambiguous"), ("GET", "/v1/x/../forecast", "ambiguous"),
            ("GET", "/v1/forecast%2Frome", "ambiguous"), ("GET", "v1", "malformed"), ("GET", "/%", "malformed")):
        assert matched(admin, place, method, path) == expected, (method, path)
    assert match(admin, place, "DELETE", "/v1/forecast/oslo")["route"]["method"] == "*"


def test_verify(admin, weather, routes, consumer):
    make(admin, routes, "GET", "/v1/forecast/{city}", scope="forecast:read", cost=3,
         limits=[{"name": "shared", "kind": "window", "limit": 10, "per": "day"}])
    route = make(admin, routes, "*", "/v1/alerts/**", scope="alerts:read")
    key = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"],
                      limits=[{"name": "own", "kind": "window", "limit": 100, "per": "day"}])["key"]
    answer = ask(admin, key, weather, "GET", "/v1/forecast/oslo")
    assert (answer["code"], answer["route"]["path"]) == ("valid", "/v1/forecast/{city}")
    assert {limit["name"]: (limit["owner"], limit["remaining"]) for limit in answer["limits"]} == {
        "own": ("key", 97), "shared": ("route", 7)}
    assert ask(admin, key, weather, "GET", "/v1/forecast/oslo", cost=1)["limits"][0]["remaining"] in (96, 6)
    refused = ask(admin, key, weather, "POST", "/v1/alerts")
    assert (refused["code"], refused["route"]["id"]) == ("insufficient_scope", route["id"])
    assert ask(admin, key, weather, "GET", "/v1/forecast/oslo", scope="alerts:read")["code"] == "insufficient_scope"

    unknown = ask(admin, key, weather, "GET", "/v2")
    assert (unknown["code"], unknown["route"]) == ("restricted", None)
    assert "no route" in unknown["detail"].lower()
    assert ask(admin, key, weather, "GET", "/v2", unknown_route="pass")["code"] == "valid"
    assert ask(admin, key, weather, "GET", "/v2", unknown_route="pass", scope="alerts:read")["code"] == "insufficient_scope"
    assert ask(admin, key, weather, "GET", "/v1/alerts/%2e%2e/x", unknown_route="pass")["code"] == "restricted"
    assert ask(admin, key, weather, "GET", "/v1/forecast/oslo", cost=7)["code"] == "quota_exceeded"


def test_explain(admin, weather, routes, consumer):
    make(admin, routes, "GET", "/v1/forecast/{city}", scope="alerts:read and forecast:read", cost=3)
    key = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"])["key"]
    question = {"key": key, "api": weather, "method": "GET", "path": "/v1/forecast/oslo", "match_route": True}
    explained = admin.done(admin.post("/v1/explain", question))
    assert explained["route"] == {"result": "matched", "scope": "alerts:read and forecast:read", "cost": 3,
                                  "detail": "the most specific route that has the method and matches the path"}
    assert explained["answer"]["route"]["path"] == "/v1/forecast/{city}"
    details = {check["code"]: check["detail"] for check in explained["checks"]}
    assert details["insufficient_scope"].startswith("lacks alerts:read")
    explained = admin.done(admin.post("/v1/explain", dict(question, path="/v2")))
    assert explained["route"]["result"] == "unknown"
    assert {check["code"]: check["result"] for check in explained["checks"]}["restricted"] == "failed"
    assert "route" not in admin.done(admin.post("/v1/explain", {"key": key, "api": weather}))


def test_change_is_in_force_when_the_reply_comes(admin, weather, routes, consumer):
    key = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"])["key"]
    location = f"{routes}/{make(admin, routes, 'GET', '/v1/{city}')['id']}"
    for i in range(30):
        scope = ("forecast:read", "alerts:read")[i % 2]
        admin.done(admin.patch(location, {"scope": scope}))
        assert ask(admin, key, weather, "GET", "/v1/oslo")["code"] == ("valid", "insufficient_scope")[i % 2]


@pytest.mark.parametrize("body, status, problem, field, says", [
    ({"path": "/v1"}, 422, "invalid_value", "/method", ""),
    ({"method": "G ET", "path": "/v1"}, 422, "invalid_value", "/method", "method"),
    ({"method": "GET", "path": "v1"}, 422, "invalid_value", "/path", "does not begin with"),
    ({"method": "GET", "path": "/v1/**/x"}, 422, "invalid_value", "/path", "last segment"),
    ({"method": "GET", "path": "/v1/{a"}, 422, "invalid_value", "/path", "as a whole"),
    ({"method": "GET", "path": "/v1//x"}, 422, "invalid_value", "/path", "empty segment"),
    ({"method": "GET", "path": "/%6f"}, 422, "invalid_value", "/path", "canonical form"),
    ({"method": "GET", "path": "/%2"}, 422, "invalid_value", "/path", "hexadecimal"),
    ({"method": "GET", "path": "/ö"}, 422, "invalid_value", "/path", "ASCII"),
    ({"method": "GET", "path": "/" + "x" * 256}, 422, "invalid_value", "/path", "longer"),
    ({"method": "GET", "path": "/v1", "scope": "a and"}, 422, "invalid_value", "/scope", "expression"),
    ({"method": "GET", "path": "/v1", "scope": "no:such"}, 422, "unknown_reference", "/scope", "no:such"),
    ({"method": "GET", "path": "/v1", "cost": -1}, 422, "invalid_value", "/cost", ""),
    ({"method": "GET", "path": "/v1", "cost": 10**12 + 1}, 422, "invalid_value", "/cost", "large"),
    ({"method": "GET", "path": "/v1", "limits": [{"kind": "window", "limit": 1, "per": "day", "anchor": "subscription"}]},
     422, "invalid_value", "/limits/0/anchor", "shared"),
    ({"method": "GET", "path": "/other/{b}"}, 409, "conflict", "/path", "same requests"),
    ({"method": "GET", "path": "/v1", "shape": "x"}, 400, "unknown_field", "/shape", ""),
])
def test_what_is_refused(admin, routes, body, status, problem, field, says):
    make(admin, routes, "GET", "/other/{a}")
    reply = admin.post(routes, body)
    assert (reply.status, reply.problem(), reply.json["field"]) == (status, problem, field), reply
    assert reply.json["mend"] and says in reply.json["detail"], reply


def test_other_refusals(admin, weather, place, routes, consumer):
    assert admin.post("/v1/apis/tollkeeper/environments/production/routes",
                      {"method": "GET", "path": "/v1"}).problem() == "wrong_state"
    assert admin.get(f"/v1/apis/{weather}/environments/none/routes").status == 404
    assert admin.get(f"{place}/match?method=GET").json["field"] == "path"
    assert admin.get(f"{place}/match?path=/").json["field"] == "method"
    key = admin.issue(api=weather, consumer=consumer)["key"]
    for fields, field in (({"match_route": True}, "/method"), ({"match_route": True, "method": "GET"}, "/path"),
                          ({"match_route": "yes"}, "/match_route"), ({"unknown_route": "pass"}, "/unknown_route"),
                          ({"match_route": True, "method": "GET", "path": "/", "unknown_route": "x"}, "/unknown_route")):
        reply = admin.post("/v1/verify", dict(fields, key=key, api=weather))
        assert (reply.status, reply.json["field"]) == (422, field), reply
    made = make(admin, routes, "GET", "/v1")
    other = f"/v1/apis/{weather}/environments/test/routes/{made['id']}"
    assert admin.get(other).status == 404, "a route is one of its environment's"


def test_as_many_as_may_be(admin, place, routes):
    for i in range(1024):
        make(admin, routes, "GET", f"/v1/resource-{i}/{{id}}")
    reply = admin.post(routes, {"method": "GET", "path": "/v1/more"})
    assert (reply.status, reply.problem()) == (409, "conflict")
    assert "1024" in reply.json["detail"]
    assert matched(admin, place, "GET", "/v1/resource-1023/7") == "/v1/resource-1023/{id}"
    assert len(list(admin.every(routes))) == 1024
