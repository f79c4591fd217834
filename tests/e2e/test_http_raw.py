"""Hostile and broken clients on raw sockets: none of them crashes the daemon or keeps it from serving others."""

import json
import re
import socket
import threading
import time

import pytest


# Short, so that connections which broke off are gone within a test's patience.
ARGUMENTS = ("--idle-timeout", "5", "--request-timeout", "5")


def connect(server, timeout_s=10):
    return socket.create_connection(("127.0.0.1", server.daemon.port), timeout_s)


def request(method, path, body=b"", *headers):
    head = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if body or method == "POST":
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def read_reply(connection):
    """One reply with a Content-Length: its status and body. None when the connection ends before one."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body[:length], body[length:]


def statuses(data):
    """Of all replies in the bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def ended(connection):
    """Everything until the other side closes, whichever way it does."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except OSError:
        pass
    return data


@pytest.fixture(autouse=True)
def still_serves(server, anonymous):
    """After each of these tests others are served at once."""
    yield
    begun = time.monotonic()
    assert anonymous.get("/readyz").status == 200
    assert time.monotonic() - begun < 5


GARBAGE = {
    "nothing": b"",
    "a newline": b"\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + b"\x00" * 160,
    "zeros": b"\x00" * 4096,
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "a NUL in the path": b"GET /v1/\x00apis HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-API-Key: a\x00b\r\n\r\n",
    "no colon in a header": b"GET /healthz HTTP/1.1\r\nHost x\r\n\r\n",
    "a negative length": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "a length too long": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "two lengths": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "bad chunks": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a huge chunk": b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{",
    "a path of 100 KB": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 100 KB": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "10,000 headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
}


# What libmicrohttpd makes something of. It must be survived, no more.
LENIENT = ("a NUL in a header", "no colon in a header")


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage(server, case):
    with connect(server, timeout_s=1) as connection:
        try:
            connection.sendall(GARBAGE[case])
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it closed before it had heard all: its good right
        reply = ended(connection)
    if case not in LENIENT:
        assert all(status in (400, 404, 413, 414, 431, 505) for status in statuses(reply)), reply


@pytest.mark.parametrize("at", [1, 3, 20, 60, 95, 115])
def test_requests_that_break_off(server, weather, at):
    whole = request("POST", "/v1/verify", json.dumps({"api": weather, "key": "hello"}).encode())
    assert at < len(whole)
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(whole[:at])
    with connect(server) as connection:
        connection.sendall(whole)
        assert read_reply(connection)[0] == 200


def test_byte_by_byte(server, weather):
    whole = request("POST", "/v1/verify", json.dumps({"api": weather, "key": "hello"}).encode())
    with connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in whole:
            connection.sendall(bytes([byte]))
        status, body, _ = read_reply(connection)
    assert status == 200 and json.loads(body)["code"] == "malformed"


def test_pipelining(server, weather):
    """Requests sent before the first answer has come are answered in order; also where some go to workers."""
    verify = request("POST", "/v1/verify", json.dumps({"api": weather, "key": "hello"}).encode())
    status = request("GET", "/v1/status", b"", f"Authorization: Bearer {server.daemon.admin_key}")
    missing = request("GET", "/v1/nothing")
    expected = [200, 200, 404, 200] * 10
    with connect(server) as connection:
        connection.sendall((verify + status + missing + request("GET", "/readyz")) * 10)
        data = b""
        while len(statuses(data)) < len(expected):
            piece = connection.recv(65536)
            assert piece, statuses(data)
            data += piece
    assert statuses(data) == expected


def test_expect_100_continue(server, weather):
    body = json.dumps({"api": weather, "key": "hello"}).encode()
    head, _ = request("POST", "/v1/verify", body, "Expect: 100-continue").split(b"\r\n\r\n", 1)
    with connect(server) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_reply(connection)[0] == 200


def test_expect_100_continue_is_refused_before_the_body(server):
    """Too large, and without a key: the client learns it before it has sent anything."""
    for path, headers, expected in (
            ("/v1/keys", [f"Authorization: Bearer {server.daemon.admin_key}"], 413), ("/v1/keys", [], 401)):
        head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Type: application/json",
                            "Content-Length: 5000000", *headers]).encode()
        with connect(server) as connection:
            connection.sendall(head + b"\r\n\r\n")
            assert read_reply(connection)[0] == expected


def test_a_refused_body_is_heard_out(server):
    """The reply reaches a client that sends five MiB before it listens."""
    with connect(server) as connection:
        connection.sendall(request("POST", "/v1/verify", b"x" * 5_000_000))
        assert read_reply(connection)[0] == 413


def test_an_endless_body_is_cut_off(server):
    with connect(server) as connection:
        connection.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        try:
            while sent < 64 << 20:
                connection.sendall(chunk)
                sent += 65536
        except OSError:
            pass
    assert sent < 64 << 20, "it would have taken all of it"


def test_slow_clients_keep_nobody_waiting(server, admin, weather, consumer):
    """Two hundred connections that say half a request and then nothing, and some that stop in the body."""
    key = admin.issue(api=weather, consumer=consumer)["key"]
    body = json.dumps({"api": weather, "key": key}).encode()
    whole = request("POST", "/v1/verify", body)
    idle = []
    try:
        for number in range(200):
            connection = connect(server)
            connection.sendall(whole[:(number * 7) % (len(whole) - 1) + 1])
            idle.append(connection)
        begun = time.monotonic()
        with connect(server) as connection:
            for _ in range(100):
                connection.sendall(whole)
                status, answer, _ = read_reply(connection)
                assert status == 200 and json.loads(answer)["code"] == "valid"
        assert time.monotonic() - begun < 10
        for connection in idle[:20]:
            connection.close()
        assert admin.get("/v1/status").status == 200
    finally:
        for connection in idle:
            connection.close()


def test_clients_that_leave_while_a_worker_is_busy(server):
    """The answer of a worker finds nobody; many times at once."""
    ask = request("GET", "/v1/keys?limit=1000", b"", f"Authorization: Bearer {server.daemon.admin_key}")

    def leave():
        for _ in range(20):
            with connect(server) as connection:
                connection.sendall(ask)

    threads = [threading.Thread(target=leave) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_half_closed(server, weather):
    """A client that shuts its sending side still gets its answer."""
    with connect(server) as connection:
        connection.sendall(request("POST", "/v1/verify", json.dumps({"api": weather, "key": "hello"}).encode()))
        connection.shutdown(socket.SHUT_WR)
        assert read_reply(connection)[0] == 200


def test_http_1_0_and_connection_close(server):
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert ended(connection).endswith(b"ok\n")
    with connect(server) as connection:
        connection.sendall(request("GET", "/healthz", b"", "Connection: close"))
        assert ended(connection).endswith(b"ok\n")


@pytest.mark.parametrize("headers", [["Content-Length: 42", "Transfer-Encoding: chunked"],
                                     ["Content-Length: 5", "Content-Length: 42"],
                                     ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
                                     ["Transfer-Encoding: gzip"], ["Transfer-Encoding: xchunked"],
                                     ["Content-Length : 42"], ["Transfer-Encoding\t: chunked", "Content-Length: 5"]])
def test_smuggling(server, headers):
    """Where the request ends could be read in two ways: refused, and the connection closed, so that what follows is
    never taken for a request."""
    hidden = request("GET", "/healthz")
    head = "\r\n".join(["POST /v1/verify HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]).encode()
    with connect(server) as connection:
        connection.sendall(head + b"\r\n\r\n0\r\n\r\n" + hidden)
        reply = ended(connection)
    assert statuses(reply) in ([400], []), reply


def test_a_strange_method_cannot_write_the_log(server):
    """The log says "other", not the bytes that came: a terminal would obey them, and a reader take them for fields."""
    with connect(server) as connection:
        connection.sendall(request('G\x1b[31m"status=200', "/healthz"))
        assert read_reply(connection)[0] == 405
        connection.sendall(request("GET", "/healthz"))  # the line above is written when the next request begins
        assert read_reply(connection)[0] == 200
    log = server.daemon.log.read_text()
    assert "method=other route=none status=405" in log
    assert "\x1b" not in log


def test_a_key_in_the_wrong_place_is_hidden(server, admin, weather, consumer):
    """Where a name belongs, as a member, as a parameter: neither the reply nor the log repeats it."""
    key = admin.issue(api=weather, consumer=consumer)["key"]
    for reply in (admin.post("/v1/apis", {"name": key}), admin.post("/v1/apis", {key: 1}),
                  admin.post("/v1/keys", {"api": weather, "consumer": consumer, "environment": key}),
                  admin.get(f"/v1/keys?{key}=1"), admin.get(f"/v1/apis/{key}")):
        assert 400 <= reply.status < 500, reply
        assert key not in reply.text, reply
    log = server.daemon.log.read_text()
    assert key not in log
    assert key[:12] + "..." in log


def test_nothing_is_left_in_flight(anonymous):
    """All that the tests above began has ended, at the latest by the timeout; the request that asks is the only one."""
    deadline = time.monotonic() + 15
    while (found := re.search(r"^tollkeeper_http_requests_in_flight (\d+)$", anonymous.get("/metrics").text, re.M))[1] != "1":
        assert time.monotonic() < deadline, found[0]
        time.sleep(0.05)
