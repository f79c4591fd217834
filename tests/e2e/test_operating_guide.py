"""docs/guide/operating.md: its blocks of shell run as they stand, one after the other, in an empty folder."""

import os
import re
import signal
import subprocess

import cli
import daemon

GUIDE = daemon.ROOT / "docs/guide/operating.md"


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_guide(tmp_path):
    pid_file = tmp_path / "pid"
    try:
        for block in blocks():
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=120,
                                  stdout=open(tmp_path / "block.out", "w"), stderr=open(tmp_path / "block.err", "w"),
                                  env=cli.environment(), check=False)
            said = (tmp_path / "block.out").read_text() + (tmp_path / "block.err").read_text()
            assert done.returncode == 0, (block, said, (tmp_path / "serve.log").read_text()[-2000:])
    finally:
        if pid_file.exists():
            try:
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass
    assert not daemon.REPORTS.search((tmp_path / "serve.log").read_text())


def test_the_settings_that_it_names_are_there():
    told = cli.run("help", "settings", cwd="/").out
    for name in re.findall(r"^\| `([a-z-]+)` \|", GUIDE.read_text(), re.MULTILINE):
        assert re.search(rf"^{name}\b", told, re.MULTILINE), name
