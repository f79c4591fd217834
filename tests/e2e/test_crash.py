"""Kill -9 at random moments under load, SIGTERM under load, two daemons, too few file descriptors.

What a client was told must hold after every restart. Each worker thread owns its keys, so for each key it knows what
was answered last and what was asked after that; a request whose answer was lost may have happened or not, once.

TOLLKEEPER_KILLS: how often to kill (default 200). TOLLKEEPER_SEED: the run to repeat; only what the clients
and the killer choose is repeated, the kernel's scheduling is not.
"""

import os
import random
import resource
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from daemon import LOST, Daemon

KILLS = int(os.environ.get("TOLLKEEPER_KILLS", "200"))
SEED = int(os.environ.get("TOLLKEEPER_SEED", "20261123"))
WORKERS = 4
API = "weather"

CODE_OF_STATE = {"active": "valid", "suspended": "suspended", "revoked": "revoked"}
STATE_AFTER = {"suspend": "suspended", "resume": "active", "revoke": "revoked"}

ISSUE, READ, FEED_KEY = "key.issue", "verify", 7  # audit action; step of a worker; enum tk_object


class Key:
    """What one worker knows of one key. `states`: those that it may be in; more than one while an answer is missing."""

    def __init__(self, name):
        self.name = name
        self.id = None  # None: the issue was not answered
        self.plaintext = None
        self.states = {"active"}
        self.admitted = 0  # answered as valid
        self.lost = 0  # verifications without an answer: counted or not

    def request(self):
        return {"api": API, "name": self.name, "limits": [{"kind": "window", "limit": 10**9, "per": "day"}]}


class Worker:
    """One client thread: issues, changes and verifies its own keys until the daemon is gone."""

    def __init__(self, daemon, number):
        self.daemon = daemon
        self.number = number
        self.random = random.Random(SEED * 100 + number)
        self.keys = []
        self.touched = set()  # since the last restart
        self.answered = 0
        self.wrong = []

    def connect(self):
        """Half of them over the socket, half with the admin key; an Idempotency-Key belongs to who sent it."""
        return self.daemon.client() if self.number % 2 else self.daemon.tcp_client()

    def run(self):
        client = self.connect()
        try:
            while True:
                self.step(client)
        except LOST:
            pass
        except Exception as error:  # pylint: disable=broad-except  (a thread must not take its finding with it)
            self.wrong.append(repr(error))
        finally:
            client.close()

    def step(self, client):
        certain = [key for key in self.keys[-40:] if key.plaintext and len(key.states) == 1]
        if not certain or self.random.random() < 0.4:
            self.issue(client)
            return
        key = self.random.choice(certain)
        (state,) = key.states
        self.touched.add(key)
        if state == "revoked" or self.random.random() < 0.4:
            self.verify(client, key, state)
        else:
            self.change(client, key, state)

    def issue(self, client):
        key = Key(f"w{self.number}-{len(self.keys)}")
        self.keys.append(key)
        self.touched.add(key)
        self.learn(key, client.post("/v1/keys", key.request(), {"Idempotency-Key": key.name}))

    def learn(self, key, reply):
        if reply.status == 503 and reply.problem() == "uncertain":
            return
        if reply.status != 201:
            self.wrong.append(f"issue {key.name}: {reply}")
            return
        key.id = reply.json["id"]
        key.plaintext = reply.json["key"]
        self.answered += 1

    def change(self, client, key, state):
        verb = self.random.choice(("resume", "revoke") if state == "suspended" else ("suspend", "suspend", "revoke"))
        key.states = {state, STATE_AFTER[verb]}
        reply = client.post(f"/v1/keys/{key.id}/{verb}")
        if reply.status == 200:
            key.states = {STATE_AFTER[verb]}
            self.answered += 1
        elif reply.problem() != "uncertain":
            self.wrong.append(f"{verb} {key.id}: {reply}")

    def verify(self, client, key, state):
        key.lost += 1
        code = client.verify(key.plaintext, API)
        key.lost -= 1
        key.admitted += code == "valid"
        self.answered += 1
        if code != CODE_OF_STATE[state]:
            self.wrong.append(f"{key.id} is {state} and was judged {code}")


def check_key(client, worker, key):
    """The registry holds a state that the client's knowledge allows, and the gate judges by the same."""
    if key.id is None:
        reply = client.post("/v1/keys", key.request(), {"Idempotency-Key": key.name})
        assert reply.status == 201, reply
        replayed = reply.headers.get("Idempotent-Replayed") == "true"
        assert replayed == (reply.json["key"] is None), reply
        worker.learn(key, reply)
    shown = client.done(client.get(f"/v1/keys/{key.id}"))
    assert shown["name"] == key.name
    assert shown["state"] in key.states, f"{key.id}: {shown['state']}, answered: {key.states}"
    key.states = {shown["state"]}
    if key.plaintext is not None:
        explained = client.done(client.post("/v1/explain", {"key": key.plaintext, "api": API}))["answer"]
        assert explained["key_id"] == key.id
        assert explained["code"] == CODE_OF_STATE[shown["state"]], f"{key.id}: {shown['state']} but {explained}"


def check_touched(workers, chooser):
    """Every key that was in anybody's hands when the daemon was killed, and some of the others."""
    for worker in workers:
        assert not worker.wrong, worker.wrong
        with worker.connect() as client:
            for key in sorted(worker.touched, key=lambda key: key.name):
                check_key(client, worker, key)
            for key in chooser.sample(worker.keys, min(5, len(worker.keys))):
                check_key(client, worker, key)
        worker.touched.clear()


def check_all(client, workers):
    """Exactly the keys that somebody asked for, each once and as answered; requests counted once, too."""
    known = {key.id: (worker, key) for worker in workers for key in worker.keys}
    listed = [item for item in client.every(f"/v1/keys?api={API}")]
    assert sorted(item["id"] for item in listed) == sorted(known)
    assert len({item["name"] for item in listed}) == len(listed)
    for item in listed:
        worker, key = known[item["id"]]
        check_key(client, worker, key)
        if key.plaintext is None:
            continue
        counted = client.done(client.get(f"/v1/keys/{key.id}/usage"))["key"]["admitted"]
        assert key.admitted <= counted <= key.admitted + key.lost, f"{key.id}: {counted} of {key.admitted}+{key.lost}"


def check_registry(path):
    """The file itself, with nobody on it: sound, an audit entry for each change, a feed without gaps."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    (keys,) = db.execute("SELECT count(*) FROM keys").fetchone()
    assert db.execute("SELECT count(*), count(DISTINCT object_id) FROM audit_entries WHERE action = ?",
                      (ISSUE,)).fetchone() == (keys, keys)
    for table in ("audit_entries", "feed"):
        first, last, count = db.execute(f"SELECT min(seq), max(seq), count(*) FROM {table}").fetchone()
        assert (first, last - first + 1) == (1, count), f"{table} has gaps"
    wrong = db.execute("SELECT k.id, k.version, max(f.version), count(f.seq) FROM keys k LEFT JOIN feed f"
                       " ON f.object = ? AND f.object_id = k.id GROUP BY k.id"
                       " HAVING max(f.version) IS NOT k.version OR count(f.seq) IS NOT k.version LIMIT 5", (FEED_KEY,))
    assert wrong.fetchall() == [], "keys whose changes are not all in the feed"
    db.close()


def load_and_kill(daemon, workers, chooser):
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    time.sleep(chooser.uniform(0.01, 0.35))
    daemon.kill()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def kill_while_starting(daemon, chooser, start_s):
    daemon.spawn()
    time.sleep(chooser.uniform(0, start_s))
    daemon.kill()


def test_kill_at_random_moments(tmp_path, capsys):
    chooser = random.Random(SEED)
    starts = []
    with Daemon(tmp_path) as daemon:
        daemon.start()
        with daemon.client() as client:
            client.done(client.post("/v1/apis", {"name": API}))
            client.done(client.post("/v1/consumers", {"name": "default"}))
        workers = [Worker(daemon, number) for number in range(WORKERS)]
        try:
            for _ in range(KILLS):
                load_and_kill(daemon, workers, chooser)
                if chooser.random() < 0.1:
                    kill_while_starting(daemon, chooser, starts[-1] if starts else 0.1)
                daemon.start()
                starts.append(daemon.start_s)
                check_touched(workers, chooser)
            with daemon.client() as client:
                check_all(client, workers)
        except AssertionError as error:
            raise AssertionError(f"TOLLKEEPER_SEED={SEED}, after {len(starts)} kills: {error}") from error
        assert daemon.stop() == 0
        check_registry(daemon.data / "registry.db")
    with capsys.disabled():
        print(f"\n  {KILLS} kills, seed {SEED}: {sum(worker.answered for worker in workers)} answers held,"
              f" {sum(len(worker.keys) for worker in workers)} keys;"
              f" restart median {sorted(starts)[len(starts) // 2]:.3f} s, longest {max(starts):.3f} s")


@pytest.mark.parametrize("number", range(8))
def test_kill_during_the_first_start(tmp_path, number):
    """Whatever of the first start was done is completed by the next one; the socket is the way in if the admin key was lost."""
    chooser = random.Random(SEED + number)
    with Daemon(tmp_path) as daemon:
        daemon.spawn()
        time.sleep(chooser.uniform(0, 0.4))
        daemon.kill()
        daemon.start()
        with daemon.client() as client:
            assert client.get("/readyz").status == 200
            key = client.issue(api=API, create_missing=True)["key"]
            assert client.verify(key, API) == "valid"
        assert daemon.stop() == 0


# ---- SIGTERM ----


class Issuer(threading.Thread):
    """Issues until it is refused; keeps what was answered and how it ended."""

    def __init__(self, daemon, number):
        super().__init__()
        self.daemon = daemon
        self.number = number
        self.issued = []
        self.ended = None

    def run(self):
        with self.daemon.client() if self.number % 2 else self.daemon.tcp_client() as client:
            while self.ended is None:
                name = f"t{self.number}-{len(self.issued)}"
                try:
                    reply = client.post("/v1/keys", {"api": API, "name": name}, {"Idempotency-Key": name})
                except LOST as error:
                    self.ended = error
                    return
                if reply.status == 201:
                    self.issued.append((reply.json["id"], name, reply.json["key"]))
                else:
                    self.ended = reply


def test_sigterm_finishes_what_is_in_flight(tmp_path):
    """
    Every request that the daemon read is answered: the ones answered 201 exist, and no key exists that was not answered. A request
    that came while it closed is refused with 503 or its connection ends; then it has changed nothing.
    """
    with Daemon(tmp_path, workers=8) as daemon:
        daemon.start()
        with daemon.client() as client:
            client.done(client.post("/v1/apis", {"name": API}))
            client.done(client.post("/v1/consumers", {"name": "default"}))
        issuers = [Issuer(daemon, number) for number in range(16)]
        for issuer in issuers:
            issuer.start()
        while sum(len(issuer.issued) for issuer in issuers) < 200:
            assert daemon.alive(), daemon.tail()
            time.sleep(0.005)
        assert daemon.stop() == 0
        for issuer in issuers:
            issuer.join(30)
            assert isinstance(issuer.ended, LOST) or issuer.ended.problem() == "unavailable", issuer.ended
        daemon.start()
        with daemon.client() as client:
            listed = {item["id"]: item for item in client.every(f"/v1/keys?api={API}")}
            answered = {id: (name, key) for issuer in issuers for id, name, key in issuer.issued}
            assert set(listed) == set(answered)
            for id, (name, key) in answered.items():
                assert listed[id]["name"] == name
                assert client.verify(key, API) == "valid"
        assert daemon.stop() == 0


# ---- two daemons ----


def test_second_daemon_is_refused(tmp_path):
    with Daemon(tmp_path / "first") as first:
        first.start()
        with first.client() as client:
            key = client.issue(api=API, create_missing=True)["key"]
            second = Daemon(tmp_path / "second", data=first.data, gate=first.gate)
            ended = subprocess.run(second.command(), capture_output=True, text=True, timeout=30, check=False)
            assert ended.returncode > 0, ended
            assert "another tollkeeper daemon" in ended.stderr and str(first.data) in ended.stderr, ended
            assert client.verify(key, API) == "valid"
            assert client.issue(api=API)["key"]
        with first.client() as client:
            assert client.verify(key, API) == "valid"
        assert first.stop() == 0


# ---- file descriptors ----

DESCRIPTORS = 64
CONNECTIONS = 200


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def test_more_connections_than_descriptors(tmp_path):
    """They wait or are turned away; who is connected is served, and once they are gone everything works, changes included."""
    with Daemon(tmp_path) as daemon:
        daemon.start(preexec=few_descriptors)
        with daemon.client() as client:
            key = client.issue(api=API, create_missing=True)["key"]
        verifier = daemon.verifier(key, API)
        assert verifier.ask() == "valid"
        crowd = []
        for _ in range(CONNECTIONS):
            crowd.append(socket.create_connection(("127.0.0.1", daemon.port), timeout=5))
            assert verifier.ask() == "valid"
        for connection in crowd:
            connection.close()
        verifier.close()
        deadline = time.monotonic() + 15
        while not answers_all(daemon, key):
            assert daemon.alive(), daemon.tail()
            assert time.monotonic() < deadline, "it does not recover"
            time.sleep(0.05)
        assert daemon.stop() == 0


def answers_all(daemon, key):
    try:
        with daemon.client(2) as client, daemon.tcp_client(2) as over_tcp:
            return (client.verify(key, API) == "valid" and over_tcp.verify(key, API) == "valid"
                    and client.post("/v1/keys", {"api": API}).status == 201)
    except LOST:
        return False
