"""The area `gate` of scripts/bench: one decision in this process, beside a hash index, LMDB and SQLite doing the same job.

bench/gate/main.c builds all of them from the same keys and has them take turns; ratios are taken within a round. Two
limits sit on each key, or on each subscription of ten keys. Patterns: uniform and Zipf 0.99 over all keys, `hot` 100 of them,
`one` the ten keys of one subscription. Instructions are counted by callgrind, whose processor has no SHA instructions: those
of the hash are left out. `floor` is what memory, hash, clock and exchanges alone take, on this machine. Behind them, how long the daemon takes to start (restart.py).
"""

import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from report import Report  # noqa: E402
import restart  # noqa: E402

CONTENDERS = ("Tollkeeper", "floor", "hash index", "LMDB", "SQLite")
MILLION = 1_000_000
# SQLite and LMDB take minutes to build at ten million; there the hash index stands beside the gate.
SIZES = ((MILLION, CONTENDERS), (10 * MILLION, CONTENDERS[:3]))
PATTERNS = ("uniform", "zipf", "hot", "one")
ROUNDS = 5
MILLISECONDS = 400

# Nanoseconds (DESIGN.md section 13), one thread: layout -> pattern, keys -> at most.
TARGETS = {
    "key": {("uniform", 10 * MILLION): 450, ("uniform", MILLION): 300, ("hot", MILLION): 200},
    "subscription": {("uniform", 10 * MILLION): 650, ("uniform", MILLION): 450},
}
BYTES = {"key": 150, "each": 280}


class Results:
    """Nanoseconds of each round, by contender, pattern and number of threads; and what building took."""

    def __init__(self, lines):
        self.ns = collections.defaultdict(list)
        self.built = {}
        self.events = None
        for line in map(json.loads, lines):
            if "ns" in line:
                self.ns[line["contender"], line["pattern"], line["threads"]].append(line["ns"])
            elif "events" in line:
                self.events = line
            else:
                self.built[line["contender"]] = line

    def median(self, *which):
        return statistics.median(self.ns[which])

    def ratio(self, contender, *which):
        """How much longer the contender takes."""
        return statistics.median(theirs / ours for theirs, ours in zip(self.ns[contender, *which], self.ns["Tollkeeper", *which]))


def measure(build, keys, layout, contenders, rounds=ROUNDS):
    with tempfile.TemporaryDirectory(prefix="tollkeeper-bench-", dir="/dev/shm") as memory:
        done = subprocess.run([build / "bench/decide", str(keys), layout, memory, str(rounds), str(MILLISECONDS),
                               ",".join(PATTERNS), *contenders],
                              stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit("the measurement failed")
    return Results(done.stdout.splitlines())


def add_rows(report, results, keys, layout, contenders):
    what = f"{keys // MILLION} M keys, limits on the {layout}"
    for contender in contenders:
        for pattern in PATTERNS:
            for threads in (1, 2):
                name = f"{what}: {contender}, {pattern}, {threads} thread{'s' * (threads > 1)}"
                value = results.median(contender, pattern, threads)
                limit = TARGETS[layout].get((pattern, keys)) if contender == "Tollkeeper" and threads == 1 else None
                if limit:
                    report.target(name, value, "ns", "<=", limit)
                else:
                    report.figure(name, value, "ns")
    one, two = (results.median("Tollkeeper", "one", threads) for threads in (1, 2))
    shared = "one subscription" if layout == "subscription" else "ten keys"
    report.target(f"{what}: two threads on {shared} beside one, decisions a second", 2 * one / two, "x", ">=", 1)
    for contender, least in (("LMDB", 3), ("SQLite", 8)):
        if contender in contenders:
            report.target(f"{what}: {contender} / Tollkeeper, uniform", results.ratio(contender, "uniform", 1), "x", ">=", least)
    for pattern in ("uniform", "hot"):
        report.figure(f"{what}: Tollkeeper / floor, {pattern}", 1 / results.ratio("floor", pattern, 1), "x")
    lost, taken = results.events["events_lost"], results.events["events"]
    report.figure(f"{what}: decisions of which the event was lost", 100 * lost / (lost + taken), "%")
    report.figure(f"{what}: hash index / Tollkeeper, uniform", results.ratio("hash index", "uniform", 1), "x")
    ours = results.built["Tollkeeper"]
    if layout in BYTES:
        report.target(f"{what}: bytes a key", ours["bytes_a_key"], "B", "<=", BYTES[layout])
    else:
        report.figure(f"{what}: bytes a key", ours["bytes_a_key"], "B")
    report.figure(f"{what}: keys published a second", ours["keys_added_a_second"], "1/s")


def add_bytes_row(report, build, keys):
    """A subscription for each key takes most."""
    built = measure(build, keys, "each", CONTENDERS[:1], rounds=0).built["Tollkeeper"]
    report.target(f"{keys // MILLION} M keys, each with a subscription: bytes a key", built["bytes_a_key"], "B", "<=", BYTES["each"])


def count_instructions(build, layout):
    """Instructions of one decision, by callgrind, without those of the hash's compression function."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-bench-", dir="/dev/shm") as memory:
        out = pathlib.Path(memory) / "callgrind"
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--toggle-collect=ask_gate*",
                               build / "bench/decide", "2000", layout, memory, "1", "100", "hot", "Tollkeeper"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        runs = [json.loads(line) for line in done.stdout.splitlines()]
        costs = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", out], stdout=subprocess.PIPE, text=True,
                               check=True).stdout
    total = hashing = 0
    for line in costs.splitlines():
        found = re.match(r"\s*([\d,]+) \(.*\)\s+(\S+)", line)
        cost = int(found.group(1).replace(",", "")) if found else 0
        if found and found.group(2) == "PROGRAM":
            total = cost
        elif found and "sha256_compress" in found.group(2):
            hashing += cost
    return (total - hashing) / sum(run["decisions"] + run["before"] for run in runs if "decisions" in run)


def print_table(report):
    for row in report.rows:
        target = f"target {row['op']} {row['target']:g}  {'holds' if row['holds'] else 'DOES NOT HOLD'}" if row["op"] else ""
        value = f"{row['value']:.2f}" if row["unit"] in ("x", "s") else f"{row['value']:.0f}"
        print(f"{row['name']:76} {value:>9} {row['unit']:4} {target}".rstrip())


def main(build, as_json):
    report = Report()
    for keys, contenders in SIZES:
        for layout in ("key", "subscription"):
            if os.environ.get("TOLLKEEPER_BENCH_KEYS", str(keys)) == str(keys):
                add_rows(report, measure(pathlib.Path(build), keys, layout, contenders), keys, layout, contenders)
                restart.add_rows(report, pathlib.Path(build), keys, layout)
        if os.environ.get("TOLLKEEPER_BENCH_KEYS", str(keys)) == str(keys):
            add_bytes_row(report, pathlib.Path(build), keys)
    for layout in ("key", "subscription"):
        report.figure(f"limits on the {layout}: instructions a decision beside the hash", count_instructions(pathlib.Path(build), layout), "")
    if as_json:
        report.print_json()
    else:
        print_table(report)
    return 0 if report.holds() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--json" in sys.argv[2:]))
