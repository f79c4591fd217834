"""Import and export over HTTP: what keeps working, what is refused line by line, what an interruption leaves."""

import base64
import hashlib
import json
import socket
import threading
import time

import pytest

import daemon

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def legacy(word, number):
    """A key of another system, hard to guess; the same for the same words."""
    digest = hashlib.sha512(f"{word} {number}".encode()).digest()
    return "old_" + "".join(ALPHABET[byte % 62] for byte in digest[:32])


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def send(client, data, query="", headers=NDJSON):
    return client.raw("POST", "/v1/keys/import?" + query, data, headers)


def imported(client, data, query="", headers=NDJSON):
    reply = send(client, data, query, headers)
    assert reply.status == 200, reply
    return reply.json


def errors(report):
    return {error["line"]: (error["type"], error["field"]) for error in report["errors"]}


@pytest.fixture
def place(weather, consumer):
    return f"api={weather}&consumer={consumer}"


def test_plaintext_keys_keep_working(admin, weather, place, unique):
    keys = [legacy(unique, number) for number in range(300)]
    report = imported(admin, lines(*({"key": key, "name": f"no {i}"} for i, key in enumerate(keys))), place)
    assert (report["state"], report["lines"], report["imported"], report["rejected"]) == ("done", 300, 300, 0)
    assert all(admin.verify(key, weather) == "valid" for key in keys)
    assert admin.verify(keys[0][:-1], weather) in ("unknown", "malformed")
    listed = list(admin.every(f"/v1/keys?api={weather}"))
    assert {key["name"] for key in listed} == {f"no {i}" for i in range(300)}
    assert all(key["foreign"] and key["hint"].startswith("old_") and len(key["hint"]) == 8 for key in listed)


def test_no_plaintext_is_left_in_the_data_directory(admin, server, place, unique):
    keys = [legacy(unique, number) for number in range(50)]
    for mode in ("rest", "all-or-nothing"):
        imported(admin, lines(*({"key": key} for key in keys)), f"{place}&mode={mode}")
    for path in server.daemon.data.rglob("*"):
        if path.is_file() and not path.is_socket():
            content = path.read_bytes()
            assert not any(key.encode() in content for key in keys), path


def test_hashes_in_every_form(admin, weather, place, unique):
    keys = [legacy(unique, number) for number in range(6)]
    hashes = [hashlib.sha256(key.encode()).digest() for key in keys]
    forms = [hashes[0].hex(), hashes[1].hex().upper(), base64.b64encode(hashes[2]).decode(),
             base64.b64encode(hashes[3]).decode().rstrip("="), base64.urlsafe_b64encode(hashes[4]).decode(),
             base64.urlsafe_b64encode(hashes[5]).decode().rstrip("=")]
    report = imported(admin, lines(*({"sha256": form} for form in forms)), place)
    assert report["imported"] == 6, report
    assert [admin.verify(key, weather) for key in keys] == ["valid"] * 6


def test_settings_are_taken_over(admin, weather, place, unique):
    key = legacy(unique, 1)
    row = {"key": key, "name": "tiles", "scopes": ["forecast:read"], "limits": [{"limit": 2, "per": "1h"}],
           "restrictions": {"methods": ["get"]}, "metadata": {"plan": "gold", "n": [1, 2]},
           "expires_at": "2100-01-01T00:00:00Z", "hint": "old_tile"}
    report = imported(admin, lines(row, {"key": legacy(unique, 2), "state": "suspended"}), place)
    assert report["imported"] == 2, report
    by_name = {shown["name"]: shown for shown in admin.every(f"/v1/keys?api={weather}")}
    shown = by_name["tiles"]
    assert (shown["scopes"], shown["metadata"], shown["hint"]) == (["forecast:read"], {"plan": "gold", "n": [1, 2]}, "old_tile")
    assert shown["limits"][0]["limit"] == 2 and shown["restrictions"]["methods"] == ["GET"]
    assert admin.verify(key, weather, scope="alerts:read", method="GET") == "insufficient_scope"
    assert [admin.verify(key, weather, scope="forecast:read", method="GET") for _ in range(3)] == ["valid", "valid", "rate_limited"]
    assert admin.verify(legacy(unique, 2), weather) == "suspended"


BAD = [
    ("neither", {"name": "x"}, ("invalid_value", "/key")),
    ("both", {"key": "a" * 30, "sha256": "0" * 64}, ("invalid_value", "/sha256")),
    ("hash too short", {"sha256": "0" * 63}, ("invalid_value", "/sha256")),
    ("bits that belong to no byte", {"sha256": "A" * 42 + "B"}, ("invalid_value", "/sha256")),
    ("a space in the key", {"key": "not a key of anything"}, ("invalid_value", "/key")),
    ("an empty key", {"key": ""}, ("invalid_value", "/key")),
    ("a long key", {"key": "k" * 513}, ("invalid_value", "/key")),
    ("no such API", {"key": "b" * 30, "api": "nowhere"}, ("unknown_reference", "/api")),
    ("no such environment", {"key": "b" * 30, "environment": "nowhere"}, ("unknown_reference", "/environment")),
    ("the built-in API", {"key": "b" * 30, "api": "tollkeeper"}, ("forbidden", "/api")),
    ("no such consumer", {"key": "c" * 30, "consumer": "nobody"}, ("unknown_reference", "/consumer")),
    ("no such scope", {"key": "d" * 30, "scopes": ["no:such"]}, ("unknown_reference", "/scopes/0")),
    ("a scope that is none", {"key": "d" * 30, "scopes": ["?"]}, ("invalid_value", "/scopes/0")),
    ("a bad limit", {"key": "e" * 30, "limits": [{"limit": 1, "per": "soon"}]}, ("invalid_value", "/limits/0/per")),
    ("unknown in a limit", {"key": "e" * 30, "limits": [{"limit": 1, "per": "1m", "x": 1}]}, ("unknown_field", "/limits/0/x")),
    ("expired", {"key": "f" * 30, "expires_at": "2001-01-01T00:00:00Z"}, ("invalid_value", "/expires_at")),
    ("no time", {"key": "f" * 30, "expires_at": "tomorrow"}, ("invalid_value", "/expires_at")),
    ("never valid", {"key": "f" * 30, "expires_at": "2090-01-01T00:00:00Z", "not_before": "2091-01-01T00:00:00Z"},
     ("invalid_value", "/expires_at")),
    ("revoked", {"key": "g" * 30, "state": "revoked"}, ("invalid_value", "/state")),
    ("metadata is no object", {"key": "h" * 30, "metadata": [1]}, ("invalid_value", "/metadata")),
    ("a name that is none", {"key": "i" * 30, "name": "x" * 129}, ("invalid_value", "/name")),
    ("the key in the name", {"key": "j" * 30, "name": "is " + "j" * 30}, ("invalid_value", "/name")),
    ("the key in the metadata", {"key": "k" * 30, "metadata": {"was": "k" * 30}}, ("invalid_value", "/metadata")),
    ("most of the key in the hint", {"key": "l" * 24, "hint": "l" * 13}, ("invalid_value", "/hint")),
    ("a wrong type", {"key": 5}, ("invalid_value", "/key")),
    ("an unknown member", {"key": "m" * 30, "colour": "red"}, ("unknown_field", "/colour")),
]


def test_bad_lines_are_told_by_number_and_the_rest_is_imported(admin, weather, place, unique):
    good = [legacy(unique, number) for number in range(len(BAD))]
    rows = [row for pair in zip(({"key": key} for key in good), (row for _, row, _ in BAD)) for row in pair]
    report = imported(admin, lines(*rows), place)
    assert errors(report) == {2 * i + 2: expected for i, (_, _, expected) in enumerate(BAD)}
    assert (report["imported"], report["rejected"]) == (len(BAD), len(BAD))
    assert all(error["detail"] and error["mend"] for error in report["errors"])
    assert all(admin.verify(key, weather) == "valid" for key in good)
    kept = admin.done(admin.get(f"/v1/imports/{report['id']}"))
    assert kept == report


@pytest.mark.parametrize("text", [b"nonsense", b'{"key": "abc"', b'["key"]', b'{"key": "abc"} x', b'{"key": "\x01"}',
                                  b'{"key": "\\u0000abc"}', b'{"key": "\xff\xfe"}', b'{"key" "abc"}', b'{"key": "a", "key": "b"}',
                                  b'{"metadata": ' + b"[" * 40 + b"]" * 40 + b"}"])
def test_lines_that_are_no_json(admin, place, unique, text):
    report = imported(admin, text + b"\n" + lines({"key": legacy(unique, 1)}), place)
    assert (report["imported"], report["rejected"]) == (1, 1)
    assert report["errors"][0]["line"] == 1


def test_a_line_that_is_too_long(admin, place, unique):
    data = lines({"key": legacy(unique, 1)}, {"key": legacy(unique, 2), "name": "x" * 70000}, {"key": legacy(unique, 3)})
    report = imported(admin, data, place)
    assert (report["imported"], errors(report)) == (2, {2: ("too_large", "")})


def test_empty_lines_and_line_ends(admin, place, unique):
    data = b"\xef\xbb\xbf" + lines({"key": legacy(unique, 1)}).replace(b"\n", b"\r\n") + b"\n   \n" + lines({"key": legacy(unique, 2)})[:-1]
    report = imported(admin, data, place)
    assert (report["lines"], report["imported"]) == (2, 2)


def test_escapes_are_read(admin, weather, place, unique):
    key = legacy(unique, 1)
    data = ('{"k\\u0065y": "%s", "name": "caf\\u00e9 \\ud83d\\ude00 \\"x\\""}\n' % key.replace("_", "\\u005f")).encode()
    assert imported(admin, data, place)["imported"] == 1
    assert admin.verify(key, weather) == "valid"
    assert next(admin.every(f"/v1/keys?api={weather}"))["name"] == 'café 😀 "x"'


def test_duplicates(admin, place, unique):
    key, other = legacy(unique, 1), legacy(unique, 2)
    first = imported(admin, lines({"key": key}, {"key": other}, {"key": key}), place)
    assert (first["imported"], errors(first)) == (2, {3: ("conflict", "/key")})
    assert "line 1" in first["errors"][0]["detail"]
    again = imported(admin, lines({"sha256": hashlib.sha256(key.encode()).hexdigest()}, {"key": legacy(unique, 3)}), place)
    assert (again["imported"], errors(again)) == (1, {1: ("conflict", "/key")})
    assert "imported already: key_" in again["errors"][0]["detail"]


def test_our_own_keys_are_told_apart(admin, weather, consumer, place):
    issued = admin.issue(api=weather, consumer=consumer)
    report = imported(admin, lines({"key": issued["key"]}), place)
    assert errors(report) == {1: ("conflict", "/key")}
    assert issued["id"] in report["errors"][0]["detail"]


def test_a_key_of_another_installation_is_foreign(admin, server, weather, place, tmp_path):
    with daemon.Daemon(tmp_path / "other").start() as other, other.client() as client:
        key = client.issue(api="maps", create_missing=True)["key"]
    server.keys.add(key)
    report = imported(admin, lines({"key": key}), place)
    assert (report["imported"], report["warnings"][0]["type"]) == (1, "own_shape")
    assert admin.verify(key, weather) == "valid"


def test_short_and_guessable_keys_draw_a_warning(admin, place, unique):
    report = imported(admin, lines({"key": f"k{unique}"}, {"key": f"{unique}-aaaaaaaaaaaaaaaaaaa"}, {"key": legacy(unique, 1)}), place)
    assert report["imported"] == 3
    assert [(warning["line"], warning["type"]) for warning in report["warnings"]] == [(1, "short_key"), (2, "guessable_key")]


def test_csv(admin, weather, place, unique):
    keys = [legacy(unique, number) for number in range(3)]
    data = ("key,name,scopes,limits,metadata,expires_at\r\n"
            f'{keys[0]},"one, ""quoted""",forecast:read alerts:read,,,\r\n'
            f'{keys[1]},two,,"[{{""limit"": 1, ""per"": ""1h""}}]","{{""a"": ""b""}}",2100-01-01T00:00:00Z\r\n'
            f'{keys[2]},"three\r\nlines",,,,\r\n').encode()
    report = imported(admin, data, place, CSV)
    assert (report["imported"], errors(report)) == (2, {4: ("invalid_value", "/name")})
    shown = {key["name"]: key for key in admin.every(f"/v1/keys?api={weather}")}
    assert shown['one, "quoted"']["scopes"] == ["alerts:read", "forecast:read"]
    assert shown["two"]["metadata"] == {"a": "b"} and shown["two"]["expires_at"] == "2100-01-01T00:00:00Z"
    assert [admin.verify(keys[1], weather) for _ in range(2)] == ["valid", "rate_limited"]


@pytest.mark.parametrize("head", ["key,colour", "key,key", "name,consumer", "sk_live_abcdefghijklmnopqrstuvwxyz0123456789", '"key'])
def test_csv_with_a_bad_first_line(admin, place, head):
    reply = send(admin, f"{head}\nabc,def\n".encode(), place, CSV)
    assert reply.status in (400, 422), reply
    assert reply.json["mend"]
    assert "abcdefghij" not in reply.text


def test_csv_records_that_do_not_fit(admin, place, unique):
    key = legacy(unique, 1)
    data = f'key,name\n{key},a,b\n"{key}"x,a\na"b,c\n{key}\n'.encode()
    report = imported(admin, data, place, CSV)
    assert (report["imported"], sorted(errors(report))) == (1, [2, 3, 4])


def test_all_or_nothing(admin, weather, place, unique):
    good = [legacy(unique, number) for number in range(20)]
    rows = [{"key": key} for key in good]
    refused = imported(admin, lines(*rows, {"key": ""}), place + "&mode=all-or-nothing")
    assert (refused["state"], refused["imported"], errors(refused)) == ("refused", 0, {21: ("invalid_value", "/key")})
    assert list(admin.every(f"/v1/keys?api={weather}")) == []
    twins = imported(admin, lines(*rows, rows[0]), place + "&mode=all-or-nothing")
    assert (twins["state"], errors(twins)) == ("refused", {21: ("conflict", "/key")})
    done = imported(admin, lines(*rows), place + "&mode=all-or-nothing")
    assert (done["state"], done["imported"]) == ("done", 20)
    assert all(admin.verify(key, weather) == "valid" for key in good)
    again = imported(admin, lines(*rows[:3]), place + "&mode=all-or-nothing")
    assert (again["state"], again["rejected"]) == ("refused", 3)


def test_dry_run_changes_nothing(admin, weather, place, unique):
    before = admin.done(admin.get("/v1/keys?limit=1000"))
    report = imported(admin, lines({"key": legacy(unique, 1)}, {"key": ""}, {"key": legacy(unique, 2), "consumer": f"new-{unique}"}),
                      place + "&dry_run=true&create_missing=true")
    assert (report["state"], report["dry_run"], report["imported"], report["rejected"]) == ("done", True, 0, 1)
    assert admin.done(admin.get("/v1/keys?limit=1000")) == before
    assert admin.get(f"/v1/consumers/new-{unique}").status == 404
    assert admin.verify(legacy(unique, 1), weather) != "valid"


def test_consumers_are_made_where_asked(admin, weather, unique):
    rows = lines(*({"key": legacy(unique, i), "consumer": f"c{i % 3}-{unique}"} for i in range(9)))
    refused = imported(admin, rows, f"api={weather}")
    assert (refused["imported"], set(errors(refused).values())) == (0, {("unknown_reference", "/consumer")})
    for mode in ("rest", "all-or-nothing"):
        rows = lines(*({"key": legacy(unique + mode, i), "consumer": f"{mode}{i % 3}-{unique}"} for i in range(9)))
        assert imported(admin, rows, f"api={weather}&create_missing=true&mode={mode}")["imported"] == 9
        shown = list(admin.every(f"/v1/keys?consumer={mode}1-{unique}"))
        assert len(shown) == 3
    by_id = shown[0]["consumer"]["id"]
    assert imported(admin, lines({"key": legacy(unique, 100), "consumer": by_id}), f"api={weather}")["imported"] == 1
    missing = imported(admin, lines({"key": legacy(unique, 101), "consumer": "con_999999"}), f"api={weather}&create_missing=true")
    assert errors(missing) == {1: ("unknown_reference", "/consumer")}


def test_making_consumers_takes_its_right(admin, server, weather, unique):
    key = admin.issue(api="tollkeeper", consumer="admin", scopes=["keys:write"])["key"]
    with server.bearing(key) as client:
        data = lines({"key": legacy(unique, 1), "consumer": f"new-{unique}"})
        client.refused(send(client, data, f"api={weather}&create_missing=true"), 403, "forbidden", "create_missing")
        assert imported(client, data, f"api={weather}")["rejected"] == 1
        client.refused(client.get("/v1/imports"), 403, "forbidden")


def test_from_unkey(admin, weather, unique):
    keys = [legacy(unique, number) for number in range(4)]
    encoded = [base64.b64encode(hashlib.sha256(key.encode()).digest()).decode() for key in keys]
    rows = [
        {"hash": {"value": encoded[0], "variant": "sha256_base64"}, "start": "old_ab", "name": "web", "externalId": f"u-{unique}",
         "meta": {"tier": "pro"}, "permissions": ["forecast:read"], "expires": 4102444800000,
         "ratelimits": [{"name": "calls", "limit": 2, "duration": 3600000}], "enabled": True, "id": "key_abc", "createdAt": 1},
        {"hash": encoded[1], "ownerId": f"u-{unique}", "enabled": False, "remaining": 5},
        {"hash": hashlib.sha256(keys[2].encode()).hexdigest(), "ownerId": f"u-{unique}", "roles": ["admin"]},
        {"hash": {"value": encoded[3], "variant": "bcrypt"}, "ownerId": f"u-{unique}"},
    ]
    report = imported(admin, lines(*rows), f"api={weather}&from=unkey&create_missing=true")
    assert (report["imported"], errors(report)) == (3, {4: ("invalid_value", "/hash/variant")})
    assert [(warning["line"], warning["type"]) for warning in report["warnings"]] == [(2, "left_behind"), (3, "left_behind")]
    assert [admin.verify(keys[0], weather, scope="forecast:read") for _ in range(3)] == ["valid", "valid", "rate_limited"]
    assert [admin.verify(key, weather) for key in keys[1:]] == ["suspended", "valid", "unknown"] or \
        admin.verify(keys[3], weather) == "malformed"
    shown = next(key for key in admin.every(f"/v1/keys?consumer=u-{unique}") if key["name"] == "web")
    assert (shown["hint"], shown["metadata"], shown["expires_at"]) == ("old_ab", {"tier": "pro"}, "2100-01-01T00:00:00Z")


def test_from_better_auth(admin, weather, unique):
    keys = [legacy(unique, number) for number in range(2)]
    encoded = [base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode().rstrip("=") for key in keys]
    rows = [
        {"id": "x", "name": "ci", "start": "old_a", "prefix": "old_", "key": encoded[0], "userId": f"u-{unique}", "enabled": True,
         "rateLimitEnabled": True, "rateLimitTimeWindow": 86400000, "rateLimitMax": 2, "requestCount": 0, "remaining": None,
         "expiresAt": "2100-01-01T00:00:00.000Z", "permissions": json.dumps({"forecast": ["read"]}), "metadata": json.dumps({"a": 1})},
        {"key": encoded[1], "userId": f"u-{unique}", "enabled": False, "rateLimitEnabled": False, "remaining": 3},
    ]
    report = imported(admin, lines(*rows), f"api={weather}&from=better-auth&create_missing=true")
    assert (report["imported"], report["warned"]) == (2, 1), report
    assert [admin.verify(keys[0], weather, scope="forecast:read") for _ in range(3)] == ["valid", "valid", "rate_limited"]
    assert admin.verify(keys[1], weather) == "suspended"
    shown = next(key for key in admin.every(f"/v1/keys?consumer=u-{unique}") if key["name"] == "ci")
    assert (shown["metadata"], shown["expires_at"]) == ({"a": 1}, "2100-01-01T00:00:00Z")


@pytest.mark.parametrize("query, field", [("mode=some", "mode"), ("dry_run=yes", "dry_run"), ("from=kong", "from"),
                                          ("report=xml", "report"), ("create_missing=1", "create_missing")])
def test_parameters_that_are_none(admin, place, query, field):
    admin.refused(send(admin, b"{}\n", f"{place}&{query}"), 422, "invalid_value", field)


def test_media_types_and_unknown_parameters(admin, place):
    admin.refused(send(admin, b"{}\n", place, {"Content-Type": "application/json"}), 415, "unsupported_media_type")
    admin.refused(send(admin, b"{}\n", place + "&colour=red"), 400, "malformed_request", "colour")
    admin.refused(send(admin, b"key\n", place + "&from=unkey", CSV), 422, "invalid_value", "from")


def test_the_report_as_lines(admin, place, unique):
    reply = send(admin, lines({"key": legacy(unique, 1)}, {"key": ""}, {"key": "short"}), place + "&report=ndjson")
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    found = [json.loads(line) for line in reply.text.splitlines()]
    assert [line["kind"] for line in found] == ["error", "warning", "import"]
    assert (found[0]["line"], found[-1]["imported"]) == (2, 2)


def test_a_batch_has_one_audit_entry_and_one_feed_row(admin, server, place, unique):
    import sqlite3
    database = sqlite3.connect(f"file:{server.daemon.data}/registry.db?mode=ro", uri=True)

    def counts():
        """Without what was refused to others before: that is written a second later."""
        entries = database.execute("SELECT COUNT(*) FROM audit_entries WHERE action <> 'refused'").fetchone()[0]
        return entries, database.execute("SELECT COUNT(*) FROM feed").fetchone()[0]

    before = counts()
    report = imported(admin, lines(*({"key": legacy(unique, i)} for i in range(1000))), place)
    assert counts() == (before[0] + 1, before[1] + 1)
    last = "SELECT action, canonical FROM audit_entries WHERE action <> 'refused' ORDER BY seq DESC LIMIT 1"
    action, canonical = database.execute(last).fetchone()
    after = json.loads(canonical)["after"]
    assert (action, after["count"], after["import"]) == ("key.import", 1000, report["id"])
    database.close()


# ---- export ----

def test_export_has_every_key_and_no_secret(admin, weather, consumer, place, unique):
    issued = admin.issue(api=weather, consumer=consumer, name="issued")
    imported(admin, lines(*({"key": legacy(unique, i)} for i in range(1200))), place)
    reply = admin.get(f"/v1/keys/export?api={weather}")
    exported = [json.loads(line) for line in reply.text.splitlines()]
    assert exported == list(admin.every(f"/v1/keys?api={weather}"))
    assert issued["key"] not in reply.text and legacy(unique, 7) not in reply.text
    only = admin.get(f"/v1/keys/export?api={weather}&environment=test")
    assert only.text == ""


def test_export_as_csv(admin, weather, consumer):
    import csv
    import io
    admin.issue(api=weather, consumer=consumer, name='a "b", c', scopes=["forecast:read", "alerts:read"], metadata={"k": "v,w"})
    reply = admin.get(f"/v1/keys/export?api={weather}&format=csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert (rows[0]["name"], rows[0]["scopes"], json.loads(rows[0]["metadata"])) == ('a "b", c', "alerts:read forecast:read", {"k": "v,w"})
    admin.refused(admin.get("/v1/keys/export?format=xml"), 422, "invalid_value", "format")
    admin.refused(admin.get("/v1/keys/export?state=lost"), 422, "invalid_value", "state")


# ---- interruptions; each with a daemon of its own ----

@pytest.fixture
def home(tmp_path):
    with daemon.Daemon(tmp_path / "home").start() as running:
        with running.client() as client:
            client.done(client.post("/v1/apis", {"name": "weather"}))
            client.done(client.post("/v1/consumers", {"name": "default"}))
        yield running
        if running.process is not None:
            assert running.stop() == 0


def begin(running, query, total_bytes):
    connection = daemon.SocketConnection(running.socket_path, 60)
    connection.putrequest("POST", "/v1/keys/import?api=weather" + query)
    connection.putheader("Content-Type", "application/x-ndjson")
    connection.putheader("Content-Length", str(total_bytes))
    connection.endheaders()
    return connection


def latest(running):
    with running.client() as client:
        items = client.done(client.get("/v1/imports?limit=1"))["items"]
        return items[0] if items else None


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def number_of_keys(running):
    with running.client() as client:
        return sum(1 for _ in client.every("/v1/keys?api=weather"))


@pytest.mark.parametrize("mode", ["rest", "all-or-nothing"])
def test_the_client_goes_away(home, mode):
    data = lines(*({"key": legacy("gone", i)} for i in range(30000)))
    connection = begin(home, f"&mode={mode}", len(data))
    connection.send(data[:len(data) // 2])
    wait_for(lambda: (found := latest(home) or {}).get("lines", 0) > 10000 and (found["imported"] > 0 or mode != "rest"))
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    ended = wait_for(lambda: (found := latest(home))["state"] == "interrupted" and found)
    assert ended["imported"] == number_of_keys(home)
    assert ended["imported"] == 0 if mode == "all-or-nothing" else ended["imported"] > 0
    with home.client() as client:

        def again():
            """Until the first one has let go."""
            client.connection.request("POST", "/v1/keys/import?api=weather", data, {"Content-Type": "application/x-ndjson"})
            response = client.connection.getresponse()
            return json.loads(response.read()) if response.status == 200 else response.read() and None

        report = wait_for(again)
    assert report["imported"] == 30000 - ended["imported"]
    assert report["rejected"] == ended["imported"]
    assert number_of_keys(home) == 30000


@pytest.mark.parametrize("mode", ["rest", "all-or-nothing"])
@pytest.mark.parametrize("phase", ["reading", "applying"])
def test_the_daemon_is_killed(home, mode, phase):
    total = 40000
    data = lines(*({"key": legacy("killed", i)} for i in range(total)))
    connection = begin(home, f"&mode={mode}", len(data))

    def feed():
        try:
            connection.send(data[:len(data) // 2] if phase == "reading" else data)
        except OSError:
            pass

    sender = threading.Thread(target=feed)
    sender.start()
    if phase == "reading":
        wait_for(lambda: (latest(home) or {}).get("lines", 0) > 10000)
    else:
        wait_for(lambda: (latest(home) or {}).get("imported", 0) > 0)
    home.kill()
    sender.join()
    connection.close()
    home.start()
    found = latest(home)
    there = number_of_keys(home)
    assert found["imported"] == there
    if mode == "all-or-nothing":
        assert (found["state"], there) == (("interrupted", 0) if phase == "reading" else ("done", total))
    else:
        assert found["state"] == "interrupted"
    assert not list(home.data.glob("*.staging"))
    with home.client() as client:
        codes = [client.verify(legacy("killed", i), "weather") for i in range(0, total, 97)]
    if there == total:
        assert set(codes) == {"valid"}
    elif there == 0:
        assert "valid" not in codes


def test_one_at_a_time_and_a_stop_in_the_middle(home):
    data = lines(*({"key": legacy("busy", i)} for i in range(20000)))
    connection = begin(home, "", len(data))
    connection.send(data[:1000])
    wait_for(lambda: latest(home))
    with home.client() as client:
        reply = client.call("POST", "/v1/keys/import?api=weather", None, {"Content-Type": "application/x-ndjson"})
        assert (reply.status, reply.problem()) == (503, "unavailable")
    assert home.stop() == 0
    connection.close()
    home.start()
    assert latest(home)["state"] == "interrupted"


def test_revokes_are_not_delayed(home):
    """
    A revoke waits for the write that is under way, which stops for it, and for none after it. Told by how many keys are imported meanwhile,
    and not by the clock: how long a disk takes to sync while others use it is no property of ours.
    """
    total, most_of_a_write = 60000, 8000
    data = lines(*({"key": legacy("load", i)} for i in range(total)))
    with home.client() as client:
        ids = [client.issue(api="weather")["id"] for _ in range(60)]
    meanwhile, took = [], []
    done = threading.Event()

    def load():
        with home.client(300) as client:
            client.connection.request("POST", "/v1/keys/import?api=weather", data, NDJSON)
            assert json.loads(client.connection.getresponse().read())["imported"] == total
        done.set()

    loader = threading.Thread(target=load)
    loader.start()
    wait_for(lambda: latest(home))
    with home.client() as client:
        path = f"/v1/imports/{latest(home)['id']}"
        for key in ids:
            before = client.done(client.get(path))["imported"]
            begun = time.monotonic()
            client.done(client.post(f"/v1/keys/{key}/revoke"))
            took.append(time.monotonic() - begun)
            meanwhile.append(client.done(client.get(path))["imported"] - before)
            if done.is_set():
                break
    loader.join()
    print(f"revokes took up to {max(took):.3f} s, half of them {sorted(took)[len(took) // 2]:.3f} s; keys meanwhile: {sorted(meanwhile)}")
    assert len(took) > 5
    assert max(meanwhile) <= 2 * most_of_a_write


# ---- time: as long as bytes go, it may take long ----

@pytest.fixture
def impatient(tmp_path):
    """A second for a request; so ten in which a stream's client may take nothing."""
    with daemon.Daemon(tmp_path / "home", arguments=["--request-timeout", "1"]).start() as running:
        with running.client() as client:
            client.done(client.post("/v1/apis", {"name": "weather"}))
            client.done(client.post("/v1/consumers", {"name": "default"}))
        yield running
        assert running.stop() == 0


def test_a_slow_import_goes_on_and_a_silent_one_ends(impatient):
    data = lines(*({"key": legacy("slow", i)} for i in range(40)))
    connection = begin(impatient, "", len(data))
    for at in range(0, len(data), len(data) // 8):
        time.sleep(0.4)
        connection.send(data[at:at + len(data) // 8])
    answer = connection.sock.makefile("rb").read1(4096)
    assert answer.startswith(b"HTTP/1.1 200") and latest(impatient)["imported"] == 40
    connection.close()

    connection = begin(impatient, "", len(data))
    connection.send(data[:len(data) // 2])
    assert connection.sock.recv(1) == b"", "cut: nothing has come for a second"
    connection.close()
    wait_for(lambda: latest(impatient)["state"] == "interrupted")


def ask(running, path):
    connection = daemon.SocketConnection(running.socket_path, 60)
    connection.connect()
    connection.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return connection.sock


def read_all(sock, pause_s=0.0):
    received = b""
    while piece := sock.recv(1 << 16):
        received += piece
        time.sleep(pause_s)
    return received


def test_a_slow_reader_is_served_and_a_stuck_one_is_not(impatient):
    with impatient.client(300) as client:
        rows = lines(*({"key": legacy("read", i), "metadata": {"note": "x" * 400}} for i in range(6000)))
        client.connection.request("POST", "/v1/keys/import?api=weather", rows, NDJSON)
        assert json.loads(client.connection.getresponse().read())["imported"] == 6000
    stuck = [ask(impatient, path) for path in ("/v1/keys/export", "/v1/backup")]
    for sock in stuck:
        assert sock.recv(12) == b"HTTP/1.1 200"
    begun = time.monotonic()
    export = read_all(ask(impatient, "/v1/keys/export"), 0.05)
    assert time.monotonic() - begun > 2, "longer than a request may take"
    assert export.count(b'"hint"') == 6001 and export.endswith(b"\r\n0\r\n\r\n")
    head, _, backup = read_all(ask(impatient, "/v1/backup"), 0.05).partition(b"\r\n\r\n")
    announced = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    assert len(backup) == int(announced.split(b":")[1])
    time.sleep(max(0.0, 13 - (time.monotonic() - begun)))
    cut = [read_all(sock) for sock in stuck]
    assert not cut[0].endswith(b"0\r\n\r\n") and len(cut[0]) < len(export)
    assert len(cut[1]) < len(backup)
