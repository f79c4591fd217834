"""Keys at the command line: issued to standard output alone, verified without ever standing where others can read them."""

import calendar
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import cli
from cli import KEY_REFUSED, OK, USAGE


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with cli.Home(tmp_path_factory.mktemp("home"), "--demo").start() as home:
        yield home
        home.stop()


def issue(home, *words):
    return home.good("key", "issue", "--api", "weather", *words).out.strip()


# ---- issue ----


def test_one_command_is_enough(tmp_path):
    """An empty installation: the API, its environment, the consumer, the plan and the subscription are made on the way."""
    with cli.Home(tmp_path).start() as home:
        result = home.good("key", "issue", "--api", "weather", "--limit", "100/min")
        assert cli.PLAINTEXT.fullmatch(result.out.removesuffix("\n"))
        assert re.search(r"limits +requests 100/min", result.err)
        assert "keep it now" in result.err
        assert re.search(r"^  made     API weather, environment production, consumer default, plan open, subscription sub_\d+$",
                         result.err, re.MULTILINE), result.err
        again = home.good("key", "issue", "--api", "weather")
        assert "made" not in again.err, "nothing was"
        assert not cli.PLAINTEXT.search(result.err)
        assert home.good("verify", "--api", "weather", stdin=result.out).out.startswith("valid")
        assert home.good("subscription", "list", "--json").json["items"][0]["plan"] == "open"
        home.stop()


def test_issue_fits_into_a_variable(home):
    done = cli.shell('KEY=$(tollkeeper key issue --api weather --scope forecast:read 2>/dev/null); printf %s "$KEY" | '
                     "tollkeeper verify --api weather --scope forecast:read", home.folder)
    assert (done.code, done.err) == (OK, "")


def test_a_key_that_could_not_be_printed_is_no_success(home):
    done = cli.shell("tollkeeper key issue --api weather > /dev/full", home.folder)
    assert done.code == cli.FAILED
    assert "cannot write to standard output" in done.err


def test_limits_are_sent_as_numbers(home):
    made = home.good("key", "issue", "--api", "weather", "--json", "--limit", "10/s,burst=50", "--limit", "hourly=5000/h",
                     "--quota", "daily=20000/day").json
    assert made["limits"] == [
        {"name": "requests", "kind": "rate", "limit": 10, "per": "1s", "burst": 50},
        {"name": "hourly", "kind": "rate", "limit": 5000, "per": "1h", "burst": 5000},
        {"name": "daily", "kind": "window", "limit": 20000, "per": "day", "anchor": "utc"}]


def test_expires_in(home):
    made = home.good("key", "issue", "--api", "weather", "--expires-in", "30d", "--json").json
    told = time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(calendar.timegm(told) - time.time() - 30 * 86400) < 60


# ---- verify and explain ----


def test_ways_to_give_the_key(home, tmp_path):
    key = issue(home)
    key_file = tmp_path / "key"
    key_file.write_text(key + "\n")
    for result in [
        home.run("verify", "--api", "weather", stdin=key),
        home.run("verify", "--api", "weather", stdin=key + "\n"),
        home.run("verify", "--api", "weather", stdin=key + "\r\n"),
        home.run("verify", "--api", "weather", "--key-file", str(key_file)),
        home.run("verify", "--api", "weather", "--key-file", "-", stdin=key),
        home.run("verify", "--api", "weather", TOLLKEEPER_KEY=key),
        home.run("verify", "--api", "weather", "--key-file", str(key_file), TOLLKEEPER_KEY="another"),
        home.run("verify", "--api", "weather", "--url", f"http://127.0.0.1:{home.port}", stdin=key),
    ]:
        assert result.code == OK, result
        assert result.out.startswith("valid")
        assert key not in result.out + result.err


@pytest.mark.parametrize("stdin", ["", "\n", "one\ntwo\n", "x" * 200])
def test_what_is_not_one_key(home, stdin):
    result = home.run("verify", "--api", "weather", stdin=stdin)
    assert result.code == USAGE
    assert "one key on one line" in result.err
    assert "two" not in result.err


def test_a_key_has_no_flag(home):
    key = issue(home)
    result = home.run("verify", "--api", "weather", "--key", key)
    assert result.code == USAGE
    assert "--key-file" in result.err
    assert key not in result.err


@pytest.mark.parametrize("words", [
    ["verify", "--api", "weather", "{}"],
    ["verify", "{}", "--api", "weather"],
    ["explain", "{}"],
    ["verify", "--api", "weather", "--{}"],
    ["verify", "--api", "weather", "-{}"],
    ["verify", "--api", "weather", "--key-file", "{}"],
    ["verify", "--api", "weather", "--cost", "{}"],
    ["key", "show", "{}"],
    ["key", "revoke", "{}", "--reason", "leaked"],
    ["key", "show", "key_1", "{}"],
    ["api", "show", "{}"],
    ["key", "issue", "--api", "weather", "--expires-in", "{}"],
    ["key", "issue", "--api", "weather", "--limit", "{}"],
    ["key", "{}"],
    ["{}"],
    ["help", "{}"],
    ["help", "key", "{}"]], ids=" ".join)
def test_a_key_that_was_typed_is_not_echoed(home, words):
    """Also not one with a slip in it, or without its end. Who typed it hears that it is in the shell's history."""
    key = issue(home)
    for typed in (key, key[:-1] + ("0" if key[-1] != "0" else "1"), key[:-12]):
        result = home.run(*(word.format(typed) for word in words))
        assert result.code != OK
        assert key[8 + 4:8 + 16] not in result.out + result.err, result
        if result.code == USAGE:
            assert "standard input" in result.err and "the shell's history" in result.err, result
    assert home.run(*(word.format(key) for word in words)).code == USAGE


def test_decisions_and_their_exit_codes(home):
    key = home.good("key", "issue", "--api", "weather", "--scope", "forecast:read", "--limit", "2/day,burst=2", "--json").json
    ask = ["verify", "--api", "weather"]
    assert home.run(*ask, "--scope", "forecast:read", stdin=key["key"]).code == OK

    def refused(*words, stdin=key["key"]):
        result = home.run(*words, "--json", stdin=stdin)
        assert result.code == KEY_REFUSED, result
        return result.json["code"]

    assert refused(*ask, "--scope", "alerts:read") == "insufficient_scope"
    assert refused(*ask, "--env", "test") == "wrong_environment"
    assert refused(*ask, stdin="tk_live_nonsense") == "malformed"
    assert refused(*ask, "--cost", "9") == "rate_limited"
    home.good("key", "suspend", key["id"])
    assert refused(*ask) == "suspended"
    home.good("key", "resume", key["id"])
    assert home.run(*ask, stdin=key["key"]).code == OK
    assert refused(*ask) == "rate_limited"
    home.good("key", "revoke", key["id"])
    assert refused(*ask) == "revoked"


def test_restrictions_reach_the_gate(home):
    key = issue(home, "--cidr", "192.0.2.0/24", "--method", "GET", "--path", "/v1/{city}", "--origin", "https://a.example.com")
    ask = ["verify", "--api", "weather", "--origin", "https://a.example.com", "--method", "get", "--path", "/v1/oslo"]
    assert home.run(*ask, "--ip", "192.0.2.9", stdin=key).code == OK
    result = home.run(*ask, "--ip", "198.51.100.9", stdin=key)
    assert result.code == KEY_REFUSED
    assert result.out.startswith("refused restricted  ")


def test_the_answer_for_people(home):
    key = issue(home, "--scope", "forecast:read", "--limit", "100/min", "--consumer", "acme")
    text = home.good("verify", "--api", "weather", "--scope", "forecast:read", stdin=key).out
    head, record, table = re.split(r"\n(?=  key)|\n\n", text)
    assert head == "valid  The key is valid and the request is within its limits."
    assert re.search(r"^  consumer +acme \(con_\d+\)$", record, re.MULTILINE)
    assert re.search(r"^  scopes +forecast:read$", record, re.MULTILINE)
    assert re.fullmatch(r"LIMIT +OF +KIND +ALLOWS +REMAINING +FULL AGAIN\nrequests +key +rate +100/min +99 +in \d+s\n", table)


def test_a_quota_of_the_calendar_is_shown_as_it_was_given(home):
    made = home.good("key", "issue", "--api", "weather", "--quota", "1/month", "--quota", "fixed=5/30d", "--json").json
    for text in (home.good("verify", "--api", "weather", stdin=made["key"]).out, home.good("key", "usage", made["id"]).out):
        assert re.search(r"^quota +key +window +1/month +0 ", text, re.MULTILINE)
        assert re.search(r"^fixed +key +window +5/30d +4 ", text, re.MULTILINE)


def test_explain_shows_every_check_and_charges_nothing(home):
    key = home.good("key", "issue", "--api", "weather", "--scope", "forecast:read", "--limit", "1/day,burst=1", "--json").json
    for _ in range(3):
        result = home.run("explain", "--api", "weather", "--scope", "alerts:read", stdin=key["key"])
        assert result.code == KEY_REFUSED
    assert re.search(r"^insufficient_scope +failed ", result.out, re.MULTILINE)
    assert re.search(r"^rate_limited +passed ", result.out, re.MULTILINE)
    explained = home.good("explain", "--api", "weather", "--scope", "forecast:read", "--json", stdin=key["key"]).json
    assert explained["answer"]["code"] == "valid"
    assert home.run("verify", "--api", "weather", stdin=key["key"]).code == OK


# ---- where a key must not be ----


class Watcher(threading.Thread):
    """Reads the command line of every process on the machine, as any user can, until it is told to stop."""

    def __init__(self, secret):
        super().__init__()
        self.secret = secret.encode()
        self.found = []
        self.rounds = 0
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if self.secret in text:
                    self.found.append(text)
            self.rounds += 1


def test_a_key_is_in_no_command_line(home):
    key = issue(home)
    watcher = Watcher(key)
    watcher.start()
    try:
        while watcher.rounds < 5:
            home.good("verify", "--api", "weather", stdin=key)
            home.good("verify", "--api", "weather", TOLLKEEPER_KEY=key)
    finally:
        watcher.stopped.set()
        watcher.join()
    assert watcher.found == []


def test_the_watcher_sees_what_it_looks_for():
    watcher = Watcher("tk_live_in_the_open")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "tk_live_in_the_open"]) as careless:
        watcher.start()
        while watcher.rounds < 2:
            time.sleep(0.01)
        watcher.stopped.set()
        watcher.join()
        careless.kill()
    assert watcher.found


def test_nothing_of_the_key_in_the_log(home):
    key = issue(home)
    home.good("verify", "--api", "weather", stdin=key)
    home.run("verify", "--api", "weather", "--env", "nowhere", stdin=key)
    assert key not in home.log.read_text()
