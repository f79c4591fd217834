"""Decisions over HTTP: every code, what the answer says, the RateLimit headers, explain; and that refusals charge
nothing."""

import json
import re
import time

import pytest

import openapi_check

ORDER = ["missing_key", "malformed", "unknown", "revoked", "suspended", "not_yet_valid", "expired", "wrong_environment",
         "restricted", "insufficient_scope", "rate_limited", "quota_exceeded", "credits_exhausted", "unavailable", "valid"]
STATUS = {"valid": 200, "suspended": 403, "wrong_environment": 403, "restricted": 403, "insufficient_scope": 403,
          "rate_limited": 429, "quota_exceeded": 429}


def ask(client, api, key=None, **more):
    reply = client.post("/v1/verify", dict(more, api=api, **({} if key is None else {"key": key})))
    answer = client.done(reply)
    assert answer["valid"] == (answer["code"] == "valid")
    assert answer["status"] == STATUS.get(answer["code"], 401)
    return reply, answer


def code(client, api, key=None, **more):
    return ask(client, api, key, **more)[1]["code"]


def example(name):
    return openapi_check.document()["components"]["examples"][name]["value"]


def swapped(key, at):
    """The key with one character changed."""
    return key[:at] + ("0" if key[at] != "0" else "1") + key[at + 1:]


# ---- the codes ----

def test_codes_of_what_is_no_key(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer)["key"]
    for presented, expected in ((None, "missing_key"), ("", "missing_key"), ("hello", "malformed"),
                                (swapped(key, 20), "malformed"), (swapped(key, -1), "malformed"), (key + "0", "malformed"),
                                (key[:-1], "malformed"), (key.upper(), "malformed"), ("k" * 5000, "malformed"),
                                ("é€𝄞", "malformed"), (key + " ", "malformed"), ("\\\"\n\t", "malformed")):
        _, answer = ask(anonymous, weather, presented)
        assert answer["code"] == expected, presented
        assert (answer["key_id"], answer["consumer"], answer["api"], answer["scopes"]) == (None, None, None, [])
    assert anonymous.verify(None, weather) == "missing_key", "null is none"


def test_unknown(anonymous, server, admin, weather, tmp_path):
    """A well-formed key that another installation issued."""
    from daemon import Daemon
    with Daemon(tmp_path).start() as other, other.client() as client:
        foreign = client.issue(api=weather, create_missing=True)["key"]
        other.stop()
    server.keys.add(foreign)
    _, answer = ask(anonymous, weather, foreign)
    assert answer["code"] == "unknown" and answer["key_id"] is None
    explained = anonymous.done(anonymous.post("/v1/explain", {"api": weather, "key": foreign}))
    assert explained == example("ExplanationUnknown")


def test_the_life_of_a_key(anonymous, admin, weather, consumer):
    """Verified after suspend, resume, revoke, in the wrong environment, with and without scope; refusals charge nothing."""
    made = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"],
                       limits=[{"name": "total", "kind": "window", "limit": 100, "per": "day"}])
    key, path = made["key"], f"/v1/keys/{made['id']}"

    def remaining():
        return admin.get(path + "/usage").json["key"]["limits"][0]["remaining"]

    assert code(anonymous, weather, key) == "valid" and remaining() == 99
    admin.done(admin.post(path + "/suspend"))
    assert code(anonymous, weather, key) == "suspended"
    admin.done(admin.post(path + "/resume"))
    assert code(anonymous, weather, key, scope="forecast:read") == "valid" and remaining() == 98
    assert code(anonymous, weather, key, scope="alerts:read") == "insufficient_scope"
    assert code(anonymous, weather, key, environment="test") == "wrong_environment"
    assert code(anonymous, "tollkeeper", key) == "wrong_environment"
    admin.done(admin.patch(path, {"not_before": "2099-01-01T00:00:00Z"}))
    assert code(anonymous, weather, key) == "not_yet_valid"
    admin.done(admin.patch(path, {"not_before": None, "expires_at": "2020-01-01T00:00:00Z"}))
    assert code(anonymous, weather, key) == "expired"
    admin.done(admin.patch(path, {"expires_at": "2099-01-01T00:00:00Z"}))
    _, answer = ask(anonymous, weather, key)
    assert answer["code"] == "valid" and answer["expires_at"] == "2099-01-01T00:00:00Z" and remaining() == 97
    admin.done(admin.post(path + "/revoke"))
    _, answer = ask(anonymous, weather, key)
    assert answer["code"] == "revoked" and answer["key_id"] == made["id"]
    assert remaining() == 97
    usage = admin.get(path + "/usage").json["key"]
    assert (usage["admitted"], usage["refused"]) == (3, 7)


@pytest.mark.parametrize("what", ["api", "environment", "consumer", "subscription"])
def test_what_else_is_suspended(anonymous, admin, weather, consumer, what):
    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p"}))
    subscription = admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    key = admin.issue(api=weather, consumer=consumer)["key"]
    other = admin.issue(api=weather, consumer=consumer, environment="test")["key"]
    path = {"api": f"/v1/apis/{weather}", "environment": f"/v1/apis/{weather}/environments/production",
            "consumer": f"/v1/consumers/{consumer}", "subscription": f"/v1/subscriptions/{subscription['id']}"}[what]
    admin.done(admin.post(path + "/suspend"))
    assert code(anonymous, weather, key) == "suspended"
    elsewhere = "suspended" if what in ("api", "consumer") else "valid"
    assert code(anonymous, weather, other, environment="test") == elsewhere
    admin.done(admin.post(path + "/resume"))
    assert code(anonymous, weather, key) == code(anonymous, weather, other, environment="test") == "valid"


def test_expiry_by_itself(anonymous, admin, weather, consumer):
    at = time.gmtime(time.time() + 2)
    key = admin.issue(api=weather, consumer=consumer, expires_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", at))["key"]
    seen = []
    deadline = time.monotonic() + 20
    while seen[-1:] != ["expired"]:
        assert time.monotonic() < deadline, seen[-3:]
        seen.append(code(anonymous, weather, key))
        time.sleep(0.02)
    assert set(seen[:-1]) == {"valid"}


def test_restrictions(anonymous, admin, weather, consumer):
    def issue(**restrictions):
        return admin.issue(api=weather, consumer=consumer, restrictions=restrictions)["key"]

    by_ip = issue(cidrs=["203.0.113.0/24", "2001:db8::/32"])
    by_origin = issue(origins=["https://*.example.com"])
    by_method = issue(methods=["GET", "HEAD"])
    by_path = issue(paths=["/v1/forecast/{city}", "/v2/**"])
    for key, more, expected in (
            (by_ip, {"ip": "203.0.113.7"}, "valid"), (by_ip, {"ip": "2001:db8::7"}, "valid"),
            (by_ip, {"ip": "::ffff:203.0.113.9"}, "valid"), (by_ip, {"ip": "203.0.114.7"}, "restricted"),
            (by_ip, {}, "restricted"), (by_origin, {"origin": "https://app.example.com"}, "valid"),
            (by_origin, {"origin": "https://example.org"}, "restricted"), (by_origin, {}, "restricted"),
            (by_method, {"method": "GET"}, "valid"), (by_method, {"method": "head"}, "valid"),
            (by_method, {"method": "POST"}, "restricted"), (by_method, {}, "restricted"),
            (by_path, {"path": "/v1/forecast/oslo"}, "valid"), (by_path, {"path": "/v2/a/b"}, "valid"),
            (by_path, {"path": "/v1/forecast/oslo/x"}, "restricted"), (by_path, {"path": "/v1/alerts"}, "restricted"),
            (by_path, {"path": "/v2/../v1/alerts"}, "restricted"), (by_path, {"path": "/v1/forecast/a%2Fb"}, "restricted"),
            (by_path, {}, "restricted")):
        assert code(anonymous, weather, key, **more) == expected, more


@pytest.mark.parametrize("restrictions, told, detail", [
    ({"cidrs": ["203.0.113.0/24"]}, {}, "the key is limited to client addresses, and none was given"),
    ({"cidrs": ["203.0.113.0/24"]}, {"ip": "192.0.2.1"}, "the client address is not allowed for this key"),
    ({"origins": ["https://a.example"]}, {}, "the key is limited to origins, and none was given"),
    ({"methods": ["GET"]}, {"path": "/v1"}, "the key is limited to methods, and none was given"),
    ({"paths": ["/v1/**"]}, {"method": "GET"}, "the key is limited to paths, and none was given"),
    ({"paths": ["/v1/**"]}, {"path": "/v1/a?b=c"}, "the key is limited to paths, and this one has a query: give it without"),
    ({"paths": ["/v1/**"]}, {"path": "/v1//a"},
     "the key is limited to paths, and this one is ambiguous: a server may read it as another"),
    ({"paths": ["/v1/**"]}, {"path": "/v2"}, "the path is not allowed for this key")])
def test_a_restriction_says_what_it_was_not_told(anonymous, admin, weather, consumer, restrictions, told, detail):
    """A gateway that told no address was answered that the address is not allowed."""
    key = admin.issue(api=weather, consumer=consumer, restrictions=restrictions)["key"]
    answer = ask(anonymous, weather, key, **told)[1]
    assert (answer["code"], answer["detail"]) == ("restricted", detail)


def test_scopes(anonymous, admin, weather, consumer):
    admin.done(admin.post(f"/v1/apis/{weather}/scopes", {"name": "forecast:write"}))
    key = admin.issue(api=weather, consumer=consumer, scopes=["forecast:*", "alerts:read"])["key"]
    every = admin.issue(api=weather, consumer=consumer, scopes=["*"])["key"]
    for scope, expected in (
            ("forecast:read", True), ("forecast:write", True), ("alerts:read", True), ("alerts:write", False), ("", True),
            ("forecast:read and alerts:read", True), ("forecast:read and alerts:write", False),
            ("alerts:write or forecast:read", True), ("alerts:write or alerts:delete", False),
            ("alerts:write or (forecast:read and alerts:read)", True),
            ("(alerts:write or forecast:read) and alerts:delete", False), ([], True), (["forecast:read"], True),
            (["forecast:read", "alerts:read", "forecast:write"], True), (["forecast:read", "alerts:write"], False),
            (["forecast:read"] * 32, True), (["forecast:read"] * 31 + ["other:do"], False)):
        assert code(anonymous, weather, key, scope=scope) == ("valid" if expected else "insufficient_scope"), scope
        assert code(anonymous, weather, every, scope=scope) == "valid"


# ---- how the key is presented ----

def test_key_in_the_header(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer)["key"]
    other = admin.issue(api=weather, consumer=consumer)["key"]
    for body, header, expected in ((None, key, "valid"), (key, key, "valid"), (key, other, "malformed"),
                                   (other, key, "malformed"), ("x", key, "malformed"), (None, "x", "malformed")):
        question = {"api": weather} if body is None else {"api": weather, "key": body}
        answer = anonymous.done(anonymous.post("/v1/verify", question, {"X-API-Key": header}))
        assert answer["code"] == expected, (body == key, header == key)
    assert admin.done(anonymous.post("/v1/verify", {"api": weather, "key": None}, {"x-api-key": key}))["valid"]


def test_two_key_headers(server, admin, weather, consumer):
    import json
    import socket
    key, other = (admin.issue(api=weather, consumer=consumer)["key"] for _ in range(2))
    body = json.dumps({"api": weather}).encode()
    for second, expected in ((key, "valid"), (other, "malformed")):
        request = (f"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: {key}\r\n"
                   f"X-Api-Key: {second}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        with socket.create_connection(("127.0.0.1", server.daemon.port), 10) as connection:
            connection.sendall(request)
            reply = b""
            while piece := connection.recv(65536):
                reply += piece
        assert json.loads(reply.split(b"\r\n\r\n", 1)[1])["code"] == expected


def test_any_way_to_write_the_json(anonymous, admin, weather, consumer):
    """Space, order, escapes: the reader of the hot path knows all of JSON that it needs."""
    key = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"])["key"]
    escaped = "".join(f"\\u{ord(c):04x}" for c in key)
    for body in (f' {{ "key" : "{key}" , "api" : "{weather}" }} \r\n\t',
                 f'{{"api":"{weather}","cost":1,"key":"{escaped}"}}',
                 f'{{"\\u0061pi":"{weather}","k\\u0065y":"{key}"}}',
                 f'{{"scope": [ "forecast:read" , "forecast:read" ] ,"api":"{weather}","key":"{key}"}}',
                 f'{{"path":"/\\ud834\\udd1e\\/é\\n","origin":"\\"\\\\\\b\\f\\r\\t","api":"{weather}","key":"{key}"}}'):
        reply = anonymous.raw("POST", "/v1/verify", body.encode(), {"Content-Type": "application/json"})
        assert anonymous.done(reply)["code"] == "valid", body.replace(key, "KEY")


# ---- what the answer says ----

def test_the_answer(anonymous, admin, weather, consumer):
    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p", "limits": [
        {"kind": "window", "limit": 1000, "per": "1h"}, {"limit": 60, "per": "1m", "burst": 5}]}))
    admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    made = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read", "alerts:*"],
                       limits=[{"limit": 100, "per": "1m"}], expires_at="2099-01-01T00:00:00Z")
    reply, answer = ask(anonymous, weather, made["key"], cost=2)
    assert answer["key_id"] == made["id"] and answer["consumer"] == made["consumer"]
    assert (answer["api"], answer["environment"]) == (weather, "production")
    assert sorted(answer["scopes"]) == ["alerts:*", "forecast:read"]
    limits = {(limit["owner"], limit["name"]): limit for limit in answer["limits"]}
    assert limits["key", "requests"]["remaining"] == 98
    assert limits["subscription", "requests"]["remaining"] == 3
    assert limits["subscription", "quota"]["remaining"] == 998
    assert limits["subscription", "requests"] | {"reset_s": 0} == {
        "name": "requests", "owner": "subscription", "kind": "rate", "limit": 60, "burst": 5, "per": "1m",
        "window_s": 60, "remaining": 3, "reset_s": 0}
    assert 1 <= limits["subscription", "requests"]["reset_s"] <= 2
    assert 0 < limits["subscription", "quota"]["reset_s"] <= 3600
    check_headers(reply, answer)


@pytest.mark.parametrize("per", ["hour", "day", "week", "month", "1h", "30d", "90s"])
def test_a_limit_says_its_period_as_its_definition_does(anonymous, admin, weather, consumer, per):
    """A window of the calendar month was told as its length only, which a window of 30 days has, too."""
    made = admin.issue(api=weather, consumer=consumer, limits=[{"kind": "window", "limit": 1000, "per": per}])
    assert ask(anonymous, weather, made["key"])[1]["limits"][0]["per"] == made["limits"][0]["per"] == per
    usage = admin.get(f"/v1/keys/{made['id']}/usage").json["key"]
    assert usage["limits"][0]["per"] == per


def check_headers(reply, answer):
    """RateLimit-Policy and RateLimit say what the body says, each name once."""
    policies = re.findall(r'"([^"]+)";q=(\d+);w=(\d+)', reply.headers["RateLimit-Policy"])
    left = re.findall(r'"([^"]+)";r=(\d+);t=(\d+)', reply.headers["RateLimit"])
    limits = answer["limits"]
    assert [(int(q), int(w)) for _, q, w in policies] == [(x["limit"], x["window_s"]) for x in limits]
    assert [(int(r), int(t)) for _, r, t in left] == [(x["remaining"], x["reset_s"]) for x in limits]
    names = [name for name, _, _ in policies]
    assert names == [name for name, _, _ in left] and len(set(names)) == len(names)
    for name, limit in zip(names, limits):
        assert name in (limit["name"], f"{limit['owner']}.{limit['name']}")


def test_over_a_rate(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 2, "per": "1m", "burst": 2}])["key"]
    assert [code(anonymous, weather, key) for _ in range(2)] == ["valid"] * 2
    reply, answer = ask(anonymous, weather, key)
    assert answer["code"] == "rate_limited" and answer["limits"][0]["remaining"] == 0
    assert (answer["refused_by"], answer["detail"]) == ("requests", 'The rate limit "requests" of the key is exceeded.')
    assert 25 <= answer["retry_after_s"] <= 30 and reply.headers["Retry-After"] == str(answer["retry_after_s"])
    check_headers(reply, answer)


def test_more_than_the_burst_can_never_pass(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 100, "per": "1m", "burst": 10}])["key"]
    reply, answer = ask(anonymous, weather, key, cost=11)
    assert (answer["code"], answer["retry_after_s"]) == ("rate_limited", None)
    assert reply.headers.get("Retry-After") is None
    assert answer["limits"][0]["remaining"] == 10, "and nothing was charged"
    assert answer["refused_by"] == "requests"
    assert answer["detail"] == 'The cost is more than the rate limit "requests" of the key ever admits at once, which is 10.'
    assert code(anonymous, weather, key, cost=10) == "valid"


def test_over_a_quota(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer, limits=[{"kind": "window", "limit": 3, "per": "day"}])["key"]
    assert [code(anonymous, weather, key) for _ in range(3)] == ["valid"] * 3
    reply, answer = ask(anonymous, weather, key)
    assert (answer["code"], answer["refused_by"]) == ("quota_exceeded", "quota")
    assert answer["detail"] == 'The quota "quota" of the key is used up for its period.'
    never = ask(anonymous, weather, key, cost=4)[1]
    assert (never["code"], never["refused_by"], never["retry_after_s"]) == ("quota_exceeded", "quota", None)
    assert never["detail"] == 'The cost is more than the quota "quota" of the key ever admits at once, which is 3.'
    midnight = 86400 - int(time.time()) % 86400
    assert abs(answer["retry_after_s"] - midnight) <= 2 and reply.headers["Retry-After"] == str(answer["retry_after_s"])


def test_of_several_limits_the_one_to_wait_for_longest_is_told(anonymous, admin, weather, consumer):
    """Whichever of the limits of key and subscription it is; where nothing refused, none is named."""
    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p", "limits": [
        {"kind": "window", "name": "monthly", "limit": 2, "per": "month"}, {"name": "fast", "limit": 100, "per": "1m"}]}))
    admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    key = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 1, "per": "1s", "burst": 2}])["key"]
    assert ask(anonymous, weather, key, cost=2)[1]["refused_by"] is None
    answer = ask(anonymous, weather, key, cost=2)[1]
    assert (answer["code"], answer["refused_by"]) == ("rate_limited", "monthly")
    assert answer["detail"] == 'The quota "monthly" of the subscription is used up for its period.'
    assert ask(anonymous, weather, key, scope="alerts:read")[1]["refused_by"] is None


def test_cost(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer, limits=[{"kind": "window", "limit": 10, "per": "day"}])["key"]

    def remaining(cost):
        return ask(anonymous, weather, key, cost=cost)[1]["limits"][0]["remaining"]

    assert [remaining(0), remaining(3), remaining(0), remaining(7)] == [10, 7, 7, 0]
    assert code(anonymous, weather, key, cost=1) == "quota_exceeded"
    assert code(anonymous, weather, key, cost=10**12) == "quota_exceeded"


def test_no_limits_no_headers(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer)["key"]
    reply, answer = ask(anonymous, weather, key)
    assert answer["limits"] == []
    assert reply.headers.get("RateLimit") is None and reply.headers.get("RateLimit-Policy") is None


def test_as_long_as_an_answer_gets(anonymous, admin, weather, unique):
    """64 scopes and 16 limits of the longest names: it must fit."""
    consumer = "c" * (64 - len(unique)) + unique
    admin.done(admin.post("/v1/consumers", {"name": consumer}))
    scopes = [f"{i:02d}{'s' * 60}:*" for i in range(64)]

    def limits(prefix):
        return [{"name": f"{prefix}{i}" + "l" * 30, "kind": "window" if i % 2 else "rate", "limit": 10**9 * 86400 // 2,
                 "per": "1d"} for i in range(8)]

    admin.done(admin.post(f"/v1/apis/{weather}/plans", {"name": "p", "limits": limits("p")}))
    admin.done(admin.post("/v1/subscriptions", {"consumer": consumer, "api": weather, "plan": "p"}))
    key = admin.issue(api=weather, consumer=consumer, scopes=scopes, limits=limits("k"), create_missing=True)["key"]
    reply, answer = ask(anonymous, weather, key)
    assert answer["code"] == "valid" and len(answer["limits"]) == 16 and len(answer["scopes"]) == 64
    check_headers(reply, answer)
    explained = admin.done(anonymous.post("/v1/explain", {"api": weather, "key": key}))
    assert len(explained["answer"]["limits"]) == 16


# ---- explain ----

def explain(client, api, key=None, **more):
    explained = client.done(client.post("/v1/explain", dict(more, api=api, **({} if key is None else {"key": key}))))
    codes = [check["code"] for check in explained["checks"]]
    assert len(codes) == len(set(codes)), codes
    failed = [check["code"] for check in explained["checks"] if check["result"] == "failed"]
    assert explained["answer"]["code"] == (min(failed, key=ORDER.index) if failed else "valid")
    return explained["answer"]["code"], {check["code"]: check["result"] for check in explained["checks"]}


def test_explain_shows_all_that_is_wrong(anonymous, admin, weather, consumer):
    made = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"], restrictions={"methods": ["GET"]},
                       limits=[{"kind": "window", "limit": 0, "per": "day"}])
    admin.done(admin.patch(f"/v1/keys/{made['id']}", {"expires_at": "2020-01-01T00:00:00Z"}))
    admin.done(admin.post(f"/v1/keys/{made['id']}/suspend"))
    verdict, checks = explain(anonymous, weather, made["key"], scope="alerts:read", method="POST", environment="test")
    assert verdict == "suspended"
    failed = {name for name, result in checks.items() if result == "failed"}
    assert failed == {"suspended", "expired", "wrong_environment", "restricted", "insufficient_scope", "quota_exceeded"}
    assert checks["missing_key"] == checks["malformed"] == checks["unknown"] == checks["revoked"] == "passed"


def test_the_document_shows_what_explain_answers(anonymous, admin, weather, consumer):
    """Its examples had texts that the program never says, and ended after four checks."""
    made = admin.issue(api=weather, consumer=consumer, scopes=["forecast:read"], limits=[{"limit": 100, "per": "1m"}])
    reply = anonymous.post("/v1/explain", {"api": weather, "key": made["key"], "scope": "alerts:read"})
    anonymous.done(reply)
    said = reply.text.replace(f"it is key {made['id'].removeprefix('key_')}", "it is key 17").replace(weather, "weather")
    for real, shown in ((made["id"], "key_17"), (made["consumer"]["id"], "con_3"), (consumer, "acme")):
        said = said.replace(f'"{real}"', f'"{shown}"')
    assert json.loads(said) == example("ExplanationScope")


def test_explain_charges_and_counts_nothing(anonymous, admin, weather, consumer):
    made = admin.issue(api=weather, consumer=consumer, limits=[{"limit": 5, "per": "1h"}])
    for _ in range(10):
        verdict, _ = explain(anonymous, weather, made["key"])
        assert verdict == "valid"
    usage = admin.get(f"/v1/keys/{made['id']}/usage").json["key"]
    assert (usage["admitted"], usage["refused"], usage["last_used_at"]) == (0, 0, None)
    assert usage["limits"][0]["remaining"] == 5


def test_explain_of_no_key(anonymous, admin, weather, consumer):
    assert explain(anonymous, weather)[0] == "missing_key"
    verdict, checks = explain(anonymous, weather, "hello")
    assert verdict == "malformed" and checks["unknown"] == "skipped"
    one, two = (admin.issue(api=weather, consumer=consumer)["key"] for _ in range(2))
    explained = anonymous.done(anonymous.post("/v1/explain", {"api": weather, "key": one}, {"X-API-Key": two}))
    assert explained["answer"]["code"] == "malformed"
    details = {check["code"]: (check["result"], check["detail"]) for check in explained["checks"]}
    assert details["malformed"] == ("failed", "two different keys")


def test_explain_never_shows_the_key(anonymous, admin, weather, consumer):
    key = admin.issue(api=weather, consumer=consumer)["key"]
    for presented in (key, swapped(key, -1)):
        reply = anonymous.post("/v1/explain", {"api": weather, "key": presented})
        assert presented not in reply.text and presented[-35:] not in reply.text
