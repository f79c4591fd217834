"""More clients than the process may open files: those on TCP lock out neither the registry nor the Unix socket."""

import resource
import socket

from daemon import Daemon

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
            for _ in range(CROWD):  # those that are not served wait in the backlog
                connection = socket.create_connection(("127.0.0.1", running.port), timeout=10)
                connection.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\n")
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
