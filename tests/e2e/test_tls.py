"""TLS on the listener: what it speaks, what it refuses at the start, and new certificates and settings without a restart."""

import json
import re
import signal
import socket
import ssl
import time

import pytest

import certs
import cli
import daemon
from cli import FAILED, NO_DAEMON, OK


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.sign("server")


class TlsHome(cli.Home):
    """Ready as seen over the socket: the port speaks TLS."""

    def client(self, timeout_s=30):
        return daemon.Client(daemon.SocketConnection(self.socket_path, timeout_s), {})


def start(folder, pair, *arguments):
    return TlsHome(folder, "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]), *arguments).start()


def connect(home, authority, version=None, name="localhost"):
    context = ssl.create_default_context(cafile=str(authority.file))
    if version:
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    plain = socket.create_connection(("127.0.0.1", home.port), timeout=10)
    return context.wrap_socket(plain, server_hostname=name)


def ask(connection, path="/healthz", method="GET", body=b"", headers=""):
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)
    reply = b""
    while b"\r\n\r\n" not in reply or len(reply.partition(b"\r\n\r\n")[2]) < int(re.search(rb"(?i)content-length: (\d+)", reply)[1]):
        piece = connection.recv(65536)
        assert piece, reply
        reply += piece
    return int(reply.split()[1])


def name_of(connection):
    return dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]


def logged(home, event, count=1):
    end = time.monotonic() + 20
    while len(lines := [line for line in home.log.read_text().splitlines() if f"event={event} " in line + " "]) < count:
        assert time.monotonic() < end, home.tail()
        time.sleep(0.01)
    return lines


def reload(home, event="reloaded"):
    before = sum(f"event={event} " in line + " " for line in home.log.read_text().splitlines())
    home.process.send_signal(signal.SIGHUP)
    return logged(home, event, before + 1)[-1]


# ---- what it speaks ----


def test_requests_over_tls(tmp_path, authority, pair):
    with start(tmp_path, pair) as home:
        assert f"listens on https://127.0.0.1:{home.port}" in home.stdout()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with connect(home, authority, version) as connection:
                assert ask(connection) == 200
                assert "GCM" in connection.cipher()[0] or "CHACHA20" in connection.cipher()[0]
        with connect(home, authority) as connection:  # kept
            assert [ask(connection) for _ in range(3)] == [200, 200, 200]
        assert home.stop() == OK


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda v: v.name)
def test_old_versions_are_refused(tmp_path, authority, pair, version):
    with start(tmp_path, pair) as home:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connect(home, authority, version)
        home.stop()


def test_plain_http_gets_nothing(tmp_path, pair):
    with start(tmp_path, pair) as home:
        with socket.create_connection(("127.0.0.1", home.port), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert b"HTTP/" not in connection.recv(100)
            except ConnectionError:
                pass
        home.stop()


def test_the_command_line_over_tls(tmp_path, authority, pair):
    with start(tmp_path, pair) as home:
        url = f"https://localhost:{home.port}"
        variables = {"TOLLKEEPER_ADMIN_KEY": home.admin_key}
        done = home.run("status", "--json", "--url", url, "--ca-file", str(authority.file), **variables)
        assert done.code == OK and done.json["ready"], done
        assert home.run("status", "--url", url, TOLLKEEPER_CA_FILE=str(authority.file), **variables).code == OK
        stranger = home.run("status", "--url", url, **variables)
        assert stranger.code == NO_DAEMON and "is not believed" in stranger.err and "--ca-file" in stranger.err, stranger
        home.stop()


def test_beyond_loopback_with_tls(tmp_path, authority, pair):
    with TlsHome(tmp_path, "--tls-cert", str(pair[0]), "--tls-key", str(pair[1])) as home:
        command = home.command()
        command[command.index("127.0.0.1:0")] = "0.0.0.0:0"
        home.command = lambda: command
        home.start()
        with connect(home, authority) as connection:
            assert ask(connection) == 200
        home.stop()


# ---- what it refuses ----


def broken(kind, authority, folder, pair):
    cert, key = pair
    if kind == "of another certificate":
        key = authority.sign("other")[1]
    elif kind == "expired":
        cert, key = authority.sign("old", start="20200101000000Z", end="20210101000000Z")
    elif kind == "not yet valid":
        cert, key = authority.sign("early", start="20900101000000Z", end="20910101000000Z")
    elif kind == "missing":
        cert = folder / "nowhere"
    elif kind == "no certificate":
        cert = folder / "text"
        cert.write_text("hello\n")
    elif kind == "no key":
        key = folder / "text"
        key.write_text("hello\n")
        key.chmod(0o600)
    elif kind == "open key":
        key = folder / "open.key"
        key.write_bytes(pair[1].read_bytes())
        key.chmod(0o644)
    elif kind == "encrypted key":
        key = folder / "encrypted.key"
        certs.openssl("pkey", "-in", str(pair[1]), "-aes256", "-passout", "pass:abc", "-out", str(key), folder=folder)
    return cert, key


BROKEN = {
    "of another certificate": "does not belong to the certificate",
    "expired": "expired at 2021-01-01T00:00:00Z",
    "not yet valid": "is not valid before 2090-01-01T00:00:00Z",
    "missing": "cannot read",
    "no certificate": "holds no certificate",
    "no key": "holds no private key",
    "open key": "everybody may read",
    "encrypted key": "is encrypted",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_certificate_is_told_at_the_start(tmp_path, authority, pair, kind):
    cert, key = broken(kind, authority, tmp_path, pair)
    done = cli.run("serve", "--gate", str(tmp_path / "gate"), "--listen", "127.0.0.1:0", "--tls-cert", str(cert), "--tls-key",
                   str(key), cwd=tmp_path)
    assert done.code == FAILED and BROKEN[kind] in done.err and "mend: " in done.err, done
    assert "tk_admin_" not in done.out


# ---- reload ----


def test_a_new_certificate_without_dropping_a_connection(tmp_path, authority):
    first, second = authority.sign("first", "first"), authority.sign("second", "second")
    live = (tmp_path / "live.pem", tmp_path / "live.key")

    def install(pair):
        for source, target in zip(pair, live):
            target.write_bytes(source.read_bytes())
            target.chmod(0o600)

    install(first)
    with start(tmp_path, live) as home, connect(home, authority) as kept:
        assert (name_of(kept), ask(kept)) == ("first", 200)
        install(second)
        assert "file=" in reload(home, "certificate_loaded")
        assert ask(kept) == 200
        with connect(home, authority) as fresh:
            assert (name_of(fresh), ask(fresh)) == ("second", 200)
        # One that is bad changes nothing.
        live[1].write_bytes(first[1].read_bytes())
        assert "does not belong" in reload(home, "reload_refused")
        with connect(home, authority) as fresh:
            assert (name_of(fresh), ask(fresh)) == ("second", 200)
        assert ask(kept) == 200
        assert home.stop() == OK


def test_many_reloads_while_clients_come_and_go(tmp_path, authority):
    pairs = [authority.sign("a", "a"), authority.sign("b", "b")]
    live = (tmp_path / "live.pem", tmp_path / "live.key")
    for source, target in zip(pairs[0], live):
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
    seen = set()
    with start(tmp_path, live) as home:
        for number in range(30):
            for source, target in zip(pairs[number % 2], live):
                target.write_bytes(source.read_bytes())
            reload(home, "certificate_loaded")
            with connect(home, authority) as connection:
                assert ask(connection) == 200
                seen.add(name_of(connection))
        assert seen == {"a", "b"}
        assert home.stop() == OK


def test_settings_change_while_it_runs(tmp_path):
    conf = tmp_path / "conf"
    conf.write_text("verify-peers = 127.0.0.1\nlog-level = info\nlease = 3\n")
    question = json.dumps({"key": "hello", "api": "maps"}).encode()
    header = "Content-Type: application/json\r\n"
    with cli.Home(tmp_path, "--config", str(conf)).start() as home:
        home.good("api", "create", "maps")
        with socket.create_connection(("127.0.0.1", home.port)) as kept:
            assert ask(kept, "/v1/verify", "POST", question, header) == 200
            conf.write_text("verify-peers = 10.0.0.0/8\nlog-level = info\nlease = 4\n")
            reload(home)
            # In force for the connection that was open, too.
            assert ask(kept, "/v1/verify", "POST", question, header) == 401
            text = home.log.read_text()
            assert re.search(r"event=setting_changed setting=verify-peers was=127.0.0.1 is=10.0.0.0/8 from=\S+:1", text)
            assert re.search(r"event=setting_needs_restart setting=lease was=3 is=4 from=\S+:3", text)
            # A mistake changes nothing.
            conf.write_text("verify-peers = 127.0.0.1\nlease = none\n")
            refused = reload(home, "reload_refused")
            assert f"{conf}:2: lease takes a number" in refused
            assert ask(kept, "/v1/verify", "POST", question, header) == 401
            conf.write_text("verify-peers = 127.0.0.1\nlog-level = error\n")
            home.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 20
            while ask(kept, "/v1/verify", "POST", question, header) != 200:
                assert time.monotonic() < end
        before = len(home.log.read_text())
        home.good("api", "list")
        assert home.stop() == OK
        assert "level=info" not in home.log.read_text()[before:]


# ---- proxies ----


def test_who_is_behind_a_trusted_proxy(tmp_path):
    arguments = ("--trusted-proxies", "127.0.0.1,10.0.0.1", "--verify-peers", "192.0.2.7", "--behind-proxy")
    question = json.dumps({"key": "hello", "api": "maps"}).encode()

    def status(home, *forwarded, source="127.0.0.1"):
        lines = "".join(f"X-Forwarded-For: {text}\r\n" for text in forwarded) + "Content-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", home.port), source_address=(source, 0)) as connection:
            return ask(connection, "/v1/verify", "POST", question, lines)

    with cli.Home(tmp_path, *arguments).start() as home:
        home.good("api", "create", "maps")
        assert status(home) == 401
        assert status(home, "192.0.2.7") == 200
        assert status(home, "192.0.2.7, 10.0.0.1") == 200
        # What the client wrote itself is not believed, in one header or in two.
        assert status(home, "192.0.2.7, 198.51.100.1") == 401
        assert status(home, "192.0.2.7", "198.51.100.1") == 401
        assert status(home, "hello") == 401
        assert status(home, "192.0.2.7, hello") == 401
        # Nor does anybody believe who is no trusted proxy.
        assert status(home, "192.0.2.7", source="127.0.0.2") == 401
        with socket.create_connection(("127.0.0.1", home.port)) as connection:
            assert ask(connection, "/v1/apis", headers="X-Forwarded-For: 198.51.100.9\r\n") == 401
        end = time.monotonic() + 20
        while "source=198.51.100.9" not in home.log.read_text():
            assert time.monotonic() < end, home.tail()
        home.stop()
