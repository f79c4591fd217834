"""`tollkeeper role`, and the roles of keys, from the command line."""

import pytest

import cli
from cli import KEY_REFUSED, REJECTED
from test_cli_commands import cells, shown


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with cli.Home(tmp_path_factory.mktemp("home"), "--demo").start() as home:
        yield home
        home.stop()


def test_role(home):
    home.good("scope", "create", "history:read", "--api", "weather")
    made = shown(home, "role", "create", "reader", "--api", "weather", "--scope", "forecast:read,history:*")
    assert made["scopes"] == "forecast:read, history:*" or made["scopes"].split() == ["forecast:read", "history:*"], made
    assert [row["NAME"] for row in cells(home.good("role", "list", "--api", "weather"))] == ["reader"]
    assert home.good("role", "show", "reader", "--api", "weather", "--json").json["scopes"] == ["forecast:read", "history:*"]

    issued = home.good("key", "issue", "--api", "weather", "--role", "reader")
    key = issued.out.strip()
    listed = home.good("key", "list", "--api", "weather", "--json").json["items"][-1]
    assert listed["roles"] == ["reader"]
    asked = ("verify", "--api", "weather", "--scope", "history:read")
    assert home.run(*asked, stdin=key).code == 0
    home.good("role", "update", "reader", "--api", "weather", "--scope", "forecast:read")
    assert home.run(*asked, stdin=key).code == KEY_REFUSED

    refused = home.run("role", "delete", "reader", "--api", "weather")
    assert refused.code == REJECTED and listed["id"] in refused.err
    home.good("key", "update", listed["id"], "--role", "none")
    assert home.good("role", "delete", "reader", "--api", "weather").out == "deleted reader\n"
    assert home.run("role", "create", "x", "--api", "weather", "--scope", "no:such").code == REJECTED
