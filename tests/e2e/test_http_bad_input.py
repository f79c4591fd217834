"""Bad input: each is answered with a problem document that names what is at fault and how to mend it, and changes
nothing. Whether something changed is seen from the registry's count of commits after each case; when it moved, and at the
end in any case, all that exists is listed and must be the same."""

import json

import pytest

JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


@pytest.fixture(scope="module")
def world(server):
    """One object of every sort, for the cases to aim at."""
    with server.admin() as admin:
        admin.done(admin.post("/v1/apis", {"name": "weather"}))
        admin.done(admin.post("/v1/apis/weather/scopes", {"name": "forecast:read"}))
        admin.done(admin.post("/v1/apis/weather/plans", {"name": "starter"}))
        admin.done(admin.post("/v1/consumers", {"name": "acme"}))
        sub = admin.done(admin.post("/v1/subscriptions", {"consumer": "acme", "api": "weather", "plan": "starter"}))
        key = admin.issue(api="weather", consumer="acme")
        yield {"key": f"/v1/keys/{key['id']}", "subscription": f"/v1/subscriptions/{sub['id']}"}


def everything(client):
    paths = ["/v1/apis", "/v1/consumers", "/v1/subscriptions", "/v1/keys"]
    for api in client.every("/v1/apis"):
        paths += [f"/v1/apis/{api['name']}/{part}" for part in ("environments", "scopes", "plans")]
    return {path: list(client.every(path)) for path in paths}


def commits(client):
    return client.done(client.get("/v1/status"))["registry"]["commits"]


class Census:
    """What exists, and the number of commits that made it."""

    def __init__(self, client):
        self.take(client)

    def take(self, client):
        self.commits = commits(client)
        self.objects = everything(client)

    def check(self, client, thoroughly=False):
        if thoroughly or commits(client) != self.commits:
            assert everything(client) == self.objects


@pytest.fixture(scope="module")
def census(server, world):
    with server.admin() as client:
        made = Census(client)
    yield made
    with server.admin() as client:
        made.check(client, thoroughly=True)


@pytest.fixture
def unchanged(census, admin):
    """The client, for a case that must change nothing."""
    yield admin
    census.check(admin)


@pytest.fixture
def changing(census, admin):
    """The client, for a case that shows where the boundary is, and makes something."""
    yield admin
    census.take(admin)


# ---- bodies that are no JSON object ----

NOT_JSON = {
    "empty": b"",
    "a word": b"hello",
    "cut off": b'{"name": "x"',
    "two objects": b'{"name": "x"} {"name": "y"}',
    "a trailing comma": b'{"name": "x",}',
    "single quotes": b"{'name': 'x'}",
    "an array": b'["x"]',
    "a number": b"7",
    "null": b"null",
    "a member twice": b'{"name": "x", "name": "y"}',
    "a member twice, deep": b'{"name": "x", "environments": [{"name": "a", "name": "b"}]}',
    "bad UTF-8": b'{"name": "x", "description": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "x", "description": "\xc0\xaf"}',
    "a UTF-8 surrogate": b'{"name": "x", "description": "\xed\xa0\x80"}',
    "an escaped lone surrogate": b'{"name": "x", "description": "\\ud800"}',
    "an escaped NUL": b'{"name": "x", "description": "a\\u0000b"}',
    "a NUL": b'{"name": "x", "description": "a\x00b"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a number out of range": b'{"name": "x", "limits": [{"limit": 99999999999999999999, "per": "1m"}]}',
    "17 deep": b'{"name": "x", "metadata": ' + b'{"a":' * 16 + b"1" + b"}" * 16 + b"}",
    "50,000 deep": b'{"name": ' + b"[" * 50000,
}


@pytest.mark.parametrize("case", NOT_JSON)
@pytest.mark.parametrize("path", ["/v1/apis", "/v1/consumers", "/v1/keys", "/v1/apis/weather/plans"])
def test_malformed_json(unchanged, path, case):
    unchanged.refused(unchanged.raw("POST", path, NOT_JSON[case], JSON), 400, "malformed_json")


def test_sixteen_deep_is_fine(changing, unique):
    body = b'{"name": "deep-%s", "metadata": ' % unique.encode() + b'{"a":' * 15 + b"1" + b"}" * 15 + b"}"
    assert changing.raw("POST", "/v1/consumers", body, JSON).status == 201


# ---- too large, and of another kind ----

def test_over_one_mebibyte(unchanged):
    body = b'{"name": "x", "description": "' + b"a" * MIB + b'"}'
    unchanged.refused(unchanged.raw("POST", "/v1/apis", body, JSON), 413, "too_large")


def test_over_one_mebibyte_in_chunks(unchanged):
    def chunks():
        yield b'{"name": "x", "description": "'
        for _ in range(20):
            yield b"a" * (MIB // 16)
    unchanged.refused(unchanged.raw("POST", "/v1/apis", chunks(), dict(JSON, **{"Transfer-Encoding": "chunked"})), 413,
                      "too_large")


def test_exactly_one_mebibyte_is_read(unchanged):
    frame = b'{"name": "x", "description": ""}'
    body = frame[:-2] + b"a" * (MIB - len(frame)) + frame[-2:]
    assert len(body) == MIB
    unchanged.refused(unchanged.raw("POST", "/v1/apis", body, JSON), 422, "invalid_value", "/description")


def test_verify_takes_less(unchanged):
    body = b'{"api": "weather", "path": "/' + b"a" * 65536 + b'"}'
    unchanged.refused(unchanged.raw("POST", "/v1/verify", body, JSON), 413, "too_large")


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                                   "text/json", "application/merge-patch+json"])
def test_other_media_types(unchanged, media):
    headers = {} if media is None else {"Content-Type": media}
    for method, path in (("POST", "/v1/consumers"), ("PATCH", "/v1/consumers/acme"), ("POST", "/v1/verify")):
        unchanged.refused(unchanged.raw(method, path, b'{"name": "x"}', headers), 415, "unsupported_media_type",
                          "Content-Type")


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", " application/json ;a=b"])
def test_media_types_that_are_fine(changing, unique, media):
    reply = changing.raw("POST", "/v1/consumers", json.dumps({"name": f"m-{unique}"}).encode(), {"Content-Type": media})
    assert reply.status == 201


# ---- members ----

LIMIT = {"limit": 1, "per": "1m"}

MEMBERS = [
    # path, body, type, field
    ("/v1/apis", {"name": "x", "enviroment": 1}, "unknown_field", "/enviroment"),
    ("/v1/apis", {"name": "x", "a/b~c": 1}, "unknown_field", "/a~1b~0c"),
    ("/v1/apis", {"name": "x", "n" * 300: 1}, "unknown_field", None),
    ("/v1/apis", {}, "invalid_value", "/name"),
    ("/v1/apis", {"name": None}, "invalid_value", "/name"),
    ("/v1/apis", {"name": 7}, "invalid_value", "/name"),
    ("/v1/apis", {"name": ""}, "invalid_value", "/name"),
    ("/v1/apis", {"name": "UPPER"}, "invalid_value", "/name"),
    ("/v1/apis", {"name": "has space"}, "invalid_value", "/name"),
    ("/v1/apis", {"name": "-dash"}, "invalid_value", "/name"),
    ("/v1/apis", {"name": "é"}, "invalid_value", "/name"),
    ("/v1/apis", {"name": "n" * 65}, "invalid_value", "/name"),
    ("/v1/apis", {"name": "x", "prefix": "T"}, "invalid_value", "/prefix"),
    ("/v1/apis", {"name": "x", "prefix": "t"}, "invalid_value", "/prefix"),
    ("/v1/apis", {"name": "x", "prefix": "t" * 17}, "invalid_value", "/prefix"),
    ("/v1/apis", {"name": "x", "description": "d" * 513}, "invalid_value", "/description"),
    ("/v1/apis", {"name": "x", "description": "a\nb"}, "invalid_value", "/description"),
    ("/v1/apis", {"name": "x", "description": ["a"]}, "invalid_value", "/description"),
    ("/v1/apis", {"name": "x", "environments": {}}, "invalid_value", "/environments"),
    ("/v1/apis", {"name": "x", "environments": ["production"]}, "invalid_value", "/environments/0"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "a"}, {"tag": "b"}]}, "invalid_value", "/environments/1/name"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "a", "tags": "b"}]}, "unknown_field", "/environments/0/tags"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "a"}, {"name": "B"}]}, "invalid_value", "/environments/1/name"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "preproduction"}]}, "invalid_value", "/environments/0/tag"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "a", "description": "a\tb"}]}, "invalid_value",
     "/environments/0/description"),
    ("/v1/apis/weather/environments", {"name": "a", "tag": "UP"}, "invalid_value", "/tag"),
    ("/v1/apis/weather/environments", {"name": "a", "tag": "123456789"}, "invalid_value", "/tag"),
    ("/v1/apis/weather/environments", {"name": "a", "description": "d" * 513}, "invalid_value", "/description"),
    ("/v1/apis/weather/scopes", {"name": "a:b:c"}, "invalid_value", "/name"),
    ("/v1/apis/weather/scopes", {"name": "and"}, "invalid_value", "/name"),
    ("/v1/apis/weather/scopes", {"name": "forecast:*"}, "invalid_value", "/name"),
    ("/v1/apis/weather/scopes", {"name": "s" * 65}, "invalid_value", "/name"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": LIMIT}, "invalid_value", "/limits"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [7]}, "invalid_value", "/limits/0"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [{"per": "1m"}]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [{"limit": 1}]}, "invalid_value", "/limits/0/per"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=1.5)]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=1.0)]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit="1")]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=-1)]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=True)]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=0)]}, "invalid_value", "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=10**15 + 1)]}, "invalid_value",
     "/limits/0/limit"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, burst=10**15 + 1)]}, "invalid_value",
     "/limits/0/burst"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, per="367d")]}, "invalid_value", "/limits/0/per"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, kind="window", per="3661d")]}, "invalid_value",
     "/limits/0/per"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, per="often")]}, "invalid_value", "/limits/0/per"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, per="0s")]}, "invalid_value", "/limits/0/per"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, per="week")]}, "invalid_value", "/limits/0/per"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, kind="bucket")]}, "invalid_value",
     "/limits/0/kind"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, kind="window", burst=5)]}, "invalid_value",
     "/limits/0/burst"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, anchor="subscription")]}, "invalid_value",
     "/limits/0/anchor"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, shadow="yes")]}, "invalid_value", "/limits/0/shadow"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, name="Bad Name")]}, "invalid_value",
     "/limits/0/name"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [LIMIT, LIMIT]}, "invalid_value", "/limits/1/name"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, name=f"l{i}") for i in range(9)]}, "invalid_value",
     "/limits"),
    ("/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, pre="1m")]}, "unknown_field", "/limits/0/pre"),
    ("/v1/consumers", {"name": "con_7"}, "invalid_value", "/name"),
    ("/v1/consumers", {"name": "x" * 65}, "invalid_value", "/name"),
    ("/v1/consumers", {"name": "a/b"}, "invalid_value", "/name"),
    ("/v1/consumers", {"name": "x", "metadata": []}, "invalid_value", "/metadata"),
    ("/v1/consumers", {"name": "x", "metadata": {"a": "b" * 4096}}, "invalid_value", "/metadata"),
    ("/v1/subscriptions", {"api": "weather", "plan": "starter"}, "invalid_value", "/consumer"),
    ("/v1/subscriptions", {"consumer": "acme", "api": "nope", "plan": "starter"}, "unknown_reference", "/api"),
    ("/v1/subscriptions", {"consumer": "nobody", "api": "weather", "plan": "starter"}, "unknown_reference", "/consumer"),
    ("/v1/subscriptions", {"consumer": "con_999", "api": "weather", "plan": "starter"}, "unknown_reference",
     "/consumer"),
    ("/v1/subscriptions", {"consumer": "acme", "api": "weather", "plan": "gold"}, "unknown_reference", "/plan"),
    ("/v1/subscriptions", {"consumer": "acme", "api": "weather", "plan": "starter", "environment": "mars"},
     "unknown_reference", "/environment"),
    ("/v1/subscriptions", {"consumer": "acme", "api": "weather", "plan": "starter", "environment": "test",
                           "started_at": "soon"}, "invalid_value", "/started_at"),
    ("/v1/keys", {}, "invalid_value", "/api"),
    ("/v1/keys", {"api": "nope"}, "unknown_reference", "/api"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "environment": "mars"}, "unknown_reference", "/environment"),
    ("/v1/keys", {"api": "weather", "consumer": "nobody"}, "unknown_reference", "/consumer"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": "forecast:read"}, "invalid_value", "/scopes"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": ["forecast:read", 1]}, "invalid_value", "/scopes/1"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": ["a b"]}, "invalid_value", "/scopes/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": ["fore*"]}, "invalid_value", "/scopes/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": ["history:read"]}, "unknown_reference", "/scopes/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": ["forecast:read", "a:b"]}, "unknown_reference",
     "/scopes/1"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "scopes": [f"s:{i}" for i in range(65)]}, "invalid_value",
     "/scopes"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "create_missing": "yes"}, "invalid_value", "/create_missing"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "create_missing": 1}, "invalid_value", "/create_missing"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "expires_at": 1700000000}, "invalid_value", "/expires_at"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "expires_at": "2027-02-30T00:00:00Z"}, "invalid_value",
     "/expires_at"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "expires_at": "2027-01-01"}, "invalid_value", "/expires_at"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "not_before": "2030-01-01T00:00:00Z",
                  "expires_at": "2029-01-01T00:00:00Z"}, "invalid_value", "/expires_at"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": []}, "invalid_value", "/restrictions"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": {"cidr": []}}, "unknown_field",
     "/restrictions/cidr"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": {"cidrs": ["203.0.113.7/24"]}}, "invalid_value",
     "/restrictions/cidrs/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": {"cidrs": ["10.0.0.0/8", "x"]}},
     "invalid_value", "/restrictions/cidrs/1"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": {"origins": ["example.com"]}}, "invalid_value",
     "/restrictions/origins/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": {"methods": ["GE T"]}}, "invalid_value",
     "/restrictions/methods/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "restrictions": {"paths": ["v1"]}}, "invalid_value",
     "/restrictions/paths/0"),
    ("/v1/keys", {"api": "weather", "consumer": "acme", "key": "tk_live_mine"}, "unknown_field", "/key"),
]


@pytest.mark.parametrize("path, body, name, field", MEMBERS,
                         ids=[f"{path[4:]}-{field}-{i}" for i, (path, _, _, field) in enumerate(MEMBERS)])
def test_members(unchanged, path, body, name, field):
    status = 400 if name == "unknown_field" else 422
    problem = unchanged.refused(unchanged.post(path, body), status, name, field)
    if name == "unknown_field":
        assert problem["mend"].startswith("use only "), problem


def test_unknown_field_names_the_known_ones(unchanged):
    problem = unchanged.refused(unchanged.post("/v1/apis", {"nam": "x"}), 400, "unknown_field", "/nam")
    assert problem["mend"] == "use only name, prefix, description, environments"


@pytest.mark.parametrize("method, path, body, field", [
    ("PATCH", "/v1/apis/weather", {"name": "other"}, "/name"),
    ("PATCH", "/v1/apis/weather", {"prefix": "zz"}, "/prefix"),
    ("PATCH", "/v1/apis/weather/plans/starter", {"name": "p"}, "/name"),
    ("PATCH", "/v1/consumers/acme", {"name": "p"}, "/name"),
    ("PATCH", "{key}", {"api": "other"}, "/api"),
    ("PATCH", "{key}", {"state": "active"}, "/state"),
    ("PATCH", "{subscription}", {"consumer": "acme"}, "/consumer"),
    ("POST", "/v1/apis/weather/suspend", {"reason": "x"}, "/reason"),
    ("POST", "{key}/suspend", {"reason": "x"}, "/reason"),
    ("POST", "{key}/revoke", {"why": "x"}, "/why"),
    ("POST", "{subscription}/end", {"at": "x"}, "/at"),
])
def test_members_of_changes(world, unchanged, method, path, body, field):
    reply = unchanged.call(method, path.format(**world), body)
    unchanged.refused(reply, 400, "unknown_field", field)


@pytest.mark.parametrize("path, body, field", [
    ("/v1/apis/weather", {"description": None}, "/description"),
    ("/v1/apis/weather", {"description": "d" * 513}, "/description"),
    ("/v1/apis/weather/plans/starter", {"limits": [{"limit": 1, "per": "x"}]}, "/limits/0/per"),
    ("/v1/consumers/acme", {"metadata": "x"}, "/metadata"),
    ("{key}", {"scopes": ["!"]}, "/scopes/0"),
    ("{key}", {"expires_at": "never"}, "/expires_at"),
    ("{key}", {"restrictions": {"paths": ["x"]}}, "/restrictions/paths/0"),
])
def test_values_of_changes(world, unchanged, path, body, field):
    unchanged.refused(unchanged.patch(path.format(**world), body), 422, "invalid_value", field)


def test_reason_too_long(world, unchanged):
    unchanged.refused(unchanged.post(world["key"] + "/revoke", {"reason": "r" * 513}), 422, "invalid_value", "/reason")


# ---- what does not exist ----

@pytest.mark.parametrize("method, path", [
    ("GET", "/v1/apis/nope"), ("PATCH", "/v1/apis/nope"), ("POST", "/v1/apis/nope/suspend"),
    ("GET", "/v1/apis/nope/environments"), ("POST", "/v1/apis/nope/scopes"), ("GET", "/v1/apis/weather/scopes/none"),
    ("GET", "/v1/apis/weather/environments/none"), ("POST", "/v1/apis/weather/environments/none/resume"),
    ("GET", "/v1/apis/weather/plans/none"), ("PATCH", "/v1/apis/weather/plans/none"),
    ("GET", "/v1/consumers/nobody"), ("GET", "/v1/consumers/con_999"), ("POST", "/v1/consumers/nobody/suspend"),
    ("GET", "/v1/subscriptions/sub_999"), ("GET", "/v1/subscriptions/5"), ("POST", "/v1/subscriptions/sub_999/end"),
    ("GET", "/v1/keys/key_999"), ("GET", "/v1/keys/key_0"), ("GET", "/v1/keys/key_01"), ("GET", "/v1/keys/17"),
    ("PATCH", "/v1/keys/key_999"), ("POST", "/v1/keys/key_999/revoke"), ("GET", "/v1/keys/key_999/usage"),
    ("GET", "/v1/keys/key_99999999999999999999999"), ("GET", "/v1/apis/a%2Fsuspend"), ("GET", "/v1/apis/%2e%2e"),
    ("GET", "/v1/apis/" + "n" * 3000),
])
def test_unknown_object(unchanged, method, path):
    body = {"PATCH": {}, "POST": {"name": "x"} if path.endswith("scopes") else None}.get(method)
    unchanged.refused(unchanged.call(method, path, body), 404, "not_found")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/apis", "/v1/apis/", "/v1/apis//environments", "/v1/apisx",
                                  "/v1/keys/key_1/rotate", "/healthz/x", "//v1/apis", "/v1/verify/"])
def test_unknown_path(unchanged, path):
    unchanged.refused(unchanged.get(path), 404, "not_found")


@pytest.mark.parametrize("method, path", [("DELETE", "/v1/apis/weather"), ("PUT", "/v1/apis"), ("GET", "/v1/verify"),
                                          ("POST", "/v1/status"), ("PATCH", "/v1/keys"), ("OPTIONS", "/v1/keys"),
                                          ("POST", "/metrics"), ("GET", "/v1/keys/key_1/revoke"), ("BREW", "/v1/apis")])
def test_wrong_method(unchanged, method, path):
    unchanged.refused(unchanged.call(method, path), 405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/v1/apis/a%00b", "/v1/apis/a%zz", "/v1/apis/a%2", "/v1/apis/%", "/v1/apis/%ff",
                                  "/v1/apis/weather/plans/%C3%28", "/v1/consumers/%ed%a0%80"])
def test_broken_escapes(unchanged, path):
    unchanged.refused(unchanged.get(path), 400, "malformed_request", "path")


# ---- the query string ----

@pytest.mark.parametrize("path, status, name, field", [
    ("/v1/apis?limit=0", 422, "invalid_value", "limit"),
    ("/v1/apis?limit=1001", 422, "invalid_value", "limit"),
    ("/v1/apis?limit=ten", 422, "invalid_value", "limit"),
    ("/v1/apis?limit=-1", 422, "invalid_value", "limit"),
    ("/v1/apis?limit=99999999999999999999999", 422, "invalid_value", "limit"),
    ("/v1/apis?limit=", 400, "malformed_request", "limit"),
    ("/v1/apis?limit", 400, "malformed_request", "limit"),
    ("/v1/apis?limit=1&limit=2", 400, "malformed_request", "limit"),
    ("/v1/apis?cursor=abc", 422, "invalid_value", "cursor"),
    ("/v1/apis?cursor=99999999999999999999", 422, "invalid_value", "cursor"),
    ("/v1/apis?lmit=5", 400, "malformed_request", "lmit"),
    ("/v1/keys?stat=active", 400, "malformed_request", "stat"),
    ("/v1/keys?state=on", 422, "invalid_value", "state"),
    ("/v1/keys?api=nope", 422, "unknown_reference", "api"),
    ("/v1/keys?consumer=nobody", 422, "unknown_reference", "consumer"),
    ("/v1/keys?api=weather&environment=mars", 422, "unknown_reference", "environment"),
    ("/v1/keys?environment=production", 422, "invalid_value", "environment"),
    ("/v1/keys?api=a%00", 400, "malformed_request", "api"),
    ("/v1/subscriptions?plan=starter", 400, "malformed_request", "plan"),
])
def test_query(unchanged, path, status, name, field):
    unchanged.refused(unchanged.get(path), status, name, field)


# ---- what create_missing makes: the fault names the member of the key's body, not one of a body that nobody sent ----

@pytest.mark.parametrize("change, status, name, field, mend", [
    ({"consumer": "a/b"}, 422, "invalid_value", "/consumer", "begin with a letter or digit"),
    ({"consumer": "con_7"}, 422, "invalid_value", "/consumer", "which is for ids"),
    ({"environment": "Mars"}, 422, "invalid_value", "/environment", "a-z 0-9 . _ -"),
    ({"environment": "preproduction"}, 422, "invalid_value", "/environment", "create the environment first, with a tag"),
    ({"environment": "live"}, 409, "conflict", "/environment", "create the environment first, with a tag"),
    ({"api": "Weather"}, 422, "invalid_value", "/api", "a-z 0-9 . _ -"),
    ({"api": "n" * 65}, 422, "invalid_value", "/api", "1 to 64 characters"),
    ({"scopes": ["a:b", "A:b"]}, 422, "invalid_value", "/scopes/1", "resource:action"),
])
def test_what_cannot_be_made(unchanged, change, status, name, field, mend):
    reply = unchanged.post("/v1/keys", {"api": "weather", "consumer": "acme", "create_missing": True, **change})
    unchanged.refused(reply, status, name, field)
    assert mend in reply.json["mend"], reply


@pytest.mark.parametrize("path, body, field", [
    ("/v1/apis", b'{"name": "x", "name": "y"}', "/name"),
    ("/v1/apis", b'{"name": "x", "environments": [{"name": "a"}, {"name": "a", "tag": "b", "tag": "c"}]}',
     "/environments/1/tag"),
    ("/v1/consumers", b'{"name": "x", "metadata": {"a/b": [0, {"c": "}\\"", "c": 2}]}}', "/metadata/a~1b/1/c"),
    ("/v1/consumers", b'{"name": "x", "metadata": ' + b'{"a":' * 16 + b"1" + b"}" * 17, "/metadata" + "/a" * 15),
    ("/v1/verify", b'{"api": "weather", "api": "weather"}', "/api"),
])
def test_malformed_json_names_the_member(unchanged, path, body, field):
    unchanged.refused(unchanged.raw("POST", path, body, JSON), 400, "malformed_json", field)


@pytest.mark.parametrize("path, field", [
    ("/v1/keys?api=nope", "api"), ("/v1/keys?consumer=nobody", "consumer"),
    ("/v1/keys?api=weather&environment=mars", "environment"), ("/v1/subscriptions?consumer=con_999", "consumer"),
    ("/v1/subscriptions?api=nope&environment=mars", "api")])
def test_query_that_names_nothing(unchanged, path, field):
    unchanged.refused(unchanged.get(path), 422, "unknown_reference", field)


@pytest.mark.parametrize("method, path, body, detail", [
    ("POST", "/v1/verify", {"api": "weather", "cost": "1"}, "it is not a whole number from 0 to 1000000000000"),
    ("GET", "/v1/keys?limit=x", None, "it is not a number from 1 to 1000"),
    ("GET", "/v1/apis?cursor=%ff", None, "it is not UTF-8"),
    ("POST", "/v1/apis/weather/plans", {"name": "p", "limits": [dict(LIMIT, limit=10**15 + 1)]},
     "use a limit and a burst of 1 to 1000000000000000, at most 1000000000 a second, per 1s to 366d"),
])
def test_problems_say_what_it_must_be(unchanged, method, path, body, detail):
    reply = unchanged.call(method, path, body)
    assert detail in (reply.json["detail"], reply.json["mend"]), reply


# ---- conflicts, versions, repeated requests ----

@pytest.mark.parametrize("path, body, field", [
    ("/v1/apis", {"name": "weather"}, "/name"),
    ("/v1/apis", {"name": "tollkeeper"}, "/name"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "a"}, {"name": "a", "tag": "b"}]}, "/environments/1/name"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "a", "tag": "t"}, {"name": "b", "tag": "t"}]},
     "/environments/1/tag"),
    ("/v1/apis", {"name": "x", "environments": [{"name": "production"}, {"name": "live"}]}, "/environments/1/tag"),
    ("/v1/apis/weather/environments", {"name": "production"}, "/name"),
    ("/v1/apis/weather/environments", {"name": "other", "tag": "live"}, "/tag"),
    ("/v1/apis/weather/scopes", {"name": "forecast:read"}, "/name"),
    ("/v1/apis/weather/plans", {"name": "starter"}, "/name"),
    ("/v1/consumers", {"name": "acme"}, "/name"),
    ("/v1/subscriptions", {"consumer": "acme", "api": "weather", "plan": "starter"}, None),
])
def test_conflicts(unchanged, path, body, field):
    unchanged.refused(unchanged.post(path, body), 409, "conflict", field)


@pytest.mark.parametrize("target, method, body", [
    ("/v1/apis/weather", "PATCH", {"description": "x"}), ("/v1/apis/weather/suspend", "POST", None),
    ("/v1/apis/weather/environments/test/suspend", "POST", None),
    ("/v1/apis/weather/scopes/forecast:read", "PATCH", {"description": "x"}),
    ("/v1/apis/weather/plans/starter", "PATCH", {"limits": [LIMIT]}), ("/v1/consumers/acme", "PATCH", {"metadata": {}}),
    ("/v1/consumers/acme/suspend", "POST", None), ("{subscription}", "PATCH", {"plan": "starter"}),
    ("{subscription}/end", "POST", None), ("{key}", "PATCH", {"name": "x"}), ("{key}/suspend", "POST", None),
    ("{key}/revoke", "POST", {"reason": "x"}),
])
def test_stale(world, unchanged, target, method, body):
    reply = unchanged.call(method, target.format(**world), body, {"If-Match": '"99"'})
    unchanged.refused(reply, 412, "stale", "If-Match")


@pytest.mark.parametrize("tag", ["", "1", '"x"', '"1", "2"', 'W/"1"', '"0"', '"-1"', '"', "**", '"99999999999999999999"'])
def test_if_match_that_is_none(unchanged, tag):
    reply = unchanged.call("PATCH", "/v1/apis/weather", {"description": "x"}, {"If-Match": tag})
    unchanged.refused(reply, 400, "malformed_request", "If-Match")


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "k\x01"])
def test_idempotency_key_that_is_none(unchanged, key):
    reply = unchanged.call("POST", "/v1/consumers", {"name": "x"}, {"Idempotency-Key": key})
    unchanged.refused(reply, 400, "malformed_request", "Idempotency-Key")


# ---- the question of verify and explain ----

QUESTIONS = [
    ({}, "/api"), ({"api": 1}, "/api"), ({"api": "weather", "key": 7}, "/key"),
    ({"api": "weather", "environment": None}, "/environment"),
    ({"api": "weather", "scope": 1}, "/scope"), ({"api": "weather", "scope": "a and"}, "/scope"),
    ({"api": "weather", "scope": "(a"}, "/scope"), ({"api": "weather", "scope": "a:*"}, "/scope"),
    ({"api": "weather", "scope": "(" * 17 + "a" + ")" * 17}, "/scope"),
    ({"api": "weather", "scope": " or ".join(["abcdefghij"] * 100)}, "/scope"),
    ({"api": "weather", "scope": ["a", "B"]}, "/scope/1"), ({"api": "weather", "scope": ["a", 1]}, "/scope/1"),
    ({"api": "weather", "scope": ["a or b"]}, "/scope/0"), ({"api": "weather", "scope": ["a"] * 33}, "/scope"),
    ({"api": "weather", "method": "G T"}, "/method"), ({"api": "weather", "method": ""}, "/method"),
    ({"api": "weather", "method": "M" * 33}, "/method"), ({"api": "weather", "method": []}, "/method"),
    ({"api": "weather", "path": "v1"}, "/path"), ({"api": "weather", "path": ""}, "/path"),
    ({"api": "weather", "path": "/" + "a" * 4096}, "/path"), ({"api": "weather", "path": 5}, "/path"),
    ({"api": "weather", "ip": "203.0.113"}, "/ip"), ({"api": "weather", "ip": "203.0.113.7:80"}, "/ip"),
    ({"api": "weather", "ip": "::g"}, "/ip"), ({"api": "weather", "ip": ""}, "/ip"),
    ({"api": "weather", "ip": 3405803783}, "/ip"), ({"api": "weather", "origin": "o" * 513}, "/origin"),
    ({"api": "weather", "origin": {}}, "/origin"), ({"api": "weather", "cost": -1}, "/cost"),
    ({"api": "weather", "cost": 1.5}, "/cost"), ({"api": "weather", "cost": "1"}, "/cost"),
    ({"api": "weather", "cost": 10**12 + 1}, "/cost"), ({"api": "weather", "cost": 10**30}, "/cost"),
    ({"api": "weather", "cost": True}, "/cost"), ({"api": "weather", "cost": None}, "/cost"),
]


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/explain"])
@pytest.mark.parametrize("body, field", QUESTIONS, ids=[f"{field[1:]}-{i}" for i, (_, field) in enumerate(QUESTIONS)])
def test_questions(unchanged, path, body, field):
    unchanged.refused(unchanged.post(path, body), 422, "invalid_value", field)


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/explain"])
def test_question_about_nothing(unchanged, path):
    for body in ({"api": "nope"}, {"api": "nope", "environment": "mars"}, {"api": ""}, {"api": "é" * 500}):
        unchanged.refused(unchanged.post(path, body), 422, "unknown_reference", "/api")
    for name in ("mars", "", "weather", "é" * 500):
        unchanged.refused(unchanged.post(path, {"api": "weather", "environment": name}), 422, "unknown_reference",
                          "/environment")
    for body in ({"api": "weather", "Key": "x"}, {"api": "weather", "scopes": []}, {"": 1}):
        unchanged.refused(unchanged.post(path, body), 400, "unknown_field")


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/explain"])
@pytest.mark.parametrize("case", [case for case in NOT_JSON if "limits" not in str(NOT_JSON[case])])
def test_question_that_is_no_json(unchanged, path, case):
    body = NOT_JSON[case].replace(b'"name"', b'"api"').replace(b'"description"', b'"origin"')
    reply = unchanged.raw("POST", path, body, JSON)
    if "deep" in case:
        assert reply.status in (400, 422), reply
    else:
        unchanged.refused(reply, 400, "malformed_json")


@pytest.mark.parametrize("body", [
    b'{"api": "weather", "cost": 01}', b'{"api": "weather", "cost": +1}', b'{"api": "weather", "cost": 1e1}'])
def test_numbers_that_are_none(unchanged, body):
    reply = unchanged.raw("POST", "/v1/verify", body, JSON)
    unchanged.refused(reply, 422, "invalid_value", "/cost")
