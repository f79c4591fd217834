"""`tollkeeper serve` as a process: the first start, the demo, the second daemon, the ways in which it stops."""

import http.client
import os
import re
import signal
import socket
import stat
import time

import pytest

import cli
import daemon
from cli import DATA_IN_USE, FAILED, KEY_REFUSED, OK


def pasted(home):
    """The commands that --demo prints, each with the comment above it."""
    return re.findall(r"^# (.+)\n(.+)$", home.stdout(), re.MULTILINE)


# ---- the first start ----


def test_first_start_shows_the_admin_key_once(tmp_path):
    with cli.Home(tmp_path).start() as home:
        assert home.stdout().count(home.admin_key) == 1
        assert "shown this once" in home.stdout()
        assert f"http://127.0.0.1:{home.port}" in home.stdout()
        with home.tcp_client() as client:
            keys = client.done(client.get("/v1/keys"))["items"]
        assert [(key["api"], key["consumer"]["name"], key["scopes"]) for key in keys] == [("tollkeeper", "admin", ["*"])]
        home.stop()
        before = len(home.stdout())
        home.start()
        later = home.stdout()[before:]
        assert "tk_admin_" not in later
        assert len(later.splitlines()) == 1, later
        with home.tcp_client() as client:
            assert client.get("/v1/keys").status == 200
        home.stop()


def test_the_three_commands_of_the_demo(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as home:
        commands = pasted(home)
        assert [len(command.splitlines()) for _, command in commands] == [1, 1, 1]
        admitted, refused, revoked = [cli.shell(command, tmp_path) for _, command in commands]
        assert admitted.code == OK and admitted.out.startswith("valid"), admitted
        assert refused.code == KEY_REFUSED and refused.out.startswith("refused insufficient_scope"), refused
        assert revoked.code == KEY_REFUSED and "refused revoked" in revoked.out, revoked
        assert revoked.out.startswith("revoked key_")
        home.stop()


def test_the_demo_is_made_once(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as home:
        home.stop()
        before = len(home.stdout())
        home.start()
        assert "tk_live_" not in home.stdout()[before:]
        home.stop()


def test_the_commands_of_the_demo_know_where_the_daemon_is(tmp_path):
    """Its data elsewhere, under a name that a shell would take apart."""
    strange = tmp_path / "o'er there"
    strange.mkdir()
    with cli.Home(tmp_path, "--demo", "--data", str(strange / "data"), data=strange / "data").start() as home:
        for (_, command), code in zip(pasted(home), [OK, KEY_REFUSED, KEY_REFUSED]):
            assert cli.shell(command, "/").code == code, command
        home.stop()


# ---- what it leaves and what it keeps to itself ----


def test_files_and_memory_are_closed_to_others(tmp_path):
    with cli.Home(tmp_path).start() as home:
        assert stat.S_IMODE(home.data.stat().st_mode) == 0o700
        assert stat.S_IMODE(home.socket_path.stat().st_mode) == 0o600
        limits = open(f"/proc/{home.pid()}/limits").read()
        assert re.search(r"Max core file size +0 +0 ", limits)
        home.stop()


def test_log_lines_are_logfmt(tmp_path):
    with cli.Home(tmp_path).start() as home:
        home.good("api", "create", "weather")
        home.run("api", "create", "weather")
        home.stop()
        lines = home.log.read_text().splitlines()
    assert len(lines) >= 4
    word = r'[a-z_0-9.]+=(?:"(?:[^"\\]|\\.)*"|[^\s"=]+)'
    for line in lines:
        assert re.fullmatch(rf"ts=\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z level=(info|warn|error)(?: {word})+", line), line
    assert [e for e in ("listening", "stopping", "stopped") if f"event={e}" in home.log.read_text()] == [
        "listening", "stopping", "stopped"]


# ---- two of them ----


def test_a_second_daemon_is_refused(tmp_path):
    with cli.Home(tmp_path).start() as home:
        second = home.run("serve", "--listen", "127.0.0.1:0")
        assert second.code == DATA_IN_USE
        assert "another tollkeeper daemon is using the data directory ./data" in second.err
        assert "mend: " in second.err
        assert home.good("status").out
        home.stop()


def test_a_port_that_is_taken_does_not_cost_the_admin_key(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = cli.run("serve", "--gate", str(tmp_path / "gate"), "--listen", f"127.0.0.1:{taken.getsockname()[1]}",
                         cwd=tmp_path)
    assert result.code == FAILED
    assert "tk_admin_" not in result.out
    assert str(taken) not in result.err and "in use" in result.err
    with cli.Home(tmp_path).start() as home:
        assert home.admin_key
        home.stop()


def test_a_socket_at_the_path_is_only_replaced_when_dead(tmp_path):
    """The path may be another program's: what is alive, or no socket at all, stays."""
    place = tmp_path / "place"

    def start():
        return cli.run("serve", "--gate", str(tmp_path / "gate"), "--listen", "127.0.0.1:0", "--socket", str(place),
                       cwd=tmp_path)

    place.write_text("precious")
    refused = start()
    assert refused.code == FAILED and "is no socket" in refused.err and "mend: " in refused.err
    assert place.read_text() == "precious"
    place.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen()
        refused = start()
        assert refused.code == FAILED and "another program listens" in refused.err and "another path" in refused.err
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(place))
    place.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:  # cannot be asked; it may be alive
        other.bind(str(place))
        assert start().code == FAILED
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(str(place))
    place.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen()
    with cli.Home(tmp_path, "--socket", str(place)) as home:  # nobody listens there any more
        home.socket_path = place
        home.start()
        home.good("status", "--socket", str(place))
        home.stop()


def test_behind_a_proxy_nobody_is_known_by_default(tmp_path):
    """Everybody comes from the proxy's address then, which may be loopback."""
    question = {"api": "weather", "key": "tk_live_x"}
    with cli.Home(tmp_path, "--demo", "--behind-proxy").start() as home:
        with home.tcp_client() as client:
            assert client.post("/v1/verify", question).status == 200
            client.headers = {}
            assert client.post("/v1/verify", question).status == 401
            assert client.get("/metrics").status == 401
        home.stop()
    with cli.Home(tmp_path, "--behind-proxy", "--verify-peers", "127.0.0.1/32").start() as home:
        with home.tcp_client() as client:
            client.headers = {}
            assert client.post("/v1/verify", question).status == 200
            assert client.get("/metrics").status == 200
        home.stop()


# ---- stopping ----


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_signal_stops_it_cleanly(tmp_path, how):
    with cli.Home(tmp_path).start() as home:
        home.process.send_signal(how)
        assert home.wait() == OK
        assert f"signal={how.name[3:]}" in home.log.read_text()
        assert not home.socket_path.exists()


def half_a_request(port, body):
    """A POST that waits for its last byte: in flight for as long as the caller likes."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(body) + body[:-1])
    return connection


def wait_until_in_flight(home):
    """Until the daemon has read the half request; the other one in flight is ours that asks."""
    end = time.monotonic() + 20
    while "\ntollkeeper_http_requests_in_flight 2\n" not in home.client().get("/metrics").text:
        assert time.monotonic() < end
        time.sleep(0.01)


def wait_for_event(home, event):
    end = time.monotonic() + 20
    while f"event={event}" not in home.log.read_text():
        assert time.monotonic() < end, home.tail()
        time.sleep(0.01)


def test_sigterm_finishes_what_is_in_flight(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as home:
        body = b'{"api": "weather", "key": "%s"}' % home.demo_key().encode()
        connection = half_a_request(home.port, body)
        wait_until_in_flight(home)
        home.process.send_signal(signal.SIGTERM)
        wait_for_event(home, "stopping")
        connection.sendall(body[-1:])
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        assert b'"valid"' in response.read()
        connection.close()
        assert home.wait() == OK
        with pytest.raises(daemon.LOST):
            home.tcp_client().get("/healthz")


def test_sigterm_answers_who_has_connected(tmp_path):
    """Whole requests on connections that the daemon may not even have accepted: all are answered, and later ones refused."""
    with cli.Home(tmp_path).start() as home:
        for _ in range(5):
            clients = [socket.create_connection(("127.0.0.1", home.port), timeout=30) for _ in range(200)]
            for client in clients:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            home.process.send_signal(signal.SIGTERM)
            answered = [client.recv(4096).startswith(b"HTTP/1.1 200 ") for client in clients]
            assert answered.count(True) == 200
            for client in clients:
                client.close()
            assert home.wait() == OK
            home.start()
        home.stop()


@pytest.mark.parametrize("sent", [b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", b"GET /hea"], ids=["body", "head"])
def test_who_broke_off_holds_up_no_stop(tmp_path, sent):
    with cli.Home(tmp_path).start() as home:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", home.port)) as client:
                client.sendall(sent)
        asked = time.monotonic()
        assert home.stop() == OK
        assert time.monotonic() - asked < 1.5


def test_half_a_request_holds_up_a_stop_for_two_seconds(tmp_path):
    with cli.Home(tmp_path).start() as home:
        with half_a_request(home.port, b"{}"):
            wait_until_in_flight(home)
            asked = time.monotonic()
            assert home.stop() == OK
            assert 1.9 < time.monotonic() - asked < 8


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as home:
        connection = half_a_request(home.port, b"{}")
        wait_until_in_flight(home)
        home.process.send_signal(signal.SIGINT)
        wait_for_event(home, "stopping")
        asked = time.monotonic()
        home.process.send_signal(signal.SIGINT)
        assert home.wait() == -signal.SIGINT
        assert time.monotonic() - asked < 2
        connection.close()
        home.start()
        assert home.good("key", "list").out
        home.stop()


def test_a_restart_knows_everything(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as home:
        key = home.good("key", "issue", "--api", "maps", "--limit", "3/day,burst=3").out.strip()
        revoked = home.good("key", "issue", "--api", "maps", "--json").json
        home.good("key", "revoke", revoked["id"])
        before = home.good("key", "list", "--json").json
        assert home.stop() == OK
        home.start()
        assert home.good("key", "list", "--json").json == before
        assert home.good("verify", "--api", "maps", stdin=key).out.startswith("valid")
        assert home.run("verify", "--api", "maps", "--json", stdin=revoked["key"]).json["code"] == "revoked"
        home.stop()


def test_tollkeeper_data_says_where(tmp_path):
    """The variable serves daemon and commands alike."""
    place = tmp_path / "elsewhere"
    os.environ["TOLLKEEPER_DATA"] = str(place)
    try:
        with cli.Home(tmp_path, data=place).start() as home:
            assert (place / "registry.db").exists()
            assert cli.run("status", cwd="/", TOLLKEEPER_DATA=str(place)).code == OK
            home.stop()
    finally:
        del os.environ["TOLLKEEPER_DATA"]
