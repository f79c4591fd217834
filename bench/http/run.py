"""The area `http` of scripts/bench: POST /v1/verify beside an empty libmicrohttpd handler and beside Redis scripts.

The same load generator, number of connections and keys for all; every server has one network thread. They take turns,
round after round, and ratios are taken within a round. The load generator shares the machine, so the server's own CPU
time per request stands beside each rate.
"""

import pathlib
import random
import sys
import tempfile

import servers
import workload

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from report import Report, median, median_ratio  # noqa: E402

KEYS = 100_000
CONNECTIONS = 16
ROUNDS = 5
SECONDS = 3
WARM_UP_SECONDS = 1

FIGURES = (("rate", "1/s"), ("server_cpu_us", "us"), ("p50_us", "us"), ("p99_us", "us"))


def issue(build, server, scratch):
    """As many keys as asked for, each with its own limit, in random order."""
    requests, replies = scratch / "issue", scratch / "issued"
    workload.write_requests(requests, workload.issue_requests(servers.admin_key(server), KEYS))
    servers.load(build, server, requests, '"key":', "--once", "--connections", 64, "--replies", replies)
    keys = workload.issued_keys(replies.read_text())
    if len(set(keys)) != KEYS:
        sys.exit(f"{len(set(keys))} keys were issued instead of {KEYS}")
    random.Random(1).shuffle(keys)
    return keys


def prepare(build, running, scratch):
    """Name of each contender -> server, file of requests, text that each reply must have, protocol."""
    keys = issue(build, running["tollkeeper"], scratch)
    scripts = [pathlib.Path(__file__).with_name(name).read_text() for name in ("redis_same.lua", "redis_least.lua")]
    same, least = workload.fill_redis(running["redis"].port, keys, scripts)
    by_body, by_header, by_same, by_least = (scratch / name for name in ("by_body", "by_header", "by_same", "by_least"))
    workload.write_requests(by_body, map(workload.verify_by_body, keys))
    workload.write_requests(by_header, map(workload.verify_by_header, keys))
    workload.write_requests(by_same, (workload.redis_same(same, key) for key in keys))
    workload.write_requests(by_least, (workload.redis_least(least, key) for key in keys))
    valid = '"code":"valid"'
    return {
        "empty handler, body": (running["empty"], by_body, valid, "http"),
        "verify, key in body": (running["tollkeeper"], by_body, valid, "http"),
        "empty handler, header": (running["empty"], by_header, valid, "http"),
        "verify, key in header": (running["tollkeeper"], by_header, valid, "http"),
        "Redis, the same answer": (running["redis"], by_same, "\r\nvalid\r\n", "resp"),
        "Redis, the least": (running["redis"], by_least, "\r\nvalid\r\n", "resp"),
    }


def measure(build, contenders, seconds, start):
    return {name: servers.load(build, server, requests, expect, "--seconds", seconds, "--connections", CONNECTIONS,
                               "--start", start, protocol=protocol)
            for name, (server, requests, expect, protocol) in contenders.items()}


def run(build):
    with tempfile.TemporaryDirectory(prefix="tollkeeper-bench-") as scratch, \
            tempfile.TemporaryDirectory(prefix="tollkeeper-bench-", dir="/dev/shm") as memory:
        scratch = pathlib.Path(scratch)
        with servers.running(build, scratch, f"{memory}/gate") as running:
            contenders = prepare(build, running, scratch)
            measure(build, contenders, WARM_UP_SECONDS, 0)
            return [measure(build, contenders, SECONDS, number * KEYS // ROUNDS) for number in range(ROUNDS)]


def report_of(rounds):
    report = Report()
    for name in rounds[0]:
        for figure, unit in FIGURES:
            report.figure(f"{name}: {figure}", median(rounds, name, figure), unit)
    for how in ("body", "header"):
        verify = f"verify, key in {how}"
        report.target(f"{verify} / empty handler", median_ratio(rounds, verify, f"empty handler, {how}", "rate"), "x",
                      ">=", 0.75)
        same, least = (median_ratio(rounds, verify, f"Redis, {which}", "rate") for which in ("the same answer", "the least"))
        report.target(f"{verify} / Redis, the same answer", same, "x", ">=", 2)
        report.figure(f"{verify} / Redis, the least", least, "x")
    return report


def print_rates(rounds):
    print(f"{KEYS} keys in random order, each with its own rate limit; {CONNECTIONS} connections, one request outstanding on "
          f"each;\nmedians of {ROUNDS} rounds of {SECONDS} s; one network thread a server\n")
    print(f"{'':23} {'rate/s':>8} {'server CPU us/request':>22} {'p50 us':>7} {'p99 us':>7}")
    for name in rounds[0]:
        rate, cpu, p50, p99 = (median(rounds, name, figure) for figure, _ in FIGURES)
        print(f"{name:23} {rate:8.0f} {cpu:22.2f} {p50:7.0f} {p99:7.0f}")
    print()


def main(build, as_json):
    rounds = run(pathlib.Path(build))
    report = report_of(rounds)
    if as_json:
        report.print_json()
    else:
        print_rates(rounds)
        report.print_ratios()
    return 0 if report.holds() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--json" in sys.argv[2:]))
