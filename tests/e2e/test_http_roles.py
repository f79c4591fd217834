"""Roles over HTTP: their life, the keys that have them, and that a change is in force when the reply comes. (Each reply is held to
docs/openapi.yaml by the client.)"""

import pytest

from test_http_nouns import changed, created, listed


@pytest.fixture
def roles(weather):
    return f"/v1/apis/{weather}/roles"


def codes(client, key, api, *scopes):
    return [client.verify(key, api, scope=scope) for scope in scopes]


def test_life(admin, weather, roles):
    location, made = created(admin, roles, {"name": "reader", "scopes": ["forecast:read", "alerts:*", "forecast:read"],
                                            "description": "Für alle"})
    assert (made["api"], made["scopes"], made["description"]) == (weather, ["alerts:*", "forecast:read"], "Für alle")
    assert listed(admin, roles, name="reader") == made
    changed(admin, location, "PATCH", location, {"scopes": ["alerts:read"]}, scopes=["alerts:read"])
    changed(admin, location, "PATCH", location, {"scopes": []}, scopes=[])
    before = admin.done(admin.get(location))
    assert admin.call("DELETE", location, headers={"If-Match": '"1"'}).problem() == "stale"
    assert admin.done(admin.call("DELETE", location))["name"] == "reader"
    assert before["version"] == 3
    for again in (admin.get(location), admin.call("DELETE", location), admin.patch(location, {"scopes": []})):
        assert (again.status, again.problem()) == (404, "not_found")
    assert list(admin.every(roles)) == []
    created(admin, roles, {"name": "reader"})


def test_keys_follow(admin, weather, roles, consumer):
    admin.done(admin.post(roles, {"name": "reader", "scopes": ["forecast:read"]}))
    admin.done(admin.post(roles, {"name": "warner", "scopes": ["alerts:read"]}))
    issued = admin.issue(api=weather, consumer=consumer, roles=["reader"])
    key, path = issued["key"], f"/v1/keys/{issued['id']}"
    assert (issued["roles"], issued["scopes"]) == (["reader"], [])
    assert codes(admin, key, weather, "forecast:read", "alerts:read") == ["valid", "insufficient_scope"]
    answer = admin.done(admin.post("/v1/verify", {"key": key, "api": weather}))
    assert (answer["scopes"], answer["roles"]) == (["forecast:read"], ["reader"])

    admin.done(admin.patch(f"{roles}/reader", {"scopes": ["alerts:read"]}))
    assert codes(admin, key, weather, "forecast:read", "alerts:read") == ["insufficient_scope", "valid"]
    assert admin.done(admin.patch(path, {"roles": ["warner", "reader", "warner"]}))["roles"] == ["reader", "warner"]
    answer = admin.done(admin.post("/v1/verify", {"key": key, "api": weather}))
    assert (answer["scopes"], answer["roles"]) == (["alerts:read"], ["reader", "warner"])
    detail = {check["code"]: check["detail"] for check in
              admin.done(admin.post("/v1/explain", {"key": key, "api": weather, "scope": "forecast:read"}))["checks"]}
    assert "role reader grants alerts:read" in detail["insufficient_scope"]

    refused = admin.call("DELETE", f"{roles}/warner")
    assert (refused.status, refused.problem()) == (409, "wrong_state")
    assert issued["id"] in refused.json["detail"]
    admin.done(admin.patch(path, {"roles": []}))
    assert codes(admin, key, weather, "alerts:read") == ["insufficient_scope"]
    admin.done(admin.call("DELETE", f"{roles}/warner"))


def test_largest_answer(admin, weather, roles, consumer):
    """Eight roles of 64 long scopes each do not fit into the room that answers usually have."""
    names = []
    for i in range(128):
        name = f"resource-{i:03}-{'x' * 40}:read"
        admin.done(admin.post(f"/v1/apis/{weather}/scopes", {"name": name}))
        names.append(name)
    for i in range(8):
        admin.done(admin.post(roles, {"name": f"r{i}", "scopes": [names[(i * 16 + j) % 128] for j in range(64)]}))
    issued = admin.issue(api=weather, consumer=consumer, roles=[f"r{i}" for i in range(8)])
    answer = admin.done(admin.post("/v1/verify", {"key": issued["key"], "api": weather}))
    assert sorted(answer["scopes"]) == sorted(names)
    explained = admin.done(admin.post("/v1/explain", {"key": issued["key"], "api": weather}))
    assert sorted(explained["answer"]["scopes"]) == sorted(names)


@pytest.mark.parametrize("body, status, problem, field", [
    ({"scopes": ["forecast:read"]}, 422, "invalid_value", "/name"),
    ({"name": "Reader"}, 422, "invalid_value", "/name"),
    ({"name": "r", "scopes": ["no:such"]}, 422, "unknown_reference", "/scopes/0"),
    ({"name": "r", "scopes": ["forecast:read", "a b"]}, 422, "invalid_value", "/scopes/1"),
    ({"name": "r", "scopes": ["other"]}, 422, "invalid_value", "/scopes/0"),
    ({"name": "r", "roles": ["other"]}, 400, "unknown_field", "/roles"),
    ({"name": "r", "scopes": "forecast:read"}, 422, "invalid_value", "/scopes"),
    ({"name": "other"}, 409, "conflict", "/name"),
    ({"name": "r", "description": "a\tb"}, 422, "invalid_value", "/description"),
])
def test_what_is_refused(admin, roles, body, status, problem, field):
    admin.done(admin.post(roles, {"name": "other"}))
    reply = admin.post(roles, body)
    assert (reply.status, reply.problem(), reply.json["field"]) == (status, problem, field), reply
    assert reply.json["mend"]


def test_roles_of_keys_that_are_refused(admin, weather, roles, consumer):
    for given, field in ((["none"], "/roles/0"), ([f"r{i}" for i in range(9)], "/roles"), ([7], "/roles/0")):
        reply = admin.post("/v1/keys", {"api": weather, "consumer": consumer, "roles": given})
        assert (reply.status, reply.json["field"]) == (422, field), reply


def test_admin_roles(server, admin, unique, consumer):
    """An admin key may have a role of the API tollkeeper; a role gives nobody what its maker does not hold."""
    path = "/v1/apis/tollkeeper/roles"
    admin.done(admin.post(path, {"name": unique, "scopes": ["keys:write", "apis:read", "apis:write"]}))
    key = admin.issue(api="tollkeeper", consumer=consumer, roles=[unique])["key"]
    with server.bearing(key) as clerk:
        assert clerk.get("/v1/apis").status == 200
        assert clerk.get("/v1/consumers").status == 403
        refused = clerk.post(path, {"name": f"{unique}-more", "scopes": ["consumers:write"]})
        assert (refused.problem(), refused.json["field"]) == ("forbidden", "/scopes/0")
        assert clerk.patch(f"{path}/{unique}", {"scopes": ["*"]}).problem() == "forbidden"
        assert clerk.post("/v1/keys", {"api": "tollkeeper", "consumer": consumer, "roles": [unique]}).status == 201
        admin.done(admin.patch(f"{path}/{unique}", {"scopes": ["keys:write"]}))
        assert clerk.get("/v1/apis").status == 403
