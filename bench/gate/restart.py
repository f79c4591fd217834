"""How long the daemon takes to be ready again: with the gate's files as they were left, and without them, as after a reboot.

The real program and a registry of bench/gate/registry.py, in which every key and subscription has been used. Time counts from the start of the process to the first `ready`.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import registry

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/e2e"))
import daemon as program  # noqa: E402

ROUNDS = 3
MILLION = 1_000_000
START_TIMEOUT_S = 900

RESTART_S = 1
REBUILT_A_SECOND = 300_000


class Daemon:
    """One start of it."""

    def __init__(self, build, scratch, gate):
        port_file = scratch / "port"
        port_file.unlink(missing_ok=True)
        began = time.monotonic()
        with open(scratch / "log", "ab") as log:
            self.process = subprocess.Popen([build / "src/cli/tollkeeper", "serve", "--listen", "127.0.0.1:0", "--data",
                                             scratch / "data", "--gate", gate, "--port-file", port_file],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() - began > START_TIMEOUT_S:
                self.stop(signal.SIGKILL)
                sys.exit(f"the daemon did not start:\n{(scratch / 'log').read_text()}")
            time.sleep(0.001)
        self.address = ("127.0.0.1", int(port_file.read_text()))
        self.client().done(self.client().get("/readyz"))
        self.seconds = time.monotonic() - began
        self.cpu_seconds = self.used_cpu()

    def client(self, admin_key=None):
        headers = {"Authorization": f"Bearer {admin_key}"} if admin_key else {}
        return program.Client(program.http.client.HTTPConnection(*self.address, timeout=60), headers)

    def memory_mb(self):
        """Its own, without what it maps: files in shared memory are the gate's."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")) / 1024

    def used_cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how=signal.SIGTERM):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        self.process.wait()


def forget_cached(path):
    """A machine that has just booted has none of it in memory."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def prepare(build, scratch, gate, keys, layout):
    """Returns a key that must be valid from now on."""
    daemon = Daemon(build, scratch, gate)
    admin_key = program.ADMIN_KEY.search((scratch / "log").read_text()).group()
    plaintext = registry.make_templates(daemon.client(admin_key), layout)
    if daemon.client().verify(plaintext, registry.API, scope=registry.SCOPE) != "valid":
        sys.exit("the template is not valid")
    daemon.stop()
    registry.fill(scratch / "data/registry.db", keys, layout)
    return plaintext


class Runs:
    """Starts on the same data, each ended before the next; seconds to ready, and of the CPU."""

    def __init__(self, build, scratch, gate, plaintext):
        self.build, self.scratch, self.gate, self.plaintext = build, scratch, gate, plaintext
        self.memory_mb = 0

    def start(self, ended_by):
        daemon = Daemon(self.build, self.scratch, self.gate)
        code = daemon.client().verify(self.plaintext, registry.API, scope=registry.SCOPE)
        if code != "valid":
            sys.exit(f"after a start a key is {code}")
        self.memory_mb = max(self.memory_mb, daemon.memory_mb())
        daemon.stop(ended_by)
        return daemon.seconds, daemon.cpu_seconds

    def rebuild(self):
        shutil.rmtree(self.gate, ignore_errors=True)
        forget_cached(self.scratch / "data/registry.db")
        return self.start(signal.SIGTERM)


def medians(runs):
    return map(statistics.median, zip(*runs))


def add_rows(report, build, keys, layout):
    what = f"{keys // MILLION} M keys, limits on the {layout}"
    with contextlib.ExitStack() as folders:
        scratch, shared = (pathlib.Path(folders.enter_context(tempfile.TemporaryDirectory(prefix="tollkeeper-bench-", dir=place)))
                           for place in (None, "/dev/shm"))
        gate = shared / "gate"
        runs = Runs(build, scratch, gate, prepare(build, scratch, gate, keys, layout))
        rebuilt, rebuilt_cpu = medians(runs.rebuild() for _ in range(ROUNDS))
        runs.start(signal.SIGTERM)
        stopped, _ = medians(runs.start(signal.SIGTERM) for _ in range(ROUNDS))
        runs.start(signal.SIGKILL)
        killed, killed_cpu = medians(runs.start(signal.SIGKILL) for _ in range(ROUNDS))
    report.target(f"{what}: rebuilt from the registry, keys a second", keys / rebuilt, "1/s", ">=", REBUILT_A_SECOND)
    report.figure(f"{what}: rebuilt in one second of CPU time", keys / rebuilt_cpu, "1/s")
    report.target(f"{what}: start after a stop", stopped, "s", "<=", RESTART_S)
    report.target(f"{what}: start after kill -9", killed, "s", "<=", RESTART_S)
    report.figure(f"{what}: start after kill -9, CPU time", killed_cpu, "s")
    report.figure(f"{what}: the daemon's own memory after a rebuild", runs.memory_mb, "MB")
