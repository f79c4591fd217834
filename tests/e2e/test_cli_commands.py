"""Every command of the administrator, for people and as --json, against one daemon; and what the tables look like."""

import json
import re

import pytest

import cli
from cli import DENIED, NO_DAEMON, OK, REJECTED, USAGE


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with cli.Home(tmp_path_factory.mktemp("home"), "--demo").start() as home:
        yield home
        home.stop()


def shown(home, *words):
    """The record of a command for people, as a dict of label and text."""
    result = home.good(*words)
    record = {}
    for line in result.lines():
        label, gap, text = line.partition("  ")
        if gap:
            record[label.strip()] = text.strip()
    return record


def cells(result):
    """A table's rows as dicts, cut at the columns of its head; each line must keep to them."""
    starts, lines = cli.columns(result.out)
    ends = starts[1:] + [None]
    head = [lines[0][a:b].strip() for a, b in zip(starts, ends)]
    for line in lines[1:]:
        for start in starts[1:]:
            assert line[start] != " " and line[start - 1] == " ", f"not aligned:\n{result.out}"
    return [dict(zip(head, (line[a:b].strip() for a, b in zip(starts, ends)))) for line in lines[1:]]


# ---- each noun ----


def test_api(home):
    assert shown(home, "api", "create", "maps", "--description", "Maps", "--prefix", "mp", "--env", "production",
                 "--env", "sandbox:sbx")["prefix"] == "mp"
    assert [row["NAME"] for row in cells(home.good("env", "list", "--api", "maps"))] == ["production", "sandbox"]
    assert [row["TAG"] for row in cells(home.good("env", "list", "--api", "maps"))] == ["live", "sbx"]
    assert "maps" in [row["NAME"] for row in cells(home.good("api", "list"))]
    assert shown(home, "api", "update", "maps", "--description", "Tiles")["description"] == "Tiles"
    assert home.good("api", "suspend", "maps").out == "suspended maps\n"
    assert shown(home, "api", "get", "maps")["state"] == "suspended"
    assert home.good("api", "resume", "maps").out == "resumed maps\n"
    assert home.good("api", "show", "maps", "--json").json["state"] == "active"


def test_env(home):
    made = shown(home, "env", "create", "staging", "--api", "weather", "--tag", "stg", "--description", "Rehearsals")
    assert (made["tag"], made["description"]) == ("stg", "Rehearsals")
    assert [row["DESCRIPTION"] for row in cells(home.good("env", "list", "--api", "weather")) if row["NAME"] == "staging"] == [
        "Rehearsals"]
    changed = shown(home, "env", "update", "staging", "--api", "weather", "--description", "Dress rehearsals")
    assert changed["description"] == "Dress rehearsals"
    assert home.good("env", "suspend", "staging", "--api", "weather").out == "suspended staging\n"
    assert shown(home, "env", "show", "staging", "--api", "weather")["state"] == "suspended"
    assert home.good("env", "resume", "staging", "--api", "weather").out == "resumed staging\n"
    names = [item["name"] for item in home.good("env", "list", "--api", "weather", "--json").json["items"]]
    assert "staging" in names


def test_scope(home):
    assert shown(home, "scope", "create", "map:read", "--api", "weather", "--description", "Maps")["name"] == "map:read"
    assert shown(home, "scope", "update", "map:read", "--api", "weather", "--description", "See maps")["description"] == "See maps"
    assert "map:read" in [row["NAME"] for row in cells(home.good("scope", "list", "--api", "weather"))]
    assert home.good("scope", "get", "map:read", "--api", "weather", "--json").json["description"] == "See maps"


def test_plan(home):
    made = shown(home, "plan", "create", "starter", "--api", "weather", "--limit", "100/min,burst=20", "--quota",
                 "monthly=10000/month,anchor=subscription")
    assert made["limits"] == "requests 100/min, burst 20; monthly 10000/month from the subscription's start"
    limits = home.good("plan", "show", "starter", "--api", "weather", "--json").json["limits"]
    assert limits == [{"name": "requests", "kind": "rate", "limit": 100, "per": "1m", "burst": 20},
                      {"name": "monthly", "kind": "window", "limit": 10000, "per": "month", "anchor": "subscription"}]
    tried = shown(home, "plan", "update", "starter", "--api", "weather", "--limit", "10/s,burst=20,shadow", "--quota",
                  "monthly=500/month,anchor=subscription,shadow")
    assert tried["limits"] == ("requests 10/s, burst 20 (not enforced); "
                               "monthly 500/month from the subscription's start (not enforced)")
    limits = home.good("plan", "show", "starter", "--api", "weather", "--json").json["limits"]
    assert [limit["shadow"] for limit in limits] == [True, True]
    home.good("plan", "update", "starter", "--api", "weather", "--limit", "none")
    assert home.good("plan", "show", "starter", "--api", "weather", "--json").json["limits"] == []
    assert "starter" in [row["NAME"] for row in cells(home.good("plan", "list", "--api", "weather"))]


def test_consumer(home):
    made = home.good("consumer", "create", "globex", "--metadata", '{"account": "4711"}', "--json").json
    assert made["metadata"] == {"account": "4711"}
    assert shown(home, "consumer", "show", "globex")["metadata"] == '{"account":"4711"}'
    home.good("consumer", "update", "globex", "--description", "Globex Inc.")
    assert shown(home, "consumer", "show", made["id"])["description"] == "Globex Inc."
    assert home.good("consumer", "suspend", "globex").out == f"suspended {made['id']}\n"
    assert home.good("consumer", "resume", "globex").out == f"resumed {made['id']}\n"
    assert "globex" in [row["NAME"] for row in cells(home.good("consumer", "list"))]


def test_subscription(home):
    home.good("consumer", "create", "initech")
    home.good("plan", "create", "gold", "--api", "weather", "--limit", "1000/min")
    made = home.good("subscription", "create", "--consumer", "initech", "--api", "weather", "--plan", "open",
                     "--started-at", "2026-01-31", "--json").json
    assert made["started_at"] == "2026-01-31T00:00:00Z"
    assert shown(home, "subscription", "update", made["id"], "--plan", "gold")["plan"] == "gold"
    for verb, word in [("suspend", "suspended"), ("resume", "resumed"), ("end", "ended")]:
        assert home.good("subscription", verb, made["id"]).out == f"{word} {made['id']}\n"
    assert shown(home, "subscription", "show", made["id"])["state"] == "ended"
    rows = cells(home.good("subscription", "list", "--consumer", "initech"))
    assert [(row["SUBSCRIPTION"], row["CONSUMER"], row["PLAN"]) for row in rows] == [(made["id"], "initech", "gold")]


def test_key(home):
    made = home.good("key", "issue", "--api", "weather", "--env", "test", "--consumer", "acme", "--name", "shop", "--scope",
                     "forecast:read,alerts:read", "--limit", "10/s", "--quota", "daily=1000/day", "--cidr", "192.0.2.0/24",
                     "--origin", "https://shop.example.com", "--method", "get", "--path", "/v1/{city}", "--metadata",
                     '{"team": 7}', "--expires-at", "2030-01-31", "--not-before", "2020-01-01T00:00:00+01:00", "--json").json
    assert made["scopes"] == ["alerts:read", "forecast:read"]
    assert made["restrictions"] == {"cidrs": ["192.0.2.0/24"], "origins": ["https://shop.example.com"], "methods": ["GET"],
                                    "paths": ["/v1/{city}"]}
    assert made["expires_at"] == "2030-01-31T00:00:00Z"
    assert made["not_before"] == "2019-12-31T23:00:00Z"

    record = shown(home, "key", "show", made["id"])
    assert record["limits"] == "requests 10/s; daily 1000/day"
    assert record["expires"].startswith("2030-01-31T00:00:00Z (in ")
    assert made["key"] not in home.good("key", "show", made["id"], "--json").out

    changed = home.good("key", "update", made["id"], "--scope", "*", "--limit", "none", "--expires-at", "none", "--cidr",
                        "none", "--json").json
    assert (changed["scopes"], changed["limits"], changed["expires_at"]) == (["*"], [], None)
    assert changed["restrictions"]["cidrs"] == []
    assert changed["restrictions"]["methods"] == ["GET"]

    for verb, word in [("suspend", "suspended"), ("resume", "resumed")]:
        assert home.good("key", verb, made["id"]).out == f"{word} {made['id']}\n"
    assert home.good("key", "revoke", made["id"], "--reason", "a test").out == f"revoked {made['id']}\n"
    again = home.good("key", "revoke", made["id"], "--reason", "another")
    assert again.out == f"{made['id']} was revoked already\n"
    assert again.err == "The reason given then stays: a test\n"
    assert home.good("key", "revoke", made["id"]).err == ""
    assert shown(home, "key", "show", made["id"])["reason"] == "a test"
    rows = cells(home.good("key", "list", "--api", "weather", "--env", "test", "--state", "revoked"))
    assert [row["KEY"] for row in rows] == [made["id"]]


def test_usage(home):
    key = home.good("key", "issue", "--api", "weather", "--limit", "100/min", "--json").json
    for _ in range(3):
        home.good("verify", "--api", "weather", stdin=key["key"])
    usage = home.good("key", "usage", key["id"], "--json").json
    assert usage["key"]["admitted"] == 3
    text = home.good("key", "usage", key["id"]).out
    record, _, table = text.partition("\n\n")
    assert "admitted               3" in record
    assert re.search(r"100/min +9[789] ", table)  # it fills while the test runs


def test_status(home):
    status = home.good("status", "--json").json
    assert status["ready"] is True
    text = home.good("status").out
    assert "ready            yes" in text
    assert f"keys           {status['gate']['key_lines']}" in text


# ---- lists ----


def test_lists_follow_pages_up_to_max(home):
    for i in range(5):
        home.good("consumer", "create", f"page-{i}")
    every = home.good("consumer", "list", "--max", "0", "--json").json
    assert every["next_cursor"] is None
    first = home.good("consumer", "list", "--max", "3", "--json").json
    assert first["items"] == every["items"][:3]
    rest = home.good("consumer", "list", "--cursor", first["next_cursor"], "--json").json
    assert first["items"] + rest["items"] == every["items"]
    note = home.good("consumer", "list", "--max", "3")
    assert len(note.lines()) == 4
    assert f"--cursor {first['next_cursor']}" in note.err


def test_tables_keep_to_their_columns_with_wide_characters(home):
    home.good("api", "create", "wide", "--description", "Wetter für München, 東京の天気")
    home.good("api", "create", "narrow", "--description", "plain")
    rows = [line for line in home.good("api", "list").lines() if line.startswith(("wide", "narrow"))]
    wide = next(row for row in rows if row.startswith("wide"))
    narrow = next(row for row in rows if row.startswith("narrow"))
    # Each of the five ideographs takes two columns.
    assert wide.rindex("now" if "now" in wide else "ago") + 5 == narrow.rindex("now" if "now" in narrow else "ago")


def test_an_empty_list_says_what_to_do(home):
    home.good("api", "create", "empty")
    result = home.good("plan", "list", "--api", "empty")
    assert result.out == ""
    assert "Make one: tollkeeper plan create" in result.err
    assert home.good("plan", "list", "--api", "empty", "--json").json == {"items": [], "next_cursor": None}


# ---- what goes wrong ----


def test_errors_name_the_flag_and_the_mend(home):
    result = home.run("key", "issue", "--api", "weather", "--consumer", "acme", "--cidr", "192.0.2.7/24")
    assert result.code == REJECTED
    assert result.out == ""
    assert result.err.startswith("tollkeeper: ")
    assert "(--cidr)" in result.err
    assert "\n  mend: " in result.err


def test_errors_name_the_flag_that_becomes_a_header(home):
    result = home.run("key", "update", "key_2", "--name", "x", "--if-version", "99")
    assert result.code == REJECTED
    assert "\n  field: If-Match (--if-version)\n" in result.err
    home.good("consumer", "create", "one-of-two", "--idempotency-key", "twice")
    result = home.run("consumer", "create", "two-of-two", "--idempotency-key", "twice")
    assert result.code == REJECTED
    assert "\n  field: Idempotency-Key (--idempotency-key)\n" in result.err


@pytest.mark.parametrize("words", [
    ["key", "show", "key_999"],
    ["api", "show", "no-such"],
    ["api", "show", "no/such?x"],
    ["api", "create", "weather"],
    ["api", "create", "Not A Name"],
    ["key", "update", "key_2", "--name", "x", "--if-version", "99"],
    ["api", "suspend", "tollkeeper"],
    ["subscription", "create", "--consumer", "nobody", "--api", "weather", "--plan", "open"],
])
def test_what_the_daemon_rejects(home, words):
    result = home.run(*words)
    assert result.code == REJECTED, result
    assert result.err.startswith("tollkeeper: ")


def test_if_version_lets_the_right_version_through(home):
    version = home.good("api", "show", "weather", "--json").json["version"]
    changed = home.good("api", "update", "weather", "--description", "new", "--if-version", str(version), "--json").json
    assert changed["version"] == version + 1


def test_idempotency_key_makes_nothing_twice(home):
    words = ["key", "issue", "--api", "weather", "--idempotency-key", "once"]
    first = home.good(*words)
    again = home.run(*words)
    assert cli.PLAINTEXT.fullmatch(first.out.strip())
    assert (again.code, again.out) == (REJECTED, "")
    assert "stored nowhere" in again.err
    assert home.good(*words, "--json").json["key"] is None


def test_no_daemon(tmp_path):
    result = cli.run("key", "list", cwd=tmp_path)
    assert result.code == NO_DAEMON
    assert "no daemon answers at ./data/tollkeeper.sock" in result.err
    assert "tollkeeper serve" in result.err
    result = cli.run("key", "list", "--url", "http://127.0.0.1:1", cwd=tmp_path)
    assert result.code == NO_DAEMON
    assert "no daemon answers at http://127.0.0.1:1" in result.err


# ---- ways to the daemon ----


def test_over_tcp_with_an_admin_key(home, tmp_path):
    url = f"http://127.0.0.1:{home.port}"
    key_file = tmp_path / "admin"
    key_file.write_text(home.admin_key + "\n")
    for result in [
        cli.run("api", "list", "--url", url, "--admin-key-file", str(key_file), cwd=tmp_path),
        cli.run("api", "list", cwd=tmp_path, TOLLKEEPER_URL=url + "/", TOLLKEEPER_ADMIN_KEY=home.admin_key),
        cli.run("api", "list", "--url", url, "--admin-key-file", "-", cwd=tmp_path, stdin=home.admin_key),
        cli.run("api", "list", "--data", str(home.data), cwd=tmp_path),
        cli.run("api", "list", "--socket", str(home.socket_path), cwd=tmp_path),
        cli.run("api", "list", cwd=tmp_path, TOLLKEEPER_DATA=str(home.data)),
        cli.run("api", "list", cwd=tmp_path, TOLLKEEPER_DATA=str(home.data), http_proxy="http://127.0.0.1:1"),
    ]:
        assert result.code == OK, result
        assert "weather" in result.out


def test_over_tcp_without_the_right(home, tmp_path):
    url = f"http://127.0.0.1:{home.port}"
    result = cli.run("api", "list", "--url", url, cwd=tmp_path)
    assert result.code == DENIED
    reader = home.good("key", "issue", "--api", "tollkeeper", "--scope", "apis:read").out.strip()
    assert cli.run("api", "list", "--url", url, cwd=tmp_path, TOLLKEEPER_ADMIN_KEY=reader).code == OK
    result = cli.run("api", "create", "x", "--url", url, cwd=tmp_path, TOLLKEEPER_ADMIN_KEY=reader)
    assert result.code == DENIED
    assert reader not in result.err
    result = cli.run("api", "list", "--url", url, cwd=tmp_path, TOLLKEEPER_ADMIN_KEY="a\r\nX-Evil: 1")
    assert result.code == USAGE


def test_output_is_json_wherever_it_is_asked_for(home):
    for words in [["api", "list"], ["api", "show", "weather"], ["key", "list"], ["status"], ["key", "usage", "key_2"],
                  ["key", "suspend", "key_2"], ["key", "resume", "key_2"], ["scope", "list", "--api", "weather"]]:
        assert isinstance(json.loads(home.good(*words, "--json").out), dict)
