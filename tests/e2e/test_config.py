"""Settings: one name in file, environment and flags; where each value came from; what is refused, with file and line."""

import json
import re

import pytest

import cli
import daemon
from cli import OK, USAGE


def shown(cwd, *words, **variables):
    done = cli.run("config", "show", "--json", *words, cwd=cwd, **variables)
    assert done.code == OK, done
    return {row["name"]: (row["value"], row["from"]) for row in done.json["settings"]}


def conf(folder, text, name="tollkeeper.conf"):
    path = folder / name
    path.write_text(text)
    return path


def test_each_source_is_over_the_one_before(tmp_path):
    path = conf(tmp_path, "# a comment\n\nidle-timeout = 11\nworkers=12\n  lease =  13 \nlog-level = \"warn\"\n")
    variables = {"TOLLKEEPER_CONFIG": str(path), "TOLLKEEPER_WORKERS": "22", "TOLLKEEPER_LEASE": "23"}
    values = shown(tmp_path, "--lease", "33", **variables)
    assert values["verify-threads"][1] == "default"
    assert values["idle-timeout"] == ("11", f"{path}:3")
    assert values["workers"] == ("22", "TOLLKEEPER_WORKERS")
    assert values["lease"] == ("33", "--lease")
    assert values["log-level"] == ("warn", f"{path}:6")
    assert values["config"] == (str(path), "TOLLKEEPER_CONFIG")


def test_an_empty_variable_says_nothing(tmp_path):
    assert shown(tmp_path, TOLLKEEPER_WORKERS="")["workers"] == ("16", "default")


def test_variables_of_others_are_not_ours(tmp_path):
    """Kubernetes makes these for a service of our name."""
    shown(tmp_path, TOLLKEEPER_PORT="tcp://10.0.0.1:80", TOLLKEEPER_SERVICE_HOST="10.0.0.1")


def test_defaults_that_depend_on_others(tmp_path):
    values = shown(tmp_path, "--behind-proxy", "--data", "/srv/tk")
    assert values["verify-peers"] == ("none", "default")
    assert values["socket"] == ("/srv/tk/tollkeeper.sock", "default")
    assert shown(tmp_path)["verify-peers"][0] == "127.0.0.0/8,::1/128"


def test_lists_are_put_together(tmp_path):
    values = shown(tmp_path, "--verify-peers", "10.0.0.0/8", "--verify-peers", "192.0.2.1,::1")
    assert values["verify-peers"][0] == "10.0.0.0/8,192.0.2.1,::1"


def test_a_flag_can_say_no(tmp_path):
    path = conf(tmp_path, "demo = yes\n")
    assert shown(tmp_path, "--config", str(path))["demo"] == ("yes", f"{path}:1")
    assert shown(tmp_path, "--config", str(path), "--demo=no")["demo"] == ("no", "--demo")


MISTAKES = [
    ("workers = 0", 1, "workers takes a number from 1 to 256, not \"0\"", ""),
    ("\n\nworkers = many", 3, "workers takes a number", ""),
    ("worker = 3", 1, "there is no setting \"worker\"", "did you mean workers?"),
    ("colour = green", 1, "there is no setting \"colour\"", "help settings"),
    ("workers = 3\nworkers = 4", 2, "workers is set in line 1 already", ""),
    ("workers =", 1, "workers has no value", "remove the line"),
    ("workers", 1, "\"workers\" sets nothing", "name = value"),
    ("[server]", 1, "there are no sections", ""),
    ("demo = true", 1, "demo takes yes or no", ""),
    ("log-level = loud", 1, "log-level takes info, warn or error", ""),
    ("verify-peers = 10.0.0.1/8", 1, "verify-peers does not understand", "10.1.0.0/16"),
    ("listen = localhost:80", 1, "listen does not understand", "127.0.0.1:8420"),
    ("listen = 0.0.0.0:8420", 1, "keys would cross the network in plain text", "--tls-cert"),
    ("tls-cert = /a", 1, "comes without its tls-key", "give both"),
    ("tls-key = /a", 1, "comes without its tls-cert", "give both"),
    ("admin-key = x", 1, "there is no setting", "secrets are never settings"),
    ("config = /a", 1, "there is no setting \"config\"", ""),
]


@pytest.mark.parametrize("text, line, says, mend", MISTAKES, ids=[m[0].strip() for m in MISTAKES])
def test_mistakes_are_told_with_file_and_line(tmp_path, text, line, says, mend):
    path = conf(tmp_path, text + "\n")
    for words in (["config", "check", str(path)], ["config", "show", "--config", str(path)], ["serve", "--config", str(path)]):
        done = cli.run(*words, cwd=tmp_path)
        assert (done.code, done.out) == (USAGE, ""), done
        assert f"{path}:{line}: " in done.err and says in done.err and mend in done.err, done
    assert not (tmp_path / "data").exists()


def test_all_mistakes_are_told_at_once(tmp_path):
    path = conf(tmp_path, "workers = 0\nfoo = 1\nidle-timeout = 0\n")
    done = cli.run("config", "check", str(path), cwd=tmp_path)
    assert done.code == USAGE
    assert {int(n) for n in re.findall(rf"{path}:(\d+):", done.err)} == {1, 2, 3}


def test_a_mistake_in_a_variable_names_it(tmp_path):
    done = cli.run("config", "show", cwd=tmp_path, TOLLKEEPER_WORKERS="0")
    assert done.code == USAGE and "TOLLKEEPER_WORKERS takes a number from 1 to 256" in done.err


def test_a_key_in_the_file_is_not_repeated(tmp_path):
    key = "tk_live_" + "A" * 41
    done = cli.run("config", "check", str(conf(tmp_path, f"admin-key = {key}\n{key}\n")), cwd=tmp_path)
    assert done.code == USAGE and key not in done.err


def test_a_file_that_everybody_may_write_is_refused(tmp_path):
    path = conf(tmp_path, "workers = 3\n")
    path.chmod(0o666)
    done = cli.run("config", "check", str(path), cwd=tmp_path)
    assert done.code == USAGE and "everybody may change it" in done.err


@pytest.mark.parametrize("what", ["missing", "folder", "long", "binary"])
def test_files_that_are_none(tmp_path, what):
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "long":
        path.write_text("#\n" * 40000)
    elif what == "binary":
        path.write_bytes(b"workers = \xff\x00\n")
    assert cli.run("config", "check", str(path), cwd=tmp_path).code == USAGE


def test_a_good_file(tmp_path):
    done = cli.run("config", "check", str(conf(tmp_path, "workers = 3\nlease = 5\n")), cwd=tmp_path)
    assert done.code == OK and "it sets 2 of" in done.out


def test_every_setting_is_told(tmp_path):
    told = cli.run("help", "settings", cwd=tmp_path).out
    for name in shown(tmp_path):
        assert re.search(rf"^{name}\b", told, re.MULTILINE)
        assert f"TOLLKEEPER_{name.upper().replace('-', '_')}" in told
        assert f"--{name}" in cli.run("serve", "--help", cwd=tmp_path).out


def test_the_daemon_uses_the_file(tmp_path):
    path = conf(tmp_path, "log-level = error\nverify-peers = none\n")
    with cli.Home(tmp_path, "--config", str(path)).start() as home:
        with home.tcp_client() as client:
            client.headers = {}
            assert client.post("/v1/verify", {"key": "x", "api": "maps"}).status == 401
        home.stop()
        assert "level=info" not in home.log.read_text()


def test_the_programs_beside_it_find_it_by_variable(tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    with daemon.Daemon(tmp_path / "home").start() as running:
        done = cli.run("status", "--json", cwd=other, TOLLKEEPER_SOCKET=str(running.socket_path))
        assert done.code == OK and json.loads(done.out)["ready"]
        assert running.stop() == 0
