"""Too many clients, and too slow ones: what they hold is bounded, and who is on the list gets in all the same.

How long a verification takes beside them is measured by bench/http/crowd.py.
"""

import resource
import socket
import time

from daemon import LOST, Daemon

FILES = 512
CROWD = 600


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def test_a_crowd_does_not_lock_out_the_unix_socket(tmp_path):
    crowd = []
    with Daemon(tmp_path / "crowd").start(preexec=few_files) as running:
        with running.client() as client:
            client.done(client.post("/v1/apis", {"name": "maps"}))
            client.done(client.post("/v1/consumers", {"name": "acme"}))
        try:
            for _ in range(CROWD):  # those that are too many are closed
                connection = socket.create_connection(("127.0.0.1", running.port), timeout=10)
                try:
                    connection.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\n")
                except OSError:
                    pass
                crowd.append(connection)
            for _ in range(20):
                with running.client(timeout_s=10) as client:
                    key = client.issue(api="maps", environment="production", consumer="acme")
                    assert client.verify(key["key"], "maps") == "valid"
                    client.done(client.post(f"/v1/keys/{key['id']}/revoke"))
                    assert client.verify(key["key"], "maps") == "revoked"
        finally:
            for connection in crowd:
                connection.close()
        assert running.stop() == 0


def test_the_daemon_may_open_what_the_system_lets_it(tmp_path):
    """The soft limit is for programs that do not know better."""
    with Daemon(tmp_path / "soft").start(
            preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4000))) as running:
        limits = open(f"/proc/{running.process.pid}/limits").read()
        assert "Max open files            4000                 4000" in limits
        assert running.stop() == 0


# ---- the bounds ----


def connect(running, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", running.port), timeout=10, source_address=(source, 0))


def answers(connection):
    """Whether a request on it is answered."""
    try:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.recv(4096).startswith(b"HTTP/1.1 200")
    except LOST:
        return False


def metric(running, name):
    with running.client() as client:
        return next(float(line.split()[1]) for line in client.get("/metrics").text.splitlines() if line.startswith(name + " "))


def closed_after(connection, feed=None):
    """Seconds until the daemon closes it, while `feed` gives it a byte now and then."""
    begun = time.monotonic()
    connection.settimeout(0.2)
    while time.monotonic() - begun < 20:
        try:
            if feed:
                connection.sendall(feed)
            if connection.recv(100) == b"":
                break
        except socket.timeout:
            continue
        except OSError:
            break
    return time.monotonic() - begun


def test_an_address_has_so_many_and_not_more(tmp_path):
    arguments = ("--verify-peers", "127.0.0.1", "--connections-per-address", "3")
    with Daemon(tmp_path / "address", arguments=arguments).start() as running:
        mine = [connect(running, "127.0.0.2") for _ in range(3)]
        assert all(answers(connection) for connection in mine)
        assert not answers(connect(running, "127.0.0.2"))
        assert answers(connect(running, "127.0.0.3")), "another address has its own"
        listed = [connect(running) for _ in range(10)]
        assert all(answers(connection) for connection in listed), "who is on the list is not counted"
        mine.pop().close()
        end = time.monotonic() + 10
        while not answers(again := connect(running, "127.0.0.2")):
            assert time.monotonic() < end, "a place that is free again is not given"
        assert all(answers(connection) for connection in mine)
        assert metric(running, "tollkeeper_http_connections_address_total") >= 1
        again.close()
        assert running.stop() == 0


def test_places_are_kept_for_those_on_the_list(tmp_path):
    """16 in all: two of them are not for strangers."""
    arguments = ("--verify-peers", "127.0.0.1", "--connections", "16")
    with Daemon(tmp_path / "list", arguments=arguments).start() as running:
        strangers = [connect(running, f"127.0.1.{number + 1}") for number in range(40)]
        served = [connection for connection in strangers if answers(connection)]
        assert len(served) == 14
        listed = [connect(running) for _ in range(2)]
        assert all(answers(connection) for connection in listed)
        assert not answers(connect(running))
        assert metric(running, "tollkeeper_http_connections_full_total") >= 27
        for connection in strangers + listed:
            connection.close()
        end = time.monotonic() + 10
        while not answers(connect(running, "127.0.1.1")):
            assert time.monotonic() < end
        assert running.stop() == 0


def test_bytes_that_trickle_in_do_not_hold_a_connection(tmp_path):
    with Daemon(tmp_path / "slow", arguments=("--request-timeout", "1", "--idle-timeout", "2")).start() as running:
        headers = connect(running)
        headers.sendall(b"GET /healthz HTTP/1.1\r\nX-A: ")
        assert 0.5 < closed_after(headers, b"a") < 5
        body = connect(running)
        body.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n")
        assert 0.5 < closed_after(body, b" ") < 5
        silent = connect(running)
        assert 0.5 < closed_after(silent) < 5
        # One that has been answered may be silent for as long as it may be idle, and then no byte keeps it.
        kept = connect(running)
        assert answers(kept)
        assert 1.5 < closed_after(kept) < 6
        kept = connect(running)
        assert answers(kept)
        assert 1.5 < closed_after(kept, b"G") < 6
        assert metric(running, "tollkeeper_http_connections_overdue_total") == 5
        assert running.stop() == 0


def test_a_slow_answer_of_ours_is_not_the_clients(tmp_path):
    """A connection that asks again and again stays, however long it is open."""
    with Daemon(tmp_path / "busy", arguments=("--request-timeout", "1", "--idle-timeout", "1")).start() as running:
        connection = connect(running)
        begun = time.monotonic()
        while time.monotonic() - begun < 4:
            assert answers(connection)
            time.sleep(0.1)
        assert running.stop() == 0


def test_who_does_not_take_the_answer(tmp_path):
    """A page of a megabyte, and a client that asks for it again and again and reads nothing."""
    with Daemon(tmp_path / "unread", arguments=("--request-timeout", "1", "--idle-timeout", "60")).start() as running:
        with running.client() as client:
            for number in range(90):
                client.done(client.post("/v1/consumers", {"name": f"c{number}", "description": "x" * 500, "metadata": {"a": "y" * 1500}}))
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", running.port))
        ask = f"GET /v1/consumers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.admin_key}\r\n\r\n".encode()
        connection.sendall(ask * 40)
        end = time.monotonic() + 15
        while metric(running, "tollkeeper_http_connections_overdue_total") == 0:
            assert time.monotonic() < end, "it is still waited for"
            time.sleep(0.2)
        assert running.stop() == 0
