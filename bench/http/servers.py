"""The servers and the load generator of the area `http`: started on loopback, stopped at the end, each on its share of the CPUs."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

CPUS = sorted(os.sched_getaffinity(0))
# A server's one busy thread and the load generator each on a CPU of their own, where there are two: what the scheduler
# moves about differs from run to run.
SERVER_CPUS = CPUS[:1]
LOAD_CPUS = CPUS[1:2] or CPUS
SPIN = ["--spin"] if len(CPUS) > 1 else []


# Redis's server and its checker are one program that looks at the name it was started by. Debian's redis-tools has it as the
# checker; the package with the other name brings a service along.
PROGRAMS = {"redis-server": "redis-check-rdb"}


class Server:
    def __init__(self, name, port, command, log):
        self.name, self.port = name, port
        words = [str(word) for word in command]
        with open(log, "wb") as out:
            self.process = subprocess.Popen(words, executable=PROGRAMS.get(words[0]), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, preexec_fn=on_cpus(SERVER_CPUS))
        self.log = pathlib.Path(log)

    def wait_until_it_accepts(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        sys.exit(f"{self.name} did not start:\n{self.log.read_text()}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def on_cpus(cpus):
    return lambda: os.sched_setaffinity(0, cpus)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(build, scratch, gate_dir):
    """The three servers, by name."""
    ports = {name: free_port() for name in ("tollkeeper", "empty", "redis")}
    commands = {
        "tollkeeper": [build / "src/cli/tollkeeper", "serve", "--listen", f"127.0.0.1:{ports['tollkeeper']}",
                       "--data", scratch / "data", "--gate", gate_dir, "--verify-threads", 1],
        "empty": [build / "bench/empty_server", ports["empty"]],
        "redis": ["redis-server", "--port", ports["redis"], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                  "--dir", scratch],
    }
    servers = {}
    try:
        for name, command in commands.items():
            servers[name] = Server(name, ports[name], command, scratch / f"{name}.log")
        for server in servers.values():
            server.wait_until_it_accepts()
        yield servers
    finally:
        for server in servers.values():
            server.stop()


def admin_key(server):
    """The first start prints it once."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = re.search(r"\btk_admin_\w+", server.log.read_text())
        if found:
            return found.group()
        time.sleep(0.02)
    return sys.exit(f"no admin key was printed:\n{server.log.read_text()}")


def load(build, server, requests, expect, *options, protocol="http"):
    """One run of the load generator: its figures."""
    done = subprocess.run([str(word) for word in (
        build / "bench/load", "--protocol", protocol, "--port", server.port, "--pid", server.process.pid, "--requests",
        requests, "--expect", expect, *SPIN, *options)], capture_output=True, text=True, check=False, preexec_fn=on_cpus(LOAD_CPUS))
    if done.returncode:
        sys.exit(f"{server.name}: {done.stderr}")
    return json.loads(done.stdout)
