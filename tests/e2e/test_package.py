"""The unit and the Debian packages: what systemd says of the unit, what the daemon tells the service manager, and the packages in a clean root."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import certs
import cli

ROOT = cli.daemon.ROOT
UNIT = ROOT / "packaging/tollkeeper.service"

# Of 10; what is left is the network, a user that exists, and /proc of its own processes.
EXPOSURE_MAX = 1.5


@pytest.fixture
def unit(tmp_path):
    """With a program that is there: systemd looks for it."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is needed: apt-get install systemd")
    path = tmp_path / "tollkeeper.service"
    path.write_text(UNIT.read_text().replace("/usr/bin/tollkeeper", "/bin/true"))
    return path


def test_the_units_exposure(unit):
    told = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)], capture_output=True,
                          text=True, check=False)
    score = re.search(r"Overall exposure level for tollkeeper.service: ([0-9.]+)", told.stdout)
    assert score, (told.stdout[-500:], told.stderr)
    print(score[0])
    assert float(score[1]) <= EXPOSURE_MAX


def test_systemd_understands_the_unit(unit):
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert not [line for line in told.stderr.splitlines() if "tollkeeper.service" in line], told.stderr


def expand(names):
    """The system calls of sets such as @system-service, as systemd has them."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        told = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True)
        calls |= expand([line.strip() for line in told.stdout.splitlines()[1:] if line.strip() and "#" not in line])
    return calls


def allowed():
    """By the lines SystemCallFilter= of the unit, in their order."""
    calls = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        if line.startswith("~"):
            calls -= expand(line[1:].split())
        else:
            calls |= expand(line.split())
    return calls


def test_the_daemon_makes_no_call_that_the_unit_forbids(tmp_path, unit):
    """Start, changes, verification over TCP and TLS, reload, backup, stop: all under strace."""
    if not shutil.which("strace"):
        pytest.skip("strace is needed: apt-get install strace")
    trace = tmp_path / "trace"
    cert, key = certs.Authority(tmp_path / "ca").sign("server")
    home = cli.Home(tmp_path, "--tls-cert", str(cert), "--tls-key", str(key))
    plain = home.command
    home.command = lambda: ["strace", "-f", "-qq", "-E", "ASAN_OPTIONS=detect_leaks=0", "-o", str(trace), *plain()]
    home.pid = lambda: int(subprocess.run(["pgrep", "-P", str(home.process.pid)], capture_output=True, text=True, check=True).stdout.split()[0])
    with home.start():
        issued = home.good("key", "issue", "--api", "maps", "--quota", "5/day", "--json").json
        with home.client() as client:
            assert client.verify(issued["key"], "maps") == "valid"
        url = f"https://localhost:{home.port}"
        home.good("status", "--url", url, "--ca-file", str(tmp_path / "ca/ca.pem"), TOLLKEEPER_ADMIN_KEY=home.admin_key)
        home.good("key", "revoke", issued["id"])
        home.good("backup", "a.tar")
        os.kill(home.pid(), signal.SIGHUP)
        os.kill(home.pid(), signal.SIGTERM)
        assert home.wait() == cli.OK
    made = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", trace.read_text(), re.MULTILINE))
    assert len(made) > 40 and {"accept4", "epoll_wait", "fdatasync"} & made
    # A sanitizer, where there is one, looks at its processor and at itself. SQLite gives its files away where it runs as root,
    # as here, and the unit's user is not.
    forbidden = made - allowed() - {"sched_getaffinity", "ptrace", "fchown"}
    assert not forbidden, forbidden


def test_the_packages_configuration_is_good(tmp_path):
    done = cli.run("config", "check", str(ROOT / "packaging/tollkeeper.conf"), cwd=tmp_path)
    assert done.code == cli.OK, done


def test_what_the_service_manager_is_told(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{folder}/notify")
        manager.settimeout(20)

        def told(word):
            while True:
                message = manager.recv(4096).decode().split("\n")
                if word in message:
                    return message

        home = cli.Home(tmp_path)
        plain = home.command
        home.command = lambda: ["env", f"NOTIFY_SOCKET={folder}/notify", "WATCHDOG_USEC=60000000", *plain()]
        with home.start():
            told("READY=1")
            told("WATCHDOG=1")
            home.process.send_signal(signal.SIGHUP)
            assert re.fullmatch(r"MONOTONIC_USEC=\d+", told("RELOADING=1")[1])
            told("READY=1")
            home.process.send_signal(signal.SIGTERM)
            told("STOPPING=1")
            assert home.wait() == cli.OK


def test_nobody_listens(tmp_path):
    home = cli.Home(tmp_path)
    plain = home.command
    home.command = lambda: ["env", f"NOTIFY_SOCKET={tmp_path}/nowhere", *plain()]
    with home.start():
        assert home.stop() == cli.OK


def test_packages_in_a_clean_root():
    """Installed, run, upgraded, removed, purged, restored: scripts/package-inside says what. Minutes, for a root and a build."""
    if os.getuid() != 0:
        pytest.skip("making a root needs root")
    done = subprocess.run([str(ROOT / "scripts/try-package")], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          check=False, env=dict(os.environ, LC_ALL="C.UTF-8"))
    assert done.returncode == 0 and done.stdout.endswith("done\n"), (done.stdout[-4000:], done.stderr[-4000:])
    assert done.stdout.count("\nok ") >= 49 and "FAIL" not in done.stdout
