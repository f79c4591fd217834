"""The command line, run as a user would: a daemon at home in a folder of its own, and the program beside it.

Home is a Daemon (daemon.py) with all defaults that a user has who types `tollkeeper serve` in a folder: data in ./data, the
socket in it. run() runs the program there; Result is what it printed.
"""

import json
import os
import re
import subprocess

import daemon

BINARY = daemon.BINARY
PLAINTEXT = re.compile(r"\b[a-z][a-z0-9]{1,15}_[a-z0-9]{1,8}_[0-9A-Za-z]{41}\b")

# The exit codes that scripts may depend on; the table of the program is compared with it.
OK, FAILED, USAGE, NO_DAEMON, DENIED, REJECTED, UNCERTAIN, DATA_IN_USE, KEY_REFUSED = 0, 1, 2, 3, 4, 5, 6, 7, 10


class Result:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return f"<exit {self.code}\n{self.out}\n--\n{self.err}>"


def environment(**variables):
    """A user's, without anything of Tollkeeper's but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLKEEPER_")}
    return dict(kept, PATH=f"{BINARY.parent}:{os.environ['PATH']}", **variables)


def run(*words, cwd, stdin="", **variables):
    """Run the program and wait. A sanitizer's report fails the caller."""
    done = subprocess.run([str(BINARY), *words], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60,
                          env=environment(**variables))
    assert not daemon.REPORTS.search(done.stderr), done.stderr
    return Result(done)


def shell(line, cwd, **variables):
    """Run a line as pasted into a shell whose path leads to the program."""
    done = subprocess.run(["bash", "-c", line], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, env=environment(**variables))
    assert not daemon.REPORTS.search(done.stderr), done.stderr
    return Result(done)


class Home(daemon.Daemon):
    """A daemon as a user has it: --data ./data and nothing else but a free port."""

    def __init__(self, folder, *arguments, data=None):
        """`data` is where it keeps its data, when the arguments or a variable say so."""
        super().__init__(folder, data=data, arguments=arguments)
        self.socket_path = self.data / "tollkeeper.sock"

    def command(self):
        return ["env", "-C", str(self.folder), str(BINARY), "serve", "--gate", str(self.gate), "--listen", "127.0.0.1:0",
                "--port-file", str(self.port_file), *self.arguments]

    def pid(self):
        """`env` has become the program itself."""
        return self.process.pid

    def stdout(self):
        return (self.folder / "stdout").read_text()

    def run(self, *words, **options):
        return run(*words, cwd=self.folder, **options)

    def good(self, *words, **options):
        """The result of a command that must succeed."""
        result = self.run(*words, **options)
        assert result.code == OK, result
        return result

    def demo_key(self):
        """The plaintext that --demo prints in its commands."""
        return re.search(r"echo (tk_live_[0-9A-Za-z]{41}) ", self.stdout())[1]


def columns(text):
    """Where the columns of a table begin, by its head; and the table's lines."""
    lines = text.splitlines()
    return [match.start() for match in re.finditer(r"(?:(?<=  )|^)\S", lines[0])], lines
