#!/usr/bin/env python3
"""A thousand slow clients and a flood of connections at once: what becomes of those who verify.

    bench/http/crowd.py BINARY [--seconds N] [--rounds N]

A gateway (127.0.0.1, on the daemon's list) verifies over one kept connection, and now and then over a new one. It is measured with nobody
else there, then beside the crowd, round after round: 1,000 clients that send a byte of a request every second and begin again when they are cut off, and
two programs that open connections as fast as the machine lets them. Those run at the lowest priority, because in the
world they would have processors of their own. Prints both p99s, their ratio, and what the daemon refused.
"""

import argparse
import json
import multiprocessing
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))

SLOW = 1000
HELD = 200  # connections that a flooder keeps before it drops the oldest
TARGET = 2.0
REQUEST = b"POST /v1/verify HTTP/1.1\r\nHost: gateway\r\nX-Padding: " + b"x" * 4000


def slow_clients(port, ready):
    """From many addresses, as they would come."""
    os.nice(19)
    poller, open_now = select.epoll(), {}

    def join(number):
        client = socket.socket()
        client.bind((f"127.0.{10 + number // 100}.{1 + number % 100}", 0))
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        open_now[client.fileno()] = [client, number, 0]
        poller.register(client.fileno(), select.EPOLLIN | select.EPOLLRDHUP)

    for number in range(SLOW):
        join(number)
    ready.set()
    while True:
        begun = time.monotonic()
        for fileno, entry in list(open_now.items()):
            try:
                entry[0].send(REQUEST[entry[2]:entry[2] + 1])
                entry[2] += 1
            except OSError:
                pass
        while (left := begun + 1 - time.monotonic()) > 0:
            for fileno, _ in poller.poll(left):
                client, number, _ = open_now.pop(fileno)
                poller.unregister(fileno)
                client.close()
                try:
                    join(number)
                except OSError:
                    pass


def flood(port, number, count):
    os.nice(19)
    held, made = [], 0
    while True:
        client = socket.socket()
        client.bind((f"127.{20 + number}.{made // 250 % 250}.{1 + made % 250}", 0))
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        held.append(client)
        if len(held) > HELD:
            held.pop(0).close()
        made += 1
        count.value = made


def verify(verifier, seconds, latencies, answers):
    end = time.monotonic() + seconds
    while (begun := time.perf_counter()) and time.monotonic() < end:
        answers.add(verifier.ask())
        latencies.append(time.perf_counter() - begun)


def verify_anew(port, question, seconds, latencies, answers):
    """Connecting, too."""
    from daemon import Verifier
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.perf_counter()
        verifier = Verifier(port, question)
        answers.add(verifier.ask())
        latencies.append(time.perf_counter() - begun)
        verifier.close()


def p(share, latencies):
    return statistics.quantiles(latencies, n=1000)[int(share * 1000) - 1] * 1e6


def measure(port, question, seconds, answers):
    from daemon import Verifier
    kept, anew = [], []
    verifier = Verifier(port, question)
    verify(verifier, seconds * 0.75, kept, answers)
    verifier.close()
    verify_anew(port, question, seconds * 0.25, anew, answers)
    return {"kept": kept, "anew": anew}


def crowded(port, question, seconds, answers, counts):
    ready = multiprocessing.Event()
    crowd = [multiprocessing.Process(target=slow_clients, args=(port, ready), daemon=True)]
    crowd += [multiprocessing.Process(target=flood, args=(port, number, counts[number]), daemon=True) for number in range(2)]
    for process in crowd:
        process.start()
    ready.wait(60)
    time.sleep(0.5)
    try:
        return measure(port, question, seconds, answers)
    finally:
        for process in crowd:
            process.kill()
            process.join()


def metric(client, name):
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return int(float(line.split()[1]))
    raise KeyError(name)


def report(quiet, loud, options, counts, running):
    holds = True
    for kind in ("kept", "anew"):
        calm, busy = p(0.99, quiet[kind]), p(0.99, loud[kind])
        ratio = busy / calm
        target = TARGET if kind == "kept" else None
        holds = holds and (target is None or ratio <= target)
        if options.json:
            print(json.dumps({"name": f"crowd_verify_p99_{kind}", "value": round(ratio, 2), "unit": "ratio", "op": "<=" if target else None,
                              "target": target, "holds": target is None or ratio <= target}))
        else:
            print(f"verify, connection {kind}: p50 {p(0.5, quiet[kind]):.0f} us quiet, {p(0.5, loud[kind]):.0f} us in the crowd; "
                  f"p99 {calm:.0f} us quiet, {busy:.0f} us in the crowd: {ratio:.2f} x"
                  + (f" (target <= {TARGET:.0f})" if target else "") + f"; {len(quiet[kind])} and {len(loud[kind])} asked")
    with running.client() as client:
        told = {name: metric(client, f"tollkeeper_http_connections_{name}_total") for name in ("full", "address", "overdue")}
    if not options.json:
        print(f"meanwhile: {SLOW} slow clients, {sum(count.value for count in counts)} connections by the flood in the last round; the daemon refused "
              f"{told['full'] + told['address']} connections ({told['address']} for their address), cut off {told['overdue']}")
    assert told["overdue"] > 0 and told["full"] + told["address"] > 0, "the bounds were never reached: nothing was shown"
    return holds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=float, default=8, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["TOLLKEEPER_BIN"] = options.binary
    from daemon import Daemon
    arguments = ["--verify-peers", "127.0.0.1", "--request-timeout", "5", "--connections", "1400", "--connections-per-address", "64"]
    with tempfile.TemporaryDirectory() as folder, Daemon(folder, gate=Path(tempfile.mkdtemp(dir="/dev/shm", prefix="tk-crowd-")),
                                                         arguments=arguments).start() as running:
        with running.client() as client:
            key = client.issue(api="maps", create_missing=True)["key"]
        question = {"key": key, "api": "maps"}
        answers, counts = set(), [multiprocessing.Value("q", 0) for _ in range(2)]
        quiet, loud = {"kept": [], "anew": []}, {"kept": [], "anew": []}
        measure(running.port, question, 1, answers)
        for _ in range(options.rounds):
            for into, made in ((quiet, measure(running.port, question, options.seconds, answers)),
                               (loud, crowded(running.port, question, options.seconds, answers, counts))):
                for kind, latencies in made.items():
                    into[kind] += latencies
            time.sleep(1)
        assert answers == {"valid"}, answers
        holds = report(quiet, loud, options, counts, running)
        assert running.stop() == 0
        for path in running.gate.iterdir():
            path.unlink()
        running.gate.rmdir()
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
