"""The area `import` of scripts/bench: a million keys by the command line, with revocations meanwhile, beside plain SQLite.

The command runs on a terminal of its own, so that its bar is drawn. Revocations go over the Unix socket, one after another with a
pause between, from before the first key to after the last. A sample of the keys is verified over HTTP afterwards: all must be
valid. SQLite takes the same rows into the same table with the same indexes, in one transaction and in the order of the file: it
publishes nothing, checks nothing and commits once.
"""

import hashlib
import http.client
import json
import os
import pathlib
import pty
import random
import re
import select
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from report import Report  # noqa: E402

KEYS = int(os.environ.get("TOLLKEEPER_BENCH_IMPORT_KEYS", "1000000"))
ROUNDS = int(os.environ.get("TOLLKEEPER_BENCH_IMPORT_ROUNDS", "3"))
CONSUMERS = 1000
SAMPLE = 5000
REVOKE_EVERY_S = 0.1
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "src/registry/migrations/sqlite/0001_init.sql"


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.socket_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.socket_path))

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        self.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        reply = self.getresponse()
        text = reply.read()
        if reply.status >= 300:
            sys.exit(f"{method} {path}: {reply.status} {text[:300]!r}")
        return json.loads(text)


def make_keys(path):
    generator = random.Random(1)
    keys = ["old_live_" + "".join(generator.choices(ALPHABET, k=32)) for _ in range(KEYS)]
    with open(path, "w", encoding="ascii") as out:
        for number, key in enumerate(keys):
            out.write(f'{{"key":"{key}","consumer":"customer-{number % CONSUMERS}","name":"key {number}"}}\n')
    return keys


# ---- SQLite alone ----

def sqlite_seconds(folder, keys):
    """The rows that the registry would hold, prepared; only taking them in is measured."""
    database = sqlite3.connect(folder / "plain.db", isolation_level=None)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;" + SCHEMA.read_text())
    insert = ("INSERT INTO keys (id, environment_id, consumer_id, state, generation, pepper_version, imported, digest, name, hint, scopes,"
              " limits, restrictions, metadata, not_before_s, expires_s, created_s, updated_s, revoked_s, created_by, revoke_reason)"
              " VALUES (?, 1, ?, 1, 1, 1, 1, ?, ?, 'old_live_abcd', '[]', '[]', '{}', '{}', 0, 0, 1, 1, 0, 'socket:0', '')")
    rows = [(i + 1, i % CONSUMERS + 1, hashlib.sha256(key.encode()).digest(), f"key {i}") for i, key in enumerate(keys)]
    begun = time.monotonic()
    database.execute("BEGIN")
    database.executemany(insert, rows)
    database.execute("COMMIT")
    took = time.monotonic() - begun
    database.close()
    return took


# ---- Tollkeeper ----

class Daemon:
    def __init__(self, program, folder, gate):
        self.program, self.data = program, folder / "data"
        self.socket_path = self.data / "tollkeeper.sock"
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen([program, "serve", "--data", self.data, "--gate", gate, "--listen", "127.0.0.1:0",
                                         "--port-file", folder / "port"], stdout=self.log, stderr=self.log)
        while not (folder / "port").exists():
            if self.process.poll() is not None:
                sys.exit(f"the daemon ended: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.02)
        self.port = int((folder / "port").read_text())

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Revoker(threading.Thread):
    """Revokes one key after another until it is told to stop."""

    def __init__(self, daemon, ids):
        super().__init__()
        self.daemon_, self.ids, self.took_ms, self.stopping = daemon, ids, [], threading.Event()

    def run(self):
        connection = SocketConnection(self.daemon_.socket_path)
        for key in self.ids:
            if self.stopping.wait(REVOKE_EVERY_S):
                break
            begun = time.monotonic()
            connection.ask("POST", f"/v1/keys/{key}/revoke", {})
            self.took_ms.append((time.monotonic() - begun) * 1000)
        connection.close()


def on_a_terminal(command):
    """What it printed, and how long it took."""
    begun = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    printed = b""
    while True:
        if select.select([terminal], [], [], 1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            printed += piece
    _, status = os.waitpid(pid, 0)
    took = time.monotonic() - begun
    os.close(terminal)
    if status != 0:
        sys.exit(f"the import ended with {status}: {printed[-500:]!r}")
    return printed.decode(), took


def verify_sample(daemon, keys):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    valid = 0
    for key in random.Random(2).sample(keys, min(SAMPLE, len(keys))):
        connection.request("POST", "/v1/verify", b'{"api": "weather"}', {"Content-Type": "application/json", "X-API-Key": key})
        valid += json.loads(connection.getresponse().read())["valid"]
    connection.close()
    return valid


def run_round(program, folder, gate, path, keys):
    daemon = Daemon(program, folder, gate)
    connection = SocketConnection(daemon.socket_path)
    connection.ask("POST", "/v1/apis", {"name": "weather"})
    ids = [connection.ask("POST", "/v1/keys", {"api": "weather", "create_missing": True})["id"] for _ in range(2000)]
    connection.close()
    revoker = Revoker(daemon, ids)
    cpu_s = daemon.cpu_s()
    revoker.start()
    printed, took = on_a_terminal([str(program), "import", str(path), "--api", "weather", "--data", str(daemon.data)])
    revoker.stopping.set()
    revoker.join()
    cpu_s = daemon.cpu_s() - cpu_s
    if f"imported {len(keys)} keys" not in printed:
        sys.exit(f"not all were imported: {printed[-300:]!r}")
    bars = re.findall(r"\[[#.]+\] +\d+%[^\r\x1b]*", printed)
    result = {"seconds": took, "cpu_us": cpu_s / len(keys) * 1e6, "bars": len(bars), "bar": bars[len(bars) // 2] if bars else "",
              "valid": verify_sample(daemon, keys), "revokes": len(revoker.took_ms),
              "p50_ms": statistics.median(revoker.took_ms),
              "p99_ms": statistics.quantiles(revoker.took_ms, n=100)[98], "max_ms": max(revoker.took_ms)}
    daemon.stop()
    return result


def main(build, *options):
    program = pathlib.Path(build) / "src/cli/tollkeeper"
    report = Report()
    rounds, plain = [], []
    with tempfile.TemporaryDirectory(prefix="tollkeeper-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        keys = make_keys(scratch / "keys.ndjson")
        for number in range(ROUNDS):
            with tempfile.TemporaryDirectory(dir=scratch) as folder, \
                    tempfile.TemporaryDirectory(prefix="tollkeeper-bench-", dir="/dev/shm") as memory:
                folder = pathlib.Path(folder)
                rounds.append(run_round(program, folder, f"{memory}/gate", scratch / "keys.ndjson", keys))
                plain.append(sqlite_seconds(folder, keys))
                print(f"round {number + 1}: {len(keys) / rounds[-1]['seconds']:.0f} keys/s, SQLite alone {len(keys) / plain[-1]:.0f}/s; "
                      f"the bar half way: {rounds[-1]['bar']}", file=sys.stderr)
    best = min(rounds, key=lambda result: result["seconds"])
    report.target(f"import {len(keys)} keys, best of {ROUNDS}", len(keys) / best["seconds"], "1/s", ">=", 80000)
    report.figure("daemon's CPU a key", best["cpu_us"], "us")
    report.target("revoke meanwhile, p99", min(result["p99_ms"] for result in rounds), "ms", "<=", 50)
    report.figure("revoke meanwhile, p50", best["p50_ms"], "ms")
    report.figure("revoke meanwhile, longest", best["max_ms"], "ms")
    report.figure("revocations in a round", best["revokes"], "")
    report.target("verified at random, valid", min(result["valid"] for result in rounds), "", ">=", min(SAMPLE, len(keys)))
    report.target("bars that were drawn", best["bars"], "", ">=", 3)
    report.figure("against plain SQLite, rate", max(alone / result["seconds"] for alone, result in zip(plain, rounds)), "x")
    if "--json" in options:
        report.print_json()
    else:
        for row in report.rows:
            verdict = f"target {row['op']} {row['target']:g}  {'holds' if row['holds'] else 'DOES NOT HOLD'}" if row["op"] else ""
            print(f"{row['name']:36} {row['value']:12.1f} {row['unit']:4} {verdict}")
    return 0 if report.holds() else 1


sys.exit(main(*sys.argv[1:]))
