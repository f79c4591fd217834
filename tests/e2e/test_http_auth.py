"""Who may call what over HTTP: admin keys and their scopes, the Unix socket, and those who may verify."""

import re
import time

import pytest

import daemon
import openapi_check

# Each scope, and requests that need exactly it: (method, path, body).
NEEDS = {
    "apis:read": [("GET", "/v1/apis", None), ("GET", "/v1/apis/none", None), ("GET", "/v1/apis/none/scopes", None)],
    "apis:write": [("POST", "/v1/apis", {}), ("PATCH", "/v1/apis/none", {}), ("POST", "/v1/apis/none/suspend", None)],
    "plans:read": [("GET", "/v1/apis/none/plans", None)],
    "plans:write": [("POST", "/v1/apis/none/plans", {})],
    "consumers:read": [("GET", "/v1/consumers", None), ("GET", "/v1/subscriptions", None)],
    "consumers:write": [("POST", "/v1/consumers", {}), ("POST", "/v1/subscriptions", {})],
    "keys:read": [("GET", "/v1/keys", None), ("GET", "/v1/keys/key_99999/usage", None)],
    "keys:write": [("POST", "/v1/keys", {}), ("POST", "/v1/keys/key_99999/revoke", None)],
    "status:read": [("GET", "/v1/status", None)],
    "backup:read": [("GET", "/v1/backup", None)],
    "verify": [],
}


def admin_key(admin, **fields):
    return admin.issue(api="tollkeeper", consumer="admin", **fields)


@pytest.mark.parametrize("scope", NEEDS)
def test_a_scope_opens_its_routes_and_no_others(server, admin, scope):
    with server.bearing(admin_key(admin, scopes=[scope])["key"]) as limited:
        for needed, requests in NEEDS.items():
            for method, path, body in requests:
                reply = limited.call(method, path, body)
                if needed == scope:
                    assert reply.status not in (401, 403), (needed, reply)
                    continue
                problem = limited.refused(reply, 403, "forbidden", "Authorization")
                assert problem["mend"] == f"use a key with the scope {needed}"
                assert reply.headers["WWW-Authenticate"] == (
                    f'Bearer realm="tollkeeper", error="insufficient_scope", scope="{needed}"')


def test_every_operation_names_the_scope_that_it_needs(server, admin):
    """x-required-scope of the document is what the server asks for."""
    with server.bearing(admin_key(admin, scopes=[])["key"]) as nobody:
        for path, item in openapi_check.document()["paths"].items():
            for method, found in item.items():
                if method == "parameters" or "x-required-scope" not in found:
                    continue
                reply = nobody.call(method.upper(), re.sub(r"\{\w+\}", "none", path), None)
                assert reply.status == 403, (method, path, reply)
                assert f'scope="{found["x-required-scope"]}"' in reply.headers["WWW-Authenticate"], (method, path)


def test_wildcards(server, admin):
    with server.bearing(admin_key(admin, scopes=["apis:*"])["key"]) as limited:
        assert limited.get("/v1/apis").status == 200
        limited.refused(limited.post("/v1/apis", {}), 422, "invalid_value")
        limited.refused(limited.get("/v1/keys"), 403, "forbidden")


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic dGVzdDp0ZXN0", "tk_admin_x", "Bearer nonsense",
                                   "Bearer tk_admin_" + "0" * 41, "Bearer a b", "Digest x"])
def test_no_valid_key(server, value):
    with server.presenting(value) as client:
        for path in ("/v1/apis", "/v1/status"):
            reply = client.get(path)
            client.refused(reply, 401, "unauthenticated", "Authorization")
            assert reply.headers["WWW-Authenticate"] == 'Bearer realm="tollkeeper", error="invalid_token"'


def test_no_key_at_all(anonymous):
    for method, path in (("GET", "/v1/apis"), ("POST", "/v1/keys"), ("GET", "/v1/status")):
        reply = anonymous.call(method, path)
        anonymous.refused(reply, 401, "unauthenticated", "Authorization")
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="tollkeeper"'


def test_scheme_in_any_case(server):
    with server.presenting(f"bEaReR   {server.daemon.admin_key}") as client:
        assert client.get("/v1/apis").status == 200


def test_two_authorization_headers(server):
    reply = raw_get(server, "/v1/apis", *[("Authorization", f"Bearer {server.daemon.admin_key}")] * 2)
    assert reply.startswith(b"HTTP/1.1 400 "), reply


def raw_get(server, path, *headers):
    import socket
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close"] + [f"{name}: {value}" for name, value in headers]
    with socket.create_connection(("127.0.0.1", server.daemon.port), 10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        reply = b""
        while piece := connection.recv(65536):
            reply += piece
    return reply


def test_a_key_of_another_api_is_no_admin_key(server, admin, weather, consumer):
    other = admin.issue(api=weather, consumer=consumer, scopes=["*"])["key"]
    with server.bearing(other) as client:
        client.refused(client.get("/v1/apis"), 401, "unauthenticated")


def test_suspended_revoked_and_expired_admin_keys(server, admin):
    made = admin_key(admin, scopes=["*"])
    path = f"/v1/keys/{made['id']}"
    with server.bearing(made["key"]) as client:
        assert client.get("/v1/apis").status == 200
        admin.done(admin.post(path + "/suspend"))
        client.refused(client.get("/v1/apis"), 403, "forbidden")
        admin.done(admin.post(path + "/resume"))
        assert client.get("/v1/apis").status == 200
        admin.done(admin.post(path + "/revoke"))
        client.refused(client.get("/v1/apis"), 401, "unauthenticated")
    past = admin_key(admin, scopes=["*"])
    admin.done(admin.patch(f"/v1/keys/{past['id']}", {"expires_at": "2020-01-01T00:00:00Z"}))
    with server.bearing(past["key"]) as client:
        client.refused(client.get("/v1/apis"), 401, "unauthenticated")


def test_a_limited_admin_key(server, admin):
    made = admin_key(admin, scopes=["*"], limits=[{"limit": 2, "per": "1h"}])
    with server.bearing(made["key"]) as client:
        assert [client.get("/v1/apis").status for _ in range(2)] == [200, 200]
        reply = client.get("/v1/apis")
        client.refused(reply, 429, "rate_limited")
        assert 0 < int(reply.headers["Retry-After"]) <= 1800


def test_a_restricted_admin_key(server, admin):
    made = admin_key(admin, scopes=["*"], restrictions={"methods": ["GET"], "paths": ["/v1/apis", "/v1/apis/**"]})
    with server.bearing(made["key"]) as client:
        assert client.get("/v1/apis").status == 200
        client.refused(client.post("/v1/apis", {"name": "x"}), 403, "forbidden")
        client.refused(client.get("/v1/keys"), 403, "forbidden")
    elsewhere = admin_key(admin, scopes=["*"], restrictions={"cidrs": ["203.0.113.0/24"]})
    with server.bearing(elsewhere["key"]) as client:
        client.refused(client.get("/v1/apis"), 403, "forbidden")


def test_nobody_grants_what_they_do_not_hold(server, admin):
    made = admin_key(admin, scopes=["keys:*", "apis:read"])
    with server.bearing(made["key"]) as client:
        client.refused(client.post("/v1/keys", {"api": "tollkeeper", "consumer": "admin", "scopes": ["*"]}), 403,
                       "forbidden")
        client.refused(client.patch(f"/v1/keys/{made['id']}", {"scopes": ["keys:*", "apis:write"]}), 403, "forbidden")
        assert client.issue(api="tollkeeper", consumer="admin", scopes=["apis:read"])["scopes"] == ["apis:read"]


def test_the_socket_needs_no_key(server):
    with server.socket() as client:
        assert client.get("/v1/status").status == 200
        made = client.issue(api="tollkeeper", consumer="admin", scopes=["*"])
        assert made["created_by"] == "socket:0"


def test_a_key_on_the_socket_counts(server, admin):
    made = admin_key(admin, scopes=["apis:read"])
    client = openapi_check.Checked(daemon.SocketConnection(server.daemon.socket_path, 10),
                                   {"Authorization": f"Bearer {made['key']}"}, server.keys)
    with client:
        assert client.get("/v1/apis").status == 200
        client.refused(client.get("/v1/keys"), 403, "forbidden")


def test_the_socket_is_for_its_owner_only(server):
    assert server.daemon.socket_path.stat().st_mode & 0o777 == 0o600


def test_changes_name_their_maker(server, admin, weather, consumer):
    made = admin.issue(api=weather, consumer=consumer)
    first = admin.done(admin.get("/v1/keys?api=tollkeeper&limit=1"))["items"][0]
    assert made["created_by"] == first["id"]


# ---- verify and explain ----

@pytest.fixture(scope="module")
def far_server(tmp_path_factory):
    """A daemon that lists another machine as its verify peer, so that this one is not."""
    from conftest import Server
    running = daemon.Daemon(tmp_path_factory.mktemp("far"), arguments=["--verify-peers", "203.0.113.0/24"]).start()
    made = Server(running)
    try:
        yield made
        assert running.stop() == 0
        made.check_log()
    finally:
        if running.process is not None:
            running.end()


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/explain"])
def test_who_may_verify(far_server, path):
    server = far_server
    with server.admin() as admin, server.anonymous() as anonymous, server.socket() as socket:
        question = {"api": "tollkeeper", "key": server.daemon.admin_key}
        reply = anonymous.post(path, question)
        problem = anonymous.refused(reply, 401, "unauthenticated", "Authorization")
        assert "--verify-peers" in problem["mend"]
        assert socket.post(path, question).status == 200
        assert admin.post(path, question).status == 200
        with server.bearing(admin_key(admin, scopes=["verify"])["key"]) as checker:
            assert checker.post(path, question).status == 200
            checker.refused(checker.get("/v1/keys"), 403, "forbidden")
        with server.bearing(admin_key(admin, scopes=["keys:read"])["key"]) as other:
            other.refused(other.post(path, question), 403, "forbidden")


def test_listed_peers_need_no_key(anonymous, weather):
    assert anonymous.verify(None, weather) == "missing_key"


def test_a_bad_key_is_refused_even_from_a_listed_peer(server, weather):
    with server.presenting("Bearer nonsense") as client:
        client.refused(client.post("/v1/verify", {"api": weather}), 401, "unauthenticated")


def test_metrics_and_health_need_no_key_here(anonymous):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert anonymous.get(path).status == 200


def test_refusals_are_logged_without_the_key(server, admin, unique):
    made = admin_key(admin, scopes=["apis:read"])
    with server.bearing(made["key"]) as client:
        client.refused(client.post("/v1/consumers", {"name": f"c-{unique}"}), 403, "forbidden")
    wanted = re.compile(r"event=request method=POST route=/v1/consumers status=403 .*actor=none source=127\.0\.0\.1 "
                        r'problem="forbidden"')
    deadline = time.monotonic() + 10
    while not wanted.search(server.daemon.log.read_text()):
        assert time.monotonic() < deadline, server.daemon.tail()
        time.sleep(0.01)
