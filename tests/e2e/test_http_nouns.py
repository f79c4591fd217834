"""The life of every noun over HTTP: create, read, list, change, suspend, resume, end. (Each reply is held to
docs/openapi.yaml by the client.)"""

import time

import pytest


def etag(reply):
    return int(reply.headers["ETag"].strip('"'))


def created(client, path, body):
    """POST, and read what Location says; both must be the same object."""
    reply = client.post(path, body)
    made = client.done(reply)
    assert reply.status == 201
    location = reply.headers["Location"]
    read = client.get(location)
    assert read.json == {name: value for name, value in made.items() if name not in ("key", "made")}
    assert etag(reply) == etag(read) == made["version"] == 1
    return location, made


def unchanged(client, location, body):
    """A PATCH that makes no difference answers with the object as it is, in its version."""
    before = client.get(location)
    for nothing in ({}, body):
        reply = client.patch(location, nothing)
        assert (client.done(reply), etag(reply)) == (before.json, etag(before)), nothing


def changed(client, location, method, path, body, **expected):
    """A change that raises the version by one, and is there when read again; made once more it is none."""
    before = client.done(client.get(location))
    reply = client.call(method, path, body)
    after = client.done(reply)
    assert {name: after[name] for name in expected} == expected
    assert after["version"] == before["version"] + 1 == etag(reply)
    assert after == client.done(client.get(location))
    same = set(after) - set(expected) - {"version", "updated_at"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    if method == "PATCH":
        unchanged(client, location, body)
    return after


def suspended_and_resumed(client, location):
    changed(client, location, "POST", location + "/suspend", None, state="suspended")
    version = client.done(client.get(location))["version"]
    assert client.done(client.post(location + "/suspend"))["version"] == version, "suspending twice is no change"
    changed(client, location, "POST", location + "/resume", {}, state="active")
    version = client.done(client.get(location))["version"]
    assert client.done(client.post(location + "/resume"))["version"] == version, "resuming twice is no change"


def listed(client, path, **member):
    (name, value), = member.items()
    found = [item for item in client.every(path) if item[name] == value]
    assert len(found) == 1, found
    return found[0]


def test_api(admin, unique):
    name = f"api-{unique}"
    location, made = created(admin, "/v1/apis", {"name": name, "prefix": "acme", "description": "Für alle"})
    assert (made["prefix"], made["state"], made["description"]) == ("acme", "active", "Für alle")
    assert listed(admin, "/v1/apis", name=name) == made
    changed(admin, location, "PATCH", location, {"description": "other"}, description="other")
    changed(admin, location, "PATCH", location, {"description": ""}, description="")
    suspended_and_resumed(admin, location)
    environments = list(admin.every(location + "/environments"))
    assert [(e["name"], e["tag"]) for e in environments] == [("development", "dev"), ("test", "test"),
                                                             ("production", "live")]


def test_api_with_environments_of_its_own(admin, unique):
    name = f"api-{unique}"
    created(admin, "/v1/apis", {"name": name, "environments": [{"name": "blue"}, {"name": "green", "tag": "g1",
                                                                                        "description": "Grün"}]})
    environments = list(admin.every(f"/v1/apis/{name}/environments"))
    assert [e["description"] for e in environments] == ["", "Grün"]
    assert [(e["name"], e["tag"]) for e in environments] == [("blue", "blue"), ("green", "g1")]


def test_environment(admin, weather):
    path = f"/v1/apis/{weather}/environments"
    location, made = created(admin, path, {"name": "staging", "tag": "stage", "description": "for the shop"})
    assert (made["api"], made["tag"], made["description"]) == (weather, "stage", "for the shop")
    assert listed(admin, path, name="staging") == made
    changed(admin, location, "PATCH", location, {"description": "für alle"}, description="für alle")
    changed(admin, location, "PATCH", location, {"description": ""}, description="")
    suspended_and_resumed(admin, location)
    assert created(admin, path, {"name": "bare"})[1]["description"] == ""
    builtin = "/v1/apis/tollkeeper/environments/production"
    admin.refused(admin.patch(builtin, {"description": "mine"}), 409, "wrong_state")
    admin.refused(admin.call("PATCH", location, {"description": "x"}, {"If-Match": '"1"'}), 412, "stale", "If-Match")


def test_scope(admin, weather):
    path = f"/v1/apis/{weather}/scopes"
    location, made = created(admin, path, {"name": "history:read", "description": "the past"})
    assert listed(admin, path, name="history:read") == made
    changed(admin, location, "PATCH", location, {"description": "long ago"}, description="long ago")
    assert admin.get(path + "/history%3Aread").json["name"] == "history:read", "a colon may be escaped"


def test_plan(admin, weather):
    path = f"/v1/apis/{weather}/plans"
    location, made = created(admin, path, {"name": "starter", "limits": [
        {"limit": 100, "per": "minute"},
        {"name": "daily", "kind": "window", "limit": 0, "per": "day", "anchor": "subscription"},
        {"name": "fast", "kind": "rate", "limit": 5, "per": "10s", "burst": 1}]})
    assert made["limits"] == [
        {"name": "requests", "kind": "rate", "limit": 100, "per": "1m", "burst": 100},
        {"name": "daily", "kind": "window", "limit": 0, "per": "day", "anchor": "subscription"},
        {"name": "fast", "kind": "rate", "limit": 5, "per": "10s", "burst": 1}]
    assert listed(admin, path, name="starter") == made
    limits = [{"name": "requests", "kind": "rate", "limit": 7, "per": "1h", "burst": 7}]
    changed(admin, location, "PATCH", location, {"limits": limits}, limits=limits)
    changed(admin, location, "PATCH", location, {"limits": [], "description": "open"}, limits=[], description="open")


def test_consumer(admin, unique):
    name = f"Acme.{unique}@example.com"
    metadata = {"account": "4711", "nested": {"list": [1, 2.5, None, "ü"]}}
    location, made = created(admin, "/v1/consumers", {"name": name, "metadata": metadata})
    assert location == f"/v1/consumers/{made['id']}" and made["metadata"] == metadata
    assert admin.get(f"/v1/consumers/{name}").json == made, "a consumer is found by name, too"
    assert listed(admin, "/v1/consumers", name=name) == made
    changed(admin, location, "PATCH", location, {"metadata": {"a": 1}, "description": "x"}, metadata={"a": 1},
            description="x")
    suspended_and_resumed(admin, location)


def test_subscription(admin, weather, consumer):
    for plan in ("starter", "business"):
        admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": plan}))
    location, made = created(admin, "/v1/subscriptions", {
        "consumer": consumer, "api": weather, "environment": "test", "plan": "starter",
        "started_at": "2026-01-31T12:00:00+02:00"})
    assert (made["started_at"], made["environment"]) == ("2026-01-31T10:00:00Z", "test")
    for query in (f"consumer={consumer}", f"consumer={made['consumer']['id']}", f"api={weather}",
                  f"api={weather}&environment=test", f"consumer={consumer}&api={weather}&environment=test"):
        assert [item["id"] for item in admin.every(f"/v1/subscriptions?{query}")] == [made["id"]], query
    assert list(admin.every(f"/v1/subscriptions?api={weather}&environment=production")) == []
    changed(admin, location, "PATCH", location, {"plan": "business"}, plan="business")
    suspended_and_resumed(admin, location)
    changed(admin, location, "POST", location + "/end", None, state="ended")
    version = admin.done(admin.get(location))["version"]
    assert admin.done(admin.post(location + "/end"))["version"] == version
    admin.refused(admin.post(location + "/resume"), 409, "wrong_state")
    admin.refused(admin.patch(location, {"plan": "starter"}), 409, "wrong_state")
    created(admin, "/v1/subscriptions", {"consumer": consumer, "api": weather, "environment": "test", "plan": "starter"})


def test_key(admin, weather, consumer):
    body = {"api": weather, "consumer": consumer, "name": "web shop", "scopes": ["forecast:read", "alerts:*"],
            "limits": [{"limit": 100, "per": "1m"}], "expires_at": "2099-12-31T23:59:59Z", "metadata": {"n": 1},
            "restrictions": {"cidrs": ["203.0.113.0/24", "2001:db8::/32"], "origins": ["https://*.example.com"],
                             "methods": ["get"], "paths": ["/v1/forecast/{city}"]}}
    reply = admin.post("/v1/keys", body)
    made = admin.done(reply)
    plaintext = made.pop("key")
    assert made.pop("made") == []
    assert reply.headers["Cache-Control"] == "no-store"
    assert plaintext.startswith(made["hint"]) and len(made["hint"]) < len(plaintext) - 30
    assert made["restrictions"]["methods"] == ["GET"] and made["scopes"] == ["alerts:*", "forecast:read"]
    location = reply.headers["Location"]
    read = admin.get(location)
    assert read.json == made and plaintext not in read.text
    assert plaintext not in admin.get("/v1/keys?limit=1000").text

    changed(admin, location, "PATCH", location, {"expires_at": None, "name": "shop"}, expires_at=None, name="shop")
    after = changed(admin, location, "PATCH", location, {"restrictions": {"methods": []}},
                    restrictions=dict(made["restrictions"], methods=[]))
    assert after["restrictions"]["paths"] == ["/v1/forecast/{city}"], "lists that are not named stay"
    changed(admin, location, "PATCH", location, {"scopes": [], "limits": []}, scopes=[], limits=[])
    suspended_and_resumed(admin, location)

    revoked = admin.done(admin.post(location + "/revoke", {"reason": "found in a repository"}))
    assert (revoked["state"], revoked["revoke_reason"]) == ("revoked", "found in a repository")
    assert revoked["revoked_at"] is not None
    assert revoked.pop("already") is False
    again = admin.done(admin.post(location + "/revoke", {"reason": "another"}))
    assert again == dict(revoked, already=True), "revoking twice is no change, and the first reason stays"
    assert admin.get(location).json == revoked
    for path in ("/suspend", "/resume"):
        admin.refused(admin.post(location + path), 409, "wrong_state")
    admin.refused(admin.patch(location, {"name": "x"}), 409, "wrong_state")


def test_keys_are_filtered(admin, weather, consumer):
    def issue(**more):
        return admin.issue(api=weather, consumer=consumer, **more)["id"]

    active, off, gone, other = issue(), issue(), issue(), issue(environment="test")
    admin.done(admin.post(f"/v1/keys/{off}/suspend"))
    admin.done(admin.post(f"/v1/keys/{gone}/revoke"))
    for query, expected in (
            (f"api={weather}", [active, off, gone, other]),
            (f"api={weather}&environment=production", [active, off, gone]),
            (f"api={weather}&environment=test", [other]),
            (f"consumer={consumer}", [active, off, gone, other]),
            (f"consumer={consumer}&state=active", [active, other]),
            (f"api={weather}&state=suspended", [off]),
            (f"api={weather}&state=revoked&consumer={consumer}", [gone])):
        assert [key["id"] for key in admin.every(f"/v1/keys?{query}")] == expected, query


def test_issue_creates_what_is_missing(admin, unique):
    api, who = f"shop-{unique}", f"who-{unique}"
    made = admin.issue(api=api, consumer=who, environment="staging", scopes=["orders:read", "stock:*"],
                       create_missing=True)
    assert made["key"].startswith("tk_staging_")
    assert [(each["kind"], each["name"]) for each in made["made"]] == [
        ("api", api), ("environment", "staging"), ("consumer", who), ("plan", "open"),
        ("subscription", listed(admin, f"/v1/subscriptions?consumer={who}", plan="open")["id"]), ("scope", "orders:read")]
    assert admin.get(f"/v1/apis/{api}").status == 200
    assert listed(admin, f"/v1/apis/{api}/scopes", name="orders:read")
    assert listed(admin, f"/v1/apis/{api}/plans", name="open")["limits"] == []
    assert listed(admin, f"/v1/subscriptions?consumer={who}", plan="open")["environment"] == "staging"
    second = admin.issue(api=api, consumer=who, environment="staging", create_missing=True)
    assert second["consumer"] == made["consumer"] and second["made"] == []
    assert listed(admin, f"/v1/subscriptions?consumer={who}", plan="open"), "and only one"
    third = admin.issue(api=api, consumer=who, environment="test", create_missing=True)
    assert [each["kind"] for each in third["made"]] == ["subscription"]
    slip = admin.issue(api=api + "s", consumer=who, create_missing=True)
    assert [(each["kind"], each["name"]) for each in slip["made"]][:2] == [("api", api + "s"), ("environment", "production")]


def test_usage(admin, weather, consumer):
    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p", "limits": [
        {"kind": "window", "name": "total", "limit": 10, "per": "1h"}]}))
    admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    one = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 3, "per": "1h"}])
    two = admin.issue(api=weather, consumer=consumer)
    fresh = admin.get(f"/v1/keys/{one['id']}/usage").json
    assert fresh["key"]["last_used_at"] is None and fresh["key"]["admitted"] == 0
    for _ in range(4):
        admin.verify(one["key"], weather)
    for _ in range(2):
        admin.verify(two["key"], weather)
    usage = admin.get(f"/v1/keys/{one['id']}/usage").json
    assert (usage["key"]["admitted"], usage["key"]["refused"]) == (3, 1)
    assert usage["key"]["last_used_at"] is not None
    assert [(limit["owner"], limit["remaining"]) for limit in usage["key"]["limits"]] == [("key", 0)]
    assert usage["subscription"]["admitted"] == 5
    assert [(limit["name"], limit["owner"], limit["remaining"]) for limit in usage["subscription"]["limits"]] == [
        ("total", "subscription", 5)]
    lonely = admin.issue(api=weather, consumer=consumer, environment="test")
    assert admin.get(f"/v1/keys/{lonely['id']}/usage").json["subscription"] is None


def test_plan_of_a_running_subscription_changes(admin, weather, consumer):
    plan = f"/v1/apis/{weather}/plans/p"
    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p", "limits": [
        {"kind": "window", "limit": 3, "per": "1h"}]}))
    admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    key = admin.issue(api=weather, consumer=consumer)["key"]
    codes = [admin.verify(key, weather) for _ in range(4)]
    assert codes == ["valid"] * 3 + ["quota_exceeded"]
    admin.done(admin.patch(plan, {"limits": [{"kind": "window", "limit": 5, "per": "1h"}]}))
    codes = [admin.verify(key, weather) for _ in range(3)]
    assert codes == ["valid"] * 2 + ["quota_exceeded"], "what was used stays used"


def test_head_is_get_without_a_body(admin, weather):
    head = admin.call("HEAD", f"/v1/apis/{weather}")
    get = admin.get(f"/v1/apis/{weather}")
    assert (head.status, head.headers["ETag"]) == (200, get.headers["ETag"])
    assert int(head.headers["Content-Length"]) == len(get.text.encode())
    assert admin.call("HEAD", "/v1/apis/nobody-has-this").status == 404


@pytest.mark.parametrize("count", [7])
def test_pages(admin, unique, count):
    prefix = f"page-{unique}-"
    for i in range(count):
        admin.done(admin.post("/v1/consumers", {"name": f"{prefix}{i}"}))
    names, cursor, pages = [], None, 0
    while True:
        page = admin.done(admin.get("/v1/consumers?limit=3" + (f"&cursor={cursor}" if cursor else "")))
        assert len(page["items"]) <= 3
        names += [item["name"] for item in page["items"]]
        pages += 1
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 3
    assert [name for name in names if name.startswith(prefix)] == [f"{prefix}{i}" for i in range(count)]
    assert len(names) == len(set(names)) and pages >= 3
    assert [item["name"] for item in admin.every("/v1/consumers")] == names


def test_status(admin):
    status = admin.done(admin.get("/v1/status"))
    assert status["ready"] and status["reason"] is None and status["gate"]["available"]
    commits = status["registry"]["commits"]
    admin.done(admin.post("/v1/consumers", {"name": f"c{time.monotonic_ns()}"}))
    assert admin.get("/v1/status").json["registry"]["commits"] > commits


def test_health(anonymous):
    assert anonymous.get("/healthz").text == "ok\n"
    assert anonymous.get("/readyz").text == "ready\n"
