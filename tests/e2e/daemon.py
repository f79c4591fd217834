"""A real `tollkeeper serve`, owned by a test: start, stop, kill and call it.

Daemon runs the program with its data directory, gate directory and log, and ends it by its own process id. Client speaks
HTTP to it over TCP or the Unix socket, one connection each; Verifier asks /v1/verify as fast as Python can. Used by the
suites that kill the daemon, fill its disk or race against it. Nothing here retries a request: who calls must know
whether it was answered.
"""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("TOLLKEEPER_BIN", ROOT / "build/asan/src/cli/tollkeeper"))

# What a sanitizer or an assertion leaves in the log. LeakSanitizer speaks at exit.
REPORTS = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed|terminated by signal)")
ADMIN_KEY = re.compile(r"\btk_admin_[0-9A-Za-z]{41}\b")

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30

# The end of a connection in any of the ways in which a dying server ends one.
LOST = (OSError, http.client.HTTPException)


class Reply:
    """One answer: status, headers (case-insensitive) and the JSON body, or None where there is none."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        media = headers.get("Content-Type", "").split(";")[0]
        self.json = json.loads(body) if body and "json" in media and "ndjson" not in media else None
        self.text = body.decode("utf-8", "replace")

    def problem(self):
        """The NAME of urn:tollkeeper:problem:NAME, or None when this is no problem document."""
        if self.headers.get("Content-Type", "").split(";")[0] != "application/problem+json":
            return None
        return self.json["type"].removeprefix("urn:tollkeeper:problem:")

    def __repr__(self):
        return f"<{self.status} {self.text[:400]}>"


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """One connection. Raises one of LOST when it ends before the answer is whole; the next call connects anew."""

    def __init__(self, connection, headers):
        self.connection = connection
        self.headers = headers

    def call(self, method, path, body=None, headers=None):
        sent = dict(self.headers, **(headers or {}))
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        elif method in ("POST", "PATCH"):
            data = b""
        try:
            self.connection.request(method, path, data, sent)
            response = self.connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        except LOST:
            self.close()
            raise

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body=None, headers=None):
        return self.call("POST", path, body, headers)

    def patch(self, path, body, headers=None):
        return self.call("PATCH", path, body, headers)

    def done(self, reply):
        """The JSON of an answer that must be a success."""
        assert 200 <= reply.status < 300, reply
        return reply.json

    def issue(self, **fields):
        return self.done(self.post("/v1/keys", fields))

    def verify(self, key, api, **fields):
        """The decision's code."""
        return self.done(self.post("/v1/verify", dict(fields, key=key, api=api)))["code"]

    def every(self, path):
        """All items of a collection, page by page."""
        cursor = None
        joint = "&" if "?" in path else "?"
        while True:
            page = self.done(self.get(f"{path}{joint}limit=1000" + (f"&cursor={cursor}" if cursor else "")))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Verifier:
    """Asks the same question over one kept connection, without the cost of a general HTTP client."""

    CODE = re.compile(rb'"code"\s*:\s*"(\w+)"')
    LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)

    def __init__(self, port, question):
        body = json.dumps(question).encode()
        self.request = (b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self):
        """The decision's code, as text. A reply that is no decision gives `http STATUS`."""
        self.socket.sendall(self.request)
        reply = b""
        while (head_end := reply.find(b"\r\n\r\n")) < 0:
            reply += self._receive()
        whole = head_end + 4 + int(self.LENGTH.search(reply[:head_end])[1])
        while len(reply) < whole:
            reply += self._receive()
        found = self.CODE.search(reply, head_end) if reply.startswith(b"HTTP/1.1 200") else None
        return found[1].decode() if found else "http " + reply[9:12].decode()

    def _receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed before the answer was whole")
        return piece

    def close(self):
        self.socket.close()


class Daemon:
    """One data directory and, while it runs, the process on it."""

    def __init__(self, folder, data=None, gate=None, verify_threads=2, workers=4, arguments=()):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.data = Path(data or self.folder / "data")
        self.gate = Path(gate or self.folder / "gate")
        self.log = self.folder / "daemon.log"
        self.port_file = self.folder / "port"
        self.socket_path = self.folder / "sock"
        self.arguments = ["--verify-threads", str(verify_threads), "--workers", str(workers), *arguments]
        self.process = None
        self.port = None
        self.admin_key = None
        self.start_s = None

    # ---- life ----

    def command(self):
        return [str(BINARY), "serve", "--data", str(self.data), "--gate", str(self.gate), "--listen", "127.0.0.1:0",
                "--socket", str(self.socket_path), "--port-file", str(self.port_file), *self.arguments]

    def spawn(self, preexec=None):
        """Start the process and do not wait for it to be ready."""
        self.port_file.unlink(missing_ok=True)
        self.port = None
        with open(self.folder / "stdout", "ab") as out, open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            preexec_fn=preexec)

    def start(self, preexec=None):
        """Start, and wait until it answers. start_s is how long that took."""
        begun = time.monotonic()
        self.spawn(preexec)
        while not self._answers():
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() - begun > START_TIMEOUT_S:
                self.end()
                raise AssertionError(f"the daemon did not answer within {START_TIMEOUT_S} s:\n{self.tail()}")
            time.sleep(0.005)
        self.start_s = time.monotonic() - begun
        if self.admin_key is None:
            found = ADMIN_KEY.search((self.folder / "stdout").read_text())
            self.admin_key = found[0] if found else None
        return self

    def _answers(self):
        if self.port is None:
            text = self.port_file.read_text() if self.port_file.exists() else ""
            if not text.endswith("\n"):
                return False
            self.port = int(text)
        try:
            with self.client() as client:
                return client.get("/healthz").status == 200
        except LOST:
            return False

    def stop(self):
        """SIGTERM; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s=STOP_TIMEOUT_S):
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"the daemon did not end within {timeout_s} s:\n{self.tail()}") from None
        self.process = None
        return status

    def kill(self):
        """SIGKILL, to a daemon that must still be running."""
        status = self.process.poll()
        self.end()
        assert status is None, f"the daemon had ended by itself with {status}:\n{self.tail()}"

    def end(self):
        """Whatever its condition."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    # ---- calling it ----

    def client(self, timeout_s=30):
        """Over the Unix socket: no admin key needed."""
        return Client(SocketConnection(self.socket_path, timeout_s), {})

    def tcp_client(self, timeout_s=30):
        """Over TCP, with the admin key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        return Client(connection, {"Authorization": f"Bearer {self.admin_key}"})

    def verifier(self, key, api, **question):
        return Verifier(self.port, dict(question, key=key, api=api))

    # ---- its log ----

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:]

    def check_log(self):
        """No sanitizer or assertion has spoken, and no key is in the log."""
        text = self.log.read_text(errors="replace")
        found = REPORTS.search(text)
        assert not found, text[max(0, found.start() - 200):found.start() + 6000]
        assert not re.search(r"\btk_[a-z0-9]+_[0-9A-Za-z]{41}\b", text), "a key is in the log"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """What the log says comes before whatever the test found: it is mostly the cause."""
        if self.process is not None:
            self.end()
        self.check_log()
