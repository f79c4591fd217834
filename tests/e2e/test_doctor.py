"""`tollkeeper doctor`: good when all is well, with the daemon running or stopped; each thing that is wrong is told, with how to mend it."""

import os
import signal
import sqlite3

import pytest

import certs
import cli
from cli import FAILED, OK, USAGE


@pytest.fixture
def home(tmp_path):
    with cli.Home(tmp_path).start() as running:
        yield running
        if running.process is not None and running.alive():
            running.stop()


def examine(home, *words, code=None):
    done = home.run("doctor", "--json", "--gate", str(home.gate), *words)
    assert done.code in (OK, FAILED), done
    assert done.json["healthy"] == (done.code == OK)
    assert code is None or done.code == code, done
    return done.json["checks"]


def found(checks, area, text):
    """The check of this area that says so; what is not good says how to mend it."""
    for check in checks:
        if check["area"] == area and text in check["detail"]:
            assert check["state"] == "good" or check["mend"] or area == "settings", check
            return check
    raise AssertionError((area, text, checks))


def bad(checks):
    return [check for check in checks if check["state"] == "bad"]


def test_all_is_well_with_the_daemon_running(home):
    home.good("key", "issue", "--api", "maps")
    checks = examine(home, code=OK)
    assert not bad(checks)
    for area, text in [("settings", "file none"), ("data", "is closed to others"), ("disk", "are free"), ("files", "pepper is its owner's alone"),
                       ("registry", "whole, with 2 keys"), ("registry", "schema"), ("pepper", "can be used"), ("gate", "it decides"),
                       ("gate", "writable by"), ("daemon", "answers and is ready"), ("limits", "files"), ("memory", "available")]:
        assert found(checks, area, text)["state"] == "good", (area, text, checks)
    assert {check["area"] for check in checks} >= {"clock"}
    # And it has changed nothing, nor does it disturb.
    assert home.good("status", "--json").json["ready"]


def test_and_stopped(home):
    home.stop()
    checks = examine(home, code=OK)
    assert found(checks, "daemon", "none answers")["state"] == "warning"
    assert found(checks, "registry", "whole")["state"] == "good"


def test_the_text_for_people(home):
    done = home.good("doctor", "--gate", str(home.gate))
    assert "0 bad" in done.out and "\033" not in done.out
    home.data.chmod(0o770)
    done = home.run("doctor", "--gate", str(home.gate))
    assert done.code == FAILED and "mend: chmod 700 it" in done.out and "1 bad" in done.out


def test_nothing_there_yet(tmp_path):
    done = cli.run("doctor", "--json", cwd=tmp_path)
    assert done.code == OK, done
    assert found(done.json["checks"], "data", "No such file")["state"] == "warning"
    assert not (tmp_path / "data").exists()


def test_open_files_are_bad(home):
    for name in ("pepper", "registry.db"):
        (home.data / name).chmod(0o644)
        checks = examine(home, code=FAILED)
        assert "chmod 600" in found(checks, "files", f"{name} is open to others")["mend"]
        (home.data / name).chmod(0o600)
    os.chmod(home.socket_path, 0o666)
    assert found(examine(home, code=FAILED), "socket", "is open to others")["state"] == "bad"
    os.chmod(home.socket_path, 0o600)
    os.chmod(home.gate / "keys", 0o666)
    assert "so let keys in" in found(examine(home, code=FAILED), "gate", "could change")["detail"]


def test_files_of_another_user(home):
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(home.data / "registry.db", 12345, 12345)
    assert "chown" in found(examine(home, code=FAILED), "files", "belongs to 12345")["mend"]
    os.chown(home.data / "registry.db", 0, 0)


def test_a_damaged_registry(home):
    home.good("key", "issue", "--api", "maps")
    home.stop()
    path = home.data / "registry.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:3 * 4096] + bytes(4096) + whole[4 * 4096:])
    assert "restore" in found(examine(home, code=FAILED), "registry", "is damaged")["mend"]
    path.write_bytes(b"hello " * 10000)
    assert found(examine(home, code=FAILED), "registry", "")["state"] == "bad"


def test_a_registry_of_a_newer_program(home):
    home.stop()
    with sqlite3.connect(home.data / "registry.db") as db:
        db.execute("INSERT INTO schema_version VALUES (99, 'later', 'x')")
    db.close()
    assert "newer program" in found(examine(home, code=FAILED), "registry", "its schema is 99")["mend"]


def test_the_pepper(home):
    home.stop()
    text = (home.data / "pepper").read_text()
    (home.data / "pepper").write_text("hello\n")
    assert found(examine(home, code=FAILED), "pepper", "pepper")["state"] == "bad"
    (home.data / "pepper").unlink()
    assert found(examine(home, code=FAILED), "pepper", "is missing")["state"] == "bad"
    (home.data / "pepper").write_text(text)
    (home.data / "pepper").chmod(0o600)
    assert found(examine(home, code=OK), "pepper", "can be used")


def test_the_gate_gone_and_damaged(home):
    home.stop()
    (home.gate / "keys").write_bytes(b"hello")
    assert [check for check in bad(examine(home, code=FAILED)) if check["area"] == "gate"]
    for path in home.gate.iterdir():
        path.unlink()
    home.gate.rmdir()
    assert found(examine(home), "gate", "there is none yet")["state"] == "warning"


def test_certificates(tmp_path, home):
    authority = certs.Authority(tmp_path / "ca")
    cert, key = authority.sign("soon", days="5")
    flags = ("--tls-cert", str(cert), "--tls-key", str(key))
    assert "renew" in found(examine(home, *flags, code=OK), "tls", "expire in")["mend"]
    other = authority.sign("other")[1]
    assert found(examine(home, "--tls-cert", str(cert), "--tls-key", str(other), code=FAILED), "tls", "does not belong")


def test_settings_and_limits(tmp_path, home):
    conf = tmp_path / "conf"
    conf.write_text("workers = 0\n")
    checks = examine(home, "--config", str(conf), code=FAILED)
    assert f"{conf}:1" in found(checks, "settings", "workers takes")["detail"]
    assert found(checks, "registry", "whole")
    checks = examine(home, "--connections", "1000000")
    assert "LimitNOFILE" in found(checks, "limits", "are wanted for the connections")["mend"]
    assert home.run("doctor", "--frobnicate").code == USAGE


def test_a_daemon_that_hangs(home):
    home.process.send_signal(signal.SIGSTOP)
    try:
        assert "journalctl" in found(examine(home, code=FAILED), "daemon", "does not answer")["mend"]
    finally:
        home.process.send_signal(signal.SIGCONT)
