"""`tollkeeper route`, and verify and explain by route, from the command line."""

import re
from pathlib import Path

import pytest

import cli
from cli import KEY_REFUSED, REJECTED, USAGE
from test_cli_commands import cells, shown

GUIDE = Path(__file__).resolve().parents[2] / "docs/guide/scopes-and-routes.md"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with cli.Home(tmp_path_factory.mktemp("home"), "--demo").start() as home:
        yield home
        home.stop()


def test_route(home):
    made = shown(home, "route", "create", "--api", "weather", "--method", "get", "--path", "/v1/forecast/{city}", "--scope",
                 "forecast:read", "--cost", "2", "--quota", "5/day")
    assert (made["method"], made["path"], made["cost"]) == ("GET", "/v1/forecast/{city}", "2")
    row, = cells(home.good("route", "list", "--api", "weather"))
    assert (row["ROUTE"], row["SCOPE"]) == (made["route"], "forecast:read")
    assert home.good("route", "show", made["route"], "--api", "weather", "--env", "production", "--json").json["cost"] == 2
    assert home.run("route", "show", made["route"], "--api", "weather", "--env", "test").code == REJECTED

    asked = ("--api", "weather", "--method", "GET", "--path", "/v1/forecast/oslo")
    found = home.good("route", "match", *asked)
    assert found.out.startswith("matched: ") and made["route"] in found.out
    assert home.run("route", "match", "--api", "weather", "--method", "GET", "--path", "/v2").code == KEY_REFUSED

    key = home.good("key", "issue", "--api", "weather", "--scope", "forecast:read").out.strip()
    answer = home.good("verify", *asked, "--match-route", "--json", stdin=key).json
    assert answer["route"]["id"] == made["route"] and answer["limits"][-1]["remaining"] == 3
    home.good("route", "update", made["route"], "--api", "weather", "--scope", "alerts:read")
    assert home.run("verify", *asked, "--match-route", stdin=key).code == KEY_REFUSED
    explained = home.run("explain", *asked, "--match-route", stdin=key)
    assert explained.code == KEY_REFUSED
    assert "alerts:read" in explained.out and "/v1/forecast/{city}" in explained.out

    other = ("--api", "weather", "--method", "GET", "--path", "/v2", "--match-route")
    assert home.run("verify", *other, stdin=key).code == KEY_REFUSED
    assert home.run("verify", *other, "--unknown-route", "pass", stdin=key).code == 0
    assert home.good("route", "delete", made["route"], "--api", "weather").out == f"deleted {made['route']}\n"
    assert home.run("route", "create", "--api", "weather", "--method", "GET").code == USAGE


def test_guide(tmp_path):
    """All commands of docs/guide/scopes-and-routes.md, in their order, in one shell that ends at the first that fails."""
    script = "set -e\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL))
    assert script.count("tollkeeper ") > 20
    with cli.Home(tmp_path, "--demo").start() as fresh:
        done = cli.shell(script, cwd=fresh.folder)
        assert done.code == 0, done
        fresh.stop()
