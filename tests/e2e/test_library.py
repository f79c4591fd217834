"""libtollkeeper as its users get it: installed, found by pkg-config, in a C service against a real daemon, shared and static.

Installed is a copy of the build under test below a folder; Weather is the example service, running. The guide's commands and its
program are run as they stand there.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import cli
import daemon

BUILD = daemon.BINARY.parents[2]
EXAMPLE = daemon.ROOT / "examples/http-service"
GUIDE = daemon.ROOT / "docs/guide/library.md"


class Installed:
    def __init__(self, folder):
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder, "--tags", "runtime,devel"],
                       check=True)
        found = next(folder.rglob("tollkeeper.pc"))
        self.library = found.parents[1]
        prefix = re.search(r"^prefix=(.*)$", found.read_text(), re.MULTILINE)[1]
        options = {option["name"]: option["value"] for option in json.loads(
            subprocess.run(["meson", "introspect", BUILD, "--buildoptions"], stdout=subprocess.PIPE, check=True).stdout)}
        sanitize = options["b_sanitize"]
        self.flags = "-O1 -g -Wall -Wextra -Werror" + (f" -fsanitize={sanitize}" if sanitize != "none" else "") + (
            " --coverage" if options["b_coverage"] else "")
        self.pkg_config = f"pkg-config --define-variable=prefix={folder}{prefix}"
        self.environment = dict(os.environ, PKG_CONFIG_PATH=str(found.parent), LD_LIBRARY_PATH=str(self.library))

    def make(self, folder, *targets):
        subprocess.run(["make", "-C", folder, f"CFLAGS={self.flags}", f"PKG_CONFIG={self.pkg_config}", *targets], check=True,
                       env=self.environment)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def programs(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("example") / "http-service"
    shutil.copytree(EXAMPLE, folder)
    installed.make(folder, "weather", "weather-static")
    return folder


class Weather:
    """The service; `log` is what it printed, once it has ended."""

    def __init__(self, program, data, environment):
        self.log_path = data.parent / f"{program.name}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([program, "0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=dict(environment, TOLLKEEPER_DATA=str(data)))
        until = time.monotonic() + 30
        while not (found := re.search(r"serving on port (\d+)", self.log_path.read_text())):
            assert self.process.poll() is None and time.monotonic() < until, self.log_path.read_text()
            time.sleep(0.01)
        self.port = int(found[1])

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return daemon.Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def forecast(self, key):
        return self.call("GET", "/v1/forecast/oslo", Authorization=f"Bearer {key}")

    def left(self, key):
        """What a forecast leaves of the key's one limit."""
        return int(re.fullmatch(r'"units";r=(\d+);t=\d+', self.forecast(key).headers["RateLimit"])[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log_path.read_text()
        return self.log_path.read_text()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with daemon.Daemon(tmp_path_factory.mktemp("daemon")) as it:
        it.start()
        with it.client() as client:
            client.done(client.post("/v1/apis", {"name": "weather"}))
            for scope in ("forecast:read", "report:write"):
                client.done(client.post("/v1/apis/weather/scopes", {"name": scope}))
            client.done(client.post("/v1/consumers", {"name": "acme"}))
        yield it


@pytest.fixture(params=["weather", "weather-static"])
def weather(request, installed, programs, running):
    it = Weather(programs / request.param, running.data, installed.environment)
    yield it
    it.end()


def issue(running, scopes=("forecast:read", "report:write"), **fields):
    with running.client() as client:
        made = client.issue(api="weather", consumer="acme", scopes=list(scopes), **fields)
        return made["key"], made["id"]


QUOTA = {"kind": "window", "name": "units", "limit": 1000, "per": "30d"}


def test_the_static_program_brings_the_library(programs, installed):
    def needs(program):
        return subprocess.run(["readelf", "-d", programs / program], stdout=subprocess.PIPE, check=True).stdout.decode()

    assert "[libtollkeeper.so.0]" in needs("weather")
    assert "tollkeeper" not in needs("weather-static")
    for name in ("sqlite", "curl", "jansson"):
        assert name not in needs("weather-static")


def test_who_may_and_who_may_not(weather, running):
    key, key_id = issue(running)
    reply = weather.forecast(key)
    assert reply.status == 200 and reply.json["celsius"] == 21
    assert weather.call("GET", "/v1/forecast/oslo", X_API_Key=key).status == 200

    nobody = weather.call("GET", "/v1/forecast/oslo")
    assert nobody.status == 401 and nobody.json["code"] == "missing_key"
    assert nobody.headers["Content-Type"] == "application/problem+json"
    assert nobody.headers["WWW-Authenticate"] == 'Bearer realm="weather"'
    stranger = weather.forecast(key[:-1] + ("a" if key[-1] != "a" else "b"))
    assert stranger.status == 401 and stranger.json["code"] == "malformed"
    assert stranger.headers["WWW-Authenticate"] == 'Bearer realm="weather", error="invalid_token"'
    both = weather.call("GET", "/v1/forecast/oslo", Authorization=f"Bearer {key}", X_API_Key=issue(running)[0])
    assert both.status == 401 and both.json["code"] == "malformed"

    reader = issue(running, scopes=["forecast:read"])[0]
    refused = weather.call("POST", "/v1/report", b"rain", Authorization=f"Bearer {reader}")
    assert refused.status == 403 and refused.json["code"] == "insufficient_scope"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="weather", error="insufficient_scope", scope="report:write"'
    bound = issue(running, restrictions={"paths": ["/v1/report"]})[0]
    assert weather.forecast(bound).json["code"] == "restricted"
    local = issue(running, restrictions={"cidrs": ["127.0.0.0/8"]})[0]
    assert weather.forecast(local).status == 200
    assert weather.call("GET", "/elsewhere", X_API_Key=key).status == 404

    with running.client() as client:
        client.done(client.post(f"/v1/keys/{key_id}/revoke"))
    assert weather.forecast(key).json["code"] == "revoked"
    log = weather.stop()
    assert f"status=200 code=valid key={key_id}" in log
    assert not cli.PLAINTEXT.search(log) and not daemon.REPORTS.search(log), log


def test_limits_are_told_and_kept(weather, running):
    key = issue(running, limits=[{"name": "pace", "limit": 3, "per": "1h", "burst": 3}])[0]
    for left in (2, 1, 0):
        reply = weather.forecast(key)
        assert reply.status == 200
        assert reply.headers["RateLimit-Policy"] == '"pace";q=3;w=3600'
        assert re.fullmatch(rf'"pace";r={left};t=\d+', reply.headers["RateLimit"])
        assert "Retry-After" not in reply.headers
    refused = weather.forecast(key)
    assert refused.status == 429 and refused.json["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 1200
    assert weather.call("POST", "/v1/report", b"", X_API_Key=key).headers.get("Retry-After") is None, "100 units never fit"


def test_a_report_is_settled_with_what_it_used(weather, running):
    key = issue(running, limits=[QUOTA])[0]
    assert weather.left(key) == 999
    reply = weather.call("POST", "/v1/report", b"x" * 640, X_API_Key=key)
    assert (reply.status, reply.json) == (201, {"units": 11})
    assert weather.left(key) == 987
    assert weather.call("POST", "/v1/report", b"x" * 64000, X_API_Key=key).status == 413
    assert weather.left(key) == 986, "what was not served is given back"

    # A client that goes away in the middle of its report.
    with socket.create_connection(("127.0.0.1", weather.port)) as client:
        client.sendall(f"POST /v1/report HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 99\r\n\r\nrain".encode())
        until = time.monotonic() + 30
        while weather.left(key) > 900:
            assert time.monotonic() < until, "it was never reserved"
    until = time.monotonic() + 30
    while (left := weather.left(key)) < 900:
        assert time.monotonic() < until, f"it was never released: {left}"
    assert not daemon.REPORTS.search(weather.stop())


def test_it_goes_on_without_the_daemon_and_with_the_next(installed, programs, tmp_path):
    """Stopped, killed, and started on an empty gate directory: the service is the same process all along."""
    with daemon.Daemon(tmp_path / "own") as own:
        own.start()
        with own.client() as client:
            client.done(client.post("/v1/apis", {"name": "weather"}))
            client.done(client.post("/v1/apis/weather/scopes", {"name": "forecast:read"}))
            client.done(client.post("/v1/consumers", {"name": "acme"}))
        key, key_id = issue(own, scopes=["forecast:read"])
        weather = Weather(programs / "weather", own.data, installed.environment)
        try:
            assert weather.forecast(key).status == 200
            own.kill()
            assert weather.forecast(key).status == 200
            own.start()
            assert weather.forecast(key).status == 200
            own.stop()
            shutil.rmtree(own.gate)
            assert weather.forecast(key).status == 200, "nothing says that a daemon will make others"
            own.start()
            with own.client() as client:
                client.done(client.post(f"/v1/keys/{key_id}/revoke"))
            until = time.monotonic() + 30
            while weather.forecast(key).json.get("code") != "revoked":
                assert time.monotonic() < until, weather.log_path.read_text()
            assert not daemon.REPORTS.search(weather.stop())
        finally:
            weather.end()
        own.stop()


# ---- the guide ----


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_guide(installed, tmp_path):
    """Its program and its commands as they stand; only the flags of the build under test are added to the compiler's."""
    (tmp_path / "bin").mkdir()
    for name, command in (("cc", f"exec /usr/bin/cc {installed.flags} \"$@\""), ("pkg-config", f"exec /usr/bin/{installed.pkg_config} \"$@\"")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{command}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    with cli.Home(tmp_path / "home").start() as home:
        (home.folder / "check.c").write_text(blocks("c")[0])
        environment = {name: value for name, value in installed.environment.items() if not name.startswith("TOLLKEEPER_")}
        environment["PATH"] = f"{tmp_path}/bin:{daemon.BINARY.parent}:{environment['PATH']}"

        def run(script):
            done = subprocess.run(["bash", "-c", script], cwd=home.folder, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            assert "rror" not in done.stderr, done.stderr
            return done.stdout

        issue_it, compile_it, exhaust_it, static_it = blocks("sh")
        assert run(issue_it) == ""
        assert re.fullmatch(r"valid key_\d+ The key is valid .*\nrequests: 4 left\n", run(compile_it))
        lines = run(exhaust_it).splitlines()
        assert [line.split()[0] for line in lines if " key_" in line][:5] == ["valid"] * 4 + ["rate_limited"]
        assert "requests" in "\n".join(lines[10:]), "explained"
        assert run(static_it).startswith("rate_limited key_")
        home.stop()
