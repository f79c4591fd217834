"""`tollkeeper audit`: lists, shows what changed and nothing else, follows; and admin keys that are bound to APIs."""

import json
import re
import subprocess

import pytest

import cli
from cli import DENIED, OK, REJECTED, USAGE


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with cli.Home(tmp_path_factory.mktemp("audit"), "--demo").start() as running:
        yield running
        assert running.stop() == 0


def test_a_list_shows_what_changed(home):
    key = home.good("key", "issue", "--api", "weather", "--json").json["id"]
    home.good("key", "suspend", key)
    home.good("key", "revoke", key, "--reason", "found in a gist")
    lines = home.good("audit", "list", "--object", key).lines()
    assert lines[0].split() == ["ENTRY", "WHEN", "WHO", "FROM", "DID", "TO", "CHANGES"]
    assert [line.split()[4] for line in lines[1:]] == ["key.revoke", "key.suspend", "key.issue"]
    assert lines[1].split()[2:4] == ["socket:0", "local"]
    assert "state: suspended -> revoked" in lines[1] and "revoke_reason: - -> found in a gist" in lines[1]
    assert "state: active -> suspended" in lines[2]
    assert not re.search(r"version|updated_at|scopes", lines[2])


def test_filters_reach_the_daemon(home):
    home.good("consumer", "create", "filtered")
    assert [entry["action"] for entry in home.good("audit", "list", "--object", "consumer:filtered", "--json").json["items"]] == [
        "consumer.create"]
    assert home.good("audit", "list", "--object", "consumer:filtered", "--until", "1d").out == ""
    assert len(home.good("audit", "list", "--object", "consumer:filtered", "--since", "1h").lines()) == 2
    assert len(home.good("audit", "list", "--object", "consumer:filtered", "--since", "2026-01-01").lines()) == 2
    system = home.good("audit", "list", "--actor", "system", "--action", "api.create", "--json").json["items"]
    assert {(entry["actor"], entry["action"]) for entry in system} == {("system", "api.create")}
    done = home.run("audit", "list", "--object", "thing")
    assert done.code == REJECTED and "--object" in done.err and "key_17" in done.err
    done = home.run("audit", "list", "--since", "soon")
    assert done.code == REJECTED and "--since" in done.err


def test_show_has_each_member_that_changed(home):
    home.good("plan", "create", "silver", "--api", "weather", "--limit", "10/s")
    home.good("plan", "update", "silver", "--api", "weather", "--description", "For few", "--limit", "20/s")
    newest = home.good("audit", "list", "--max", "1", "--json").json["items"][0]["seq"]
    shown = home.good("audit", "show", str(newest)).out
    head, changes = shown.split("\n\n")
    assert re.search(r"^to +plan \d+ \(silver\)$", head, re.MULTILINE)
    assert [line.split()[0] for line in changes.splitlines()] == ["description", "limits"]
    assert re.search(r"^ +description  - -> For few$", changes, re.MULTILINE)
    created = home.good("audit", "show", str(newest - 1)).out.split("\n\n")[1]
    assert "+ name    silver" in created
    assert "canonical" in home.good("audit", "show", str(newest), "--json").json
    assert home.run("audit", "show", "99999999").code == REJECTED


def test_follow_prints_what_comes(home):
    follower = subprocess.Popen([str(cli.BINARY), "audit", "follow", "--object", "consumer:followed", "--json", "--max", "3"],
                                cwd=home.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=cli.environment()) if home.good("consumer", "create", "followed") else None
    try:
        first = json.loads(follower.stdout.readline())
        assert first["action"] == "consumer.create"
        home.good("consumer", "suspend", "followed")
        assert json.loads(follower.stdout.readline())["action"] == "consumer.suspend"
        home.good("consumer", "resume", "followed")
        assert json.loads(follower.stdout.readline())["action"] == "consumer.resume"
        assert follower.wait(30) == OK
    finally:
        follower.kill()
        follower.wait()
    line, = home.good("audit", "follow", "--object", "consumer:followed", "--max", "1").lines()
    assert re.fullmatch(r"\S+Z  socket:0  local  consumer\.resume  con_\d+ \(followed\)  state: suspended -> active", line)


def test_what_is_stored_does_not_steer_the_terminal(home):
    """Metadata may hold what no name may: it is shown without control characters."""
    home.good("consumer", "create", "sly", "--metadata", json.dumps({"a": "\x1b[31mred\u009b"}))
    listed = home.good("audit", "list", "--object", "consumer:sly").out
    assert "red" in listed and "\x1b" not in listed and "\u009b" not in listed


def test_a_bound_admin_key(home):
    issued = home.good("key", "issue", "--api", "tollkeeper", "--consumer", "gardener", "--scope", "keys:*,apis:read",
                       "--only-api", "weather")
    key, url = issued.out.strip(), f"http://127.0.0.1:{home.port}"
    assert home.good("api", "list", "--url", url, TOLLKEEPER_ADMIN_KEY=key).lines()[1].split()[0] == "weather"
    done = home.run("api", "show", "tollkeeper", "--url", url, TOLLKEEPER_ADMIN_KEY=key)
    assert done.code == DENIED and "your key acts on weather only" in done.err
    number = re.search(r"issued (key_\d+) for", issued.err)[1]
    assert re.search(r"^only apis +weather$", home.good("key", "show", number).out, re.MULTILINE)


def test_slips(home):
    assert home.run("audit", "show").code == USAGE
    assert home.run("audit", "list", "--object").code == USAGE
