"""Admin keys: bound to APIs, nobody grants or takes what they do not hold, the last one stays, and guessing is throttled."""

import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import daemon
import openapi_check
from conftest import Server


def admin_key(admin, scopes, **fields):
    return admin.issue(api="tollkeeper", consumer="admin", scopes=scopes, **fields)


@pytest.fixture
def maps(admin, unique):
    name = f"maps-{unique}"
    admin.done(admin.post("/v1/apis", {"name": name}))
    return name


@pytest.fixture
def bound(server, admin, weather):
    """A client whose key may do everything, with `weather` alone."""
    with server.bearing(admin_key(admin, ["*"], only_apis=[weather])["key"]) as client:
        yield client


# ---- bound to APIs ----

def test_what_a_bound_key_sees_and_does(admin, bound, weather, maps, consumer):
    own, other = bound.issue(api=weather, consumer=consumer), admin.issue(api=maps, consumer=consumer)
    assert [api["name"] for api in bound.every("/v1/apis")] == [weather]
    assert [key["id"] for key in bound.every("/v1/keys")] == [own["id"]]
    assert bound.get(f"/v1/keys/{own['id']}").status == 200
    bound.done(bound.patch(f"/v1/keys/{own['id']}", {"name": "x"}))
    bound.done(bound.post(f"/v1/keys/{own['id']}/suspend"))
    bound.done(bound.post(f"/v1/apis/{weather}/plans", {"name": "gold"}))
    made = bound.done(bound.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "gold"}))
    assert [one["id"] for one in bound.every("/v1/subscriptions")] == [made["id"]]
    bound.done(bound.post(f"/v1/apis/{weather}/suspend"))
    bound.done(bound.post(f"/v1/apis/{weather}/resume"))
    for method, path, body in [
            ("GET", f"/v1/keys/{other['id']}", None), ("GET", f"/v1/keys/{other['id']}/usage", None),
            ("PATCH", f"/v1/keys/{other['id']}", {"name": "x"}), ("POST", f"/v1/keys/{other['id']}/revoke", None),
            ("POST", "/v1/keys", {"api": maps, "consumer": consumer}),
            ("POST", "/v1/keys", {"api": "another", "consumer": consumer, "create_missing": True}),
            ("GET", f"/v1/keys?api={maps}", None), ("GET", "/v1/keys?api=tollkeeper", None),
            ("GET", f"/v1/apis/{maps}", None), ("PATCH", f"/v1/apis/{maps}", {"description": "x"}),
            ("POST", f"/v1/apis/{maps}/suspend", None), ("GET", f"/v1/apis/{maps}/environments", None),
            ("POST", f"/v1/apis/{maps}/environments", {"name": "x"}), ("GET", f"/v1/apis/{maps}/scopes", None),
            ("POST", f"/v1/apis/{maps}/plans", {"name": "x"}), ("GET", "/v1/apis/nowhere", None),
            ("GET", "/v1/apis/tollkeeper/plans", None), ("POST", "/v1/apis", {"name": "another"}),
            ("GET", f"/v1/subscriptions?api={maps}", None), ("GET", "/v1/audit", None),
            ("POST", "/v1/subscriptions", {"consumer": consumer, "api": maps, "plan": "open"})]:
        reply = bound.call(method, path, body)
        problem = bound.refused(reply, 403, "forbidden")
        assert weather in problem["detail"], (method, path, problem)


def test_escapes_do_not_lead_around_the_binding(bound, weather, maps):
    assert bound.get(f"/v1/apis/{weather.replace('w', '%77')}").status == 200
    bound.refused(bound.get(f"/v1/apis/{maps.replace('m', '%6D')}"), 403, "forbidden")
    bound.refused(bound.get(f"/v1/keys?api={maps.replace('m', '%6D')}"), 403, "forbidden")


def test_a_subscription_of_another_api(admin, bound, maps, consumer):
    admin.done(admin.post(f"/v1/apis/{maps}/plans", {"name": "gold"}))
    made = admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": maps, "plan": "gold"}))
    for method, path, body in [("GET", "", None), ("PATCH", "", {"plan": "gold"}), ("POST", "/suspend", None), ("POST", "/end", None)]:
        bound.refused(bound.call(method, f"/v1/subscriptions/{made['id']}{path}", body), 403, "forbidden")


def test_consumers_are_read_and_made_but_not_taken_from_others(admin, bound, weather, maps, unique, consumer):
    admin.issue(api=maps, consumer=consumer)
    bound.issue(api=weather, consumer=consumer)
    assert bound.get(f"/v1/consumers/{consumer}").status == 200
    own = f"own-{unique}"
    bound.done(bound.post("/v1/consumers", {"name": own}))
    bound.issue(api=weather, consumer=own)
    bound.done(bound.post(f"/v1/consumers/{own}/suspend"))
    bound.done(bound.patch(f"/v1/consumers/{own}", {"description": "ours"}))
    bound.refused(bound.post(f"/v1/consumers/{consumer}/suspend"), 403, "forbidden")
    bound.refused(bound.patch(f"/v1/consumers/{consumer}", {"description": "ours"}), 403, "forbidden")
    bound.refused(bound.post("/v1/consumers/admin/suspend"), 403, "forbidden")


def test_verify_and_explain_keep_to_the_binding(server, admin, weather, maps, consumer):
    """From elsewhere, where a key is needed to ask; and from here, where the binding holds all the same."""
    key = admin.issue(api=weather, consumer=consumer)["key"]
    with server.bearing(admin_key(admin, ["verify"], only_apis=[weather])["key"]) as gateway:
        for path in ("/v1/verify", "/v1/explain"):
            assert gateway.post(path, {"api": weather, "key": key}).status == 200
            gateway.refused(gateway.post(path, {"api": maps, "key": key}), 403, "forbidden", "/api")
            gateway.refused(gateway.post(path, {"api": "tollkeeper", "key": key}), 403, "forbidden", "/api")
            gateway.refused(gateway.post(path, {"api": "nowhere", "key": key}), 403, "forbidden", "/api")


def test_several_apis(server, admin, weather, maps, consumer):
    made = admin_key(admin, ["*"], only_apis=[weather, maps, weather])
    assert made["only_apis"] == sorted([weather, maps])
    with server.bearing(made["key"]) as client:
        keys = {api: client.issue(api=api, consumer=consumer)["id"] for api in (weather, maps)}
        client.refused(client.get("/v1/keys"), 422, "invalid_value", "api")
        for api, key in keys.items():
            assert [one["id"] for one in client.every(f"/v1/keys?api={api}")] == [key]
        assert [api["name"] for api in client.every("/v1/apis")] == [weather, maps]
        assert [api["name"] for api in client.done(client.get("/v1/apis?limit=1"))["items"]] == [weather]


def test_a_binding_is_handed_down(server, admin, bound, weather, maps):
    body = {"api": "tollkeeper", "consumer": "admin", "scopes": ["keys:read"]}
    bound.refused(bound.post("/v1/keys", body), 403, "forbidden", "/only_apis")
    bound.refused(bound.post("/v1/keys", dict(body, only_apis=[])), 403, "forbidden", "/only_apis")
    bound.refused(bound.post("/v1/keys", dict(body, only_apis=[weather, maps])), 403, "forbidden", "/only_apis/1")
    made = bound.issue(**body, only_apis=[weather])
    with server.bearing(made["key"]) as client:
        assert client.get(f"/v1/keys?api={weather}").status == 200
        client.refused(client.get(f"/v1/keys?api={maps}"), 403, "forbidden")
    bound.done(bound.post(f"/v1/keys/{made['id']}/revoke"))
    unbound = admin_key(admin, ["keys:read"])
    for path in ("revoke", "suspend"):
        bound.refused(bound.post(f"/v1/keys/{unbound['id']}/{path}"), 403, "forbidden")


def test_a_binding_never_changes(admin, weather):
    made = admin_key(admin, ["keys:read"], only_apis=[weather])
    admin.refused(admin.patch(f"/v1/keys/{made['id']}", {"only_apis": []}), 400, "unknown_field", "/only_apis")


@pytest.mark.parametrize("only_apis, status, problem, field", [
    (["nowhere"], 422, "unknown_reference", "/only_apis/0"), (["tollkeeper"], 422, "invalid_value", "/only_apis/0"),
    (["weather"] * 17, 422, "invalid_value", "/only_apis"), ("weather", 422, "invalid_value", "/only_apis"),
    ([7], 422, "invalid_value", "/only_apis/0")])
def test_bad_bindings(admin, only_apis, status, problem, field):
    body = {"api": "tollkeeper", "consumer": "admin", "scopes": ["keys:read"], "only_apis": only_apis}
    admin.refused(admin.post("/v1/keys", body), status, problem, field)


def test_other_keys_are_not_bound(admin, weather, consumer):
    body = {"api": weather, "consumer": consumer, "only_apis": [weather]}
    admin.refused(admin.post("/v1/keys", body), 422, "invalid_value", "/only_apis")
    assert "only_apis" not in admin.issue(api=weather, consumer=consumer)


def test_a_binding_survives_kill_9(tmp_path):
    with daemon.Daemon(tmp_path).start() as running:
        with openapi_check.over_tcp(running, set()) as admin:
            for name in ("weather", "maps"):
                admin.done(admin.post("/v1/apis", {"name": name}))
            key = admin_key(admin, ["*"], only_apis=["weather"])["key"]
        running.kill()
        running.start()
        with openapi_check.over_tcp(running, set(), authorization=f"Bearer {key}") as client:
            assert client.get("/v1/apis/weather").status == 200
            client.refused(client.get("/v1/apis/maps"), 403, "forbidden")
        assert running.stop() == 0


# ---- nobody grants or takes what they do not hold ----

def test_ways_around(server, admin, unique):
    chief = f"chief-{unique}"
    admin.done(admin.post("/v1/consumers", {"name": chief}))
    strong = admin.issue(api="tollkeeper", consumer=chief, scopes=["*"])
    clerk = admin_key(admin, ["keys:*", "consumers:*", "plans:*", "apis:*"])
    with server.bearing(clerk["key"]) as client:
        for method, path, body in [
                ("POST", f"/v1/keys/{strong['id']}/suspend", None), ("POST", f"/v1/keys/{strong['id']}/resume", None),
                ("POST", f"/v1/keys/{strong['id']}/revoke", None), ("PATCH", f"/v1/keys/{strong['id']}", {"scopes": []}),
                ("PATCH", f"/v1/keys/{strong['id']}", {"name": "mine"}),
                ("PATCH", f"/v1/keys/{strong['id']}", {"expires_at": "2020-01-01T00:00:00Z"}),
                ("PATCH", f"/v1/keys/{clerk['id']}", {"scopes": ["keys:*", "audit:read"]}),
                ("PATCH", f"/v1/keys/{clerk['id']}", {"scopes": ["*"]}),
                ("POST", "/v1/keys", {"api": "tollkeeper", "consumer": chief, "scopes": ["audit:*"], "create_missing": True}),
                ("POST", f"/v1/consumers/{chief}/suspend", None), ("POST", f"/v1/consumers/{chief}/resume", None),
                ("POST", "/v1/apis/tollkeeper/plans", {"name": "none"}),
                ("POST", "/v1/subscriptions", {"consumer": chief, "api": "tollkeeper", "plan": "open"})]:
            client.refused(client.call(method, path, body), 403, "forbidden")
        for path in ("/v1/apis/tollkeeper/suspend", "/v1/apis/tollkeeper/environments/production/suspend"):
            client.refused(client.post(path), 409, "wrong_state")
        client.refused(client.post("/v1/apis/tollkeeper/scopes", {"name": "x:y"}), 409, "wrong_state")
        client.refused(client.post("/v1/apis/tollkeeper/environments", {"name": "x"}), 409, "wrong_state")
        client.done(client.post(f"/v1/keys/{clerk['id']}/suspend"))  # its own it may
    with server.bearing(strong["key"]) as client:
        assert client.get("/v1/apis").status == 200


def test_nobody_outgrows_their_own_key(server, admin):
    """A key for an afternoon, from one network, makes no key for ever, from everywhere: neither of another one nor of itself."""
    soon, later = "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"
    held = {"cidrs": ["127.0.0.0/8"], "methods": ["GET", "POST", "PATCH"]}
    mine = admin_key(admin, ["*"], expires_at=soon, restrictions=held)
    lasting = admin_key(admin, ["keys:read"])
    good = {"api": "tollkeeper", "consumer": "admin", "scopes": ["keys:read"], "expires_at": soon, "restrictions": held}
    with server.bearing(mine["key"]) as client:
        path = f"/v1/keys/{mine['id']}"
        for body, field in [({"expires_at": None}, "/expires_at"), ({"expires_at": later}, "/expires_at"),
                            ({"restrictions": {"cidrs": []}}, "/restrictions/cidrs"),
                            ({"restrictions": {"cidrs": ["127.0.0.0/8", "192.0.2.0/24"]}}, "/restrictions/cidrs"),
                            ({"restrictions": {"cidrs": ["126.0.0.0/7"]}}, "/restrictions/cidrs"),
                            ({"restrictions": {"methods": []}}, "/restrictions/methods"),
                            ({"restrictions": {"methods": ["DELETE"]}}, "/restrictions/methods")]:
            client.refused(client.patch(path, body), 403, "forbidden", field)
        for change, field in [({"expires_at": None}, "/expires_at"), ({"expires_at": later}, "/expires_at"),
                              ({"restrictions": {"methods": ["GET"]}}, "/restrictions/cidrs"),
                              ({"restrictions": {"cidrs": ["127.0.0.1/32"]}}, "/restrictions/methods")]:
            client.refused(client.post("/v1/keys", dict(good, **change)), 403, "forbidden", field)
        made = client.issue(**dict(good, restrictions={"cidrs": ["127.0.0.1/32", "127.0.1.0/24"], "methods": ["GET"]}))
        assert made["expires_at"] == soon
        client.done(client.patch(f"/v1/keys/{lasting['id']}", {"name": "renamed"}))  # what is not given is not held against it
        client.done(client.patch(path, {"expires_at": "2029-01-01T00:00:00Z"}))


# ---- the last admin key ----

@pytest.fixture
def alone(tmp_path):
    """A daemon with one admin key."""
    running = daemon.Daemon(tmp_path).start()
    made = Server(running)
    try:
        yield made
        assert running.stop() == 0
        made.check_log()
    finally:
        if running.process is not None:
            running.end()


def test_the_last_admin_key_cannot_be_taken_over_the_network(alone):
    with alone.admin() as admin:
        first = "key_1"
        for method, path, body in [
                ("POST", f"/v1/keys/{first}/revoke", None), ("POST", f"/v1/keys/{first}/suspend", None),
                ("PATCH", f"/v1/keys/{first}", {"scopes": ["keys:read"]}), ("PATCH", f"/v1/keys/{first}", {"scopes": []}),
                ("PATCH", f"/v1/keys/{first}", {"expires_at": "2020-01-01T00:00:00Z"}),
                ("PATCH", f"/v1/keys/{first}", {"not_before": "2099-01-01T00:00:00Z"}),
                ("PATCH", f"/v1/keys/{first}", {"restrictions": {"cidrs": ["203.0.113.0/24"]}}),
                ("PATCH", f"/v1/keys/{first}", {"restrictions": {"methods": ["GET"]}}),
                ("PATCH", f"/v1/keys/{first}", {"restrictions": {"paths": ["/v1/apis/**"]}}),
                ("PATCH", f"/v1/keys/{first}", {"restrictions": {"origins": ["https://a.example"]}}),
                ("PATCH", f"/v1/keys/{first}", {"limits": [{"kind": "window", "limit": 0, "per": "day"}]}),
                ("POST", "/v1/consumers/admin/suspend", None)]:
            admin.refused(admin.call(method, path, body), 409, "last_admin")
        admin.done(admin.post("/v1/apis/tollkeeper/plans", {"name": "some", "limits": [{"limit": 9000, "per": "1m"}]}))
        made = admin.done(admin.post("/v1/subscriptions", {"consumer": "admin", "api": "tollkeeper", "plan": "some"}))
        admin.refused(admin.post(f"/v1/subscriptions/{made['id']}/suspend"), 409, "last_admin")
        nothing = {"limits": [{"kind": "window", "limit": 0, "per": "day"}]}
        admin.refused(admin.patch("/v1/apis/tollkeeper/plans/some", nothing), 409, "last_admin")
        admin.done(admin.post("/v1/apis/tollkeeper/plans", dict(nothing, name="none")))
        admin.refused(admin.patch(f"/v1/subscriptions/{made['id']}", {"plan": "none"}), 409, "last_admin")
        assert admin.get(f"/v1/keys/{first}").json["state"] == "active"
        # A second one lets it go, and is then the last.
        second = admin_key(admin, ["keys:*"])
        admin.done(admin.post(f"/v1/keys/{first}/revoke"))
    with alone.bearing(second["key"]) as client:
        client.refused(client.post(f"/v1/keys/{second['id']}/revoke"), 409, "last_admin")


def test_two_who_revoke_each_other(alone):
    """At the same moment, many times: one of the two always stays."""
    with alone.admin() as admin, ThreadPoolExecutor(2) as pool:
        known = [(admin, "key_1")]
        for _ in range(20):
            other = admin_key(known[0][0], ["*"])
            pair = [known[0], (alone.bearing(other["key"]), other["id"])]
            replies = list(pool.map(lambda me, you: me[0].post(f"/v1/keys/{you[1]}/revoke"), pair, pair[::-1]))
            assert sorted(reply.status for reply in replies) in ([200, 401], [200, 409]), replies
            left = [me for me, reply in zip(pair, replies) if reply.status == 200]
            known = left
    with alone.socket() as socket:
        assert [key["id"] for key in socket.every("/v1/keys?state=active")] == [known[0][1]]


def test_attempts_on_the_last_one_are_noted(alone):
    with alone.admin() as admin:
        admin.refused(admin.post("/v1/keys/key_1/revoke"), 409, "last_admin")
        deadline = time.monotonic() + 10
        while not (found := admin.done(admin.get("/v1/audit?action=refused"))["items"]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert found[0]["after"]["problem"] == "last_admin" and found[0]["object_id"] == "key_1"


def test_the_way_back_in(alone):
    """Over the socket everything can be revoked, and a new admin key issued."""
    with alone.socket() as socket:
        socket.done(socket.post("/v1/keys/key_1/revoke", {"reason": "leaked"}))
        with alone.admin() as old:
            old.refused(old.get("/v1/apis"), 401, "unauthenticated")
        made = socket.issue(api="tollkeeper", consumer="admin", scopes=["*"])
    with alone.bearing(made["key"]) as client:
        assert client.get("/v1/apis").status == 200
        client.refused(client.post(f"/v1/keys/{made['id']}/revoke"), 409, "last_admin")


def test_the_socket_with_a_key_is_no_way_around(alone):
    path = alone.daemon.socket_path
    client = openapi_check.Checked(daemon.SocketConnection(path, 10), {"Authorization": f"Bearer {alone.daemon.admin_key}"},
                                   alone.keys)
    with client:
        client.refused(client.post("/v1/keys/key_1/revoke"), 409, "last_admin")


# ---- sign-in attempts ----

@pytest.fixture
def strict(tmp_path):
    """A daemon for which this machine is no listed peer, so that its attempts are counted."""
    running = daemon.Daemon(tmp_path, arguments=["--verify-peers", "127.0.0.9/32"]).start()
    made = Server(running)
    try:
        yield made
        assert running.stop() == 0
        made.check_log()
    finally:
        if running.process is not None:
            running.end()


def from_address(server, address, key):
    """A client that comes from this loopback address."""
    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.create_connection(("127.0.0.1", server.daemon.port), 10, (address, 0))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return openapi_check.Checked(Connection("127.0.0.1"), headers, server.keys)


BAD = "tk_admin_" + "0" * 41


def fail_until_throttled(server, address):
    with from_address(server, address, BAD) as client:
        for _ in range(20):
            client.refused(client.get("/v1/apis"), 401, "unauthenticated")
        reply = client.get("/v1/apis")
        client.refused(reply, 429, "rate_limited", "Authorization")
        assert 0 < int(reply.headers["Retry-After"]) <= 60


def metric(server, name):
    with server.socket() as client:
        return next(float(line.split()[-1]) for line in client.get("/metrics").text.splitlines() if line.startswith(name + " "))


def test_guessing_is_throttled_for_the_guesser_alone(strict):
    key = strict.daemon.admin_key
    with from_address(strict, "127.0.0.1", key) as client:
        assert client.get("/v1/apis").status == 200
    fail_until_throttled(strict, "127.0.0.5")
    with from_address(strict, "127.0.0.5", key) as client:  # not even the right key is looked at
        client.refused(client.get("/v1/apis"), 429, "rate_limited")
        client.refused(client.post("/v1/verify", {"api": "tollkeeper", "key": BAD}), 429, "rate_limited")
    with from_address(strict, "127.0.0.6", key) as client:
        assert client.get("/v1/apis").status == 200
    with strict.socket() as client:
        assert client.get("/v1/apis").status == 200
    with openapi_check.Checked(daemon.SocketConnection(strict.daemon.socket_path, 10), {"Authorization": f"Bearer {key}"},
                               strict.keys) as client:
        assert client.get("/v1/apis").status == 200
    with from_address(strict, "127.0.0.5", None) as client:  # health needs no key, and no patience
        assert client.get("/healthz").status == 200
    assert metric(strict, "tollkeeper_sign_in_failures_total") == 20
    assert metric(strict, "tollkeeper_sign_in_throttled_total") == 3


def test_every_sort_of_bad_key_counts_and_no_good_one(strict):
    key = strict.daemon.admin_key
    with strict.socket() as client:
        weak = client.issue(api="tollkeeper", consumer="admin", scopes=["apis:read"])["key"]
        gone = client.issue(api="tollkeeper", consumer="admin", scopes=["apis:read"])
        client.done(client.post(f"/v1/keys/{gone['id']}/revoke"))
    for value in (key, weak):
        with from_address(strict, "127.0.0.7", value) as client:
            for _ in range(30):
                assert client.get("/v1/keys").status in (200, 403)
    assert metric(strict, "tollkeeper_sign_in_failures_total") == 0
    for value in ("nonsense", BAD, gone["key"], "a b"):
        with from_address(strict, "127.0.0.7", value) as client:
            for _ in range(5):
                client.refused(client.get("/v1/keys"), 401, "unauthenticated")
    with from_address(strict, "127.0.0.7", key) as client:
        client.refused(client.get("/v1/keys"), 429, "rate_limited")


def test_listed_peers_are_not_throttled(strict):
    with strict.socket() as client:
        client.done(client.post("/v1/apis", {"name": "weather"}))
        good = client.issue(api="weather", consumer="admin")["key"]
    with from_address(strict, "127.0.0.9", BAD) as client:
        for _ in range(50):
            client.refused(client.post("/v1/verify", {"api": "weather", "key": good}), 401, "unauthenticated")
    with from_address(strict, "127.0.0.9", None) as client:
        for key in [BAD] * 50 + [good]:
            assert client.post("/v1/verify", {"api": "weather", "key": key}).status == 200
    with from_address(strict, "127.0.0.9", strict.daemon.admin_key) as client:
        assert client.get("/v1/apis").status == 200
    assert metric(strict, "tollkeeper_sign_in_failures_total") == 0


def test_behind_a_proxy_nobody_is_throttled_for_others(tmp_path):
    """All come from the proxy's address there."""
    running = daemon.Daemon(tmp_path, arguments=["--behind-proxy"]).start()
    server = Server(running)
    try:
        with from_address(server, "127.0.0.1", BAD) as client:
            for _ in range(50):
                client.refused(client.get("/v1/apis"), 401, "unauthenticated")
        with server.admin() as admin:
            assert admin.get("/v1/apis").status == 200
        assert running.stop() == 0
        server.check_log()
    finally:
        if running.process is not None:
            running.end()
