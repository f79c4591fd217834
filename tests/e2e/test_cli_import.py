"""The command line's import and export, and the guide about them: every command in it runs."""

import json
import os
import pty
import re
import select

import pytest

import cli
from cli import OK, REJECTED, USAGE

GUIDE = cli.daemon.ROOT / "docs/guide/importing.md"


@pytest.fixture
def home(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as running:
        yield running
        assert running.stop() == 0


def write_keys(home, count, word="k"):
    path = home.folder / f"{word}.ndjson"
    path.write_text("".join(json.dumps({"key": f"old_{word}_{i:08d}_0f3Kd8sLq2Wn7Zb", "consumer": f"c{i % 7}"}) + "\n" for i in range(count)))
    return path


def test_import_and_export(home):
    path = write_keys(home, 500)
    done = home.good("import", str(path), "--api", "weather")
    assert done.out == "imported 500 keys of 500 lines, 0 rejected (imp_1)\n"
    assert done.err == ""
    again = home.run("import", str(path), "--api", "weather")
    assert again.code == REJECTED
    assert again.out == "imported 0 keys of 500 lines, 500 rejected (imp_2)\n"
    assert "line 1: key: it has been imported already: key_" in again.err
    assert "480 more lines are bad" in again.err
    assert "0f3Kd8sLq2Wn7Zb" not in again.err
    exported = [json.loads(line) for line in home.good("export", "--api", "weather", "--consumer", "c3").lines()]
    assert len(exported) == len([i for i in range(500) if i % 7 == 3])
    assert "0f3Kd8sLq2Wn7Zb" not in json.dumps(exported)
    assert home.good("export", "--format", "csv").lines()[0].startswith("id,api,environment,consumer,")
    key = json.loads(path.read_text().splitlines()[7])["key"]
    assert home.good("verify", "--api", "weather", stdin=key).code == OK


def test_standard_input_and_formats(home):
    done = home.good("import", "-", "--format", "csv", "--api", "weather", "--consumer", "acme",
                     stdin="key\nold_csv_00000001_0f3Kd8sLq2Wn7Zb\n")
    assert done.out.startswith("imported 1 keys")
    named = home.folder / "some.csv"
    named.write_text("key\nold_csv_00000002_0f3Kd8sLq2Wn7Zb\n")
    assert home.good("import", str(named), "--api", "weather").out.startswith("imported 1 keys")
    assert home.run("import", str(named), "--api", "weather", "--format", "xml").code == USAGE
    assert home.run("import", "/nowhere", "--api", "weather").code == USAGE
    wrong = home.run("import", str(named), "--api", "weather", "--from", "unkey")
    assert wrong.code == REJECTED and "with lines of JSON" in wrong.err


def test_all_or_nothing_and_dry_run(home):
    path = write_keys(home, 20)
    path.write_text(path.read_text() + "nonsense\n")
    dry = home.run("import", str(path), "--api", "weather", "--dry-run")
    assert (dry.code, dry.out) == (REJECTED, "dry run: 20 of 21 lines would be imported, 1 rejected\n")
    refused = home.run("import", str(path), "--api", "weather", "--all-or-nothing")
    assert (refused.code, refused.out) == (REJECTED, "nothing imported: 1 of 21 lines are bad\n")
    assert "line 21: it breaks off or goes wrong at byte 1" in refused.err
    shown = home.run("import", str(path), "--api", "weather", "--json")
    assert (shown.code, shown.json["imported"], shown.json["rejected"]) == (REJECTED, 20, 1)


def on_a_terminal(home, *words):
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.chdir(home.folder)
        os.execv(str(cli.BINARY), [str(cli.BINARY), *words])
    printed = b""
    while True:
        select.select([terminal], [], [], 60)
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        printed += piece
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), printed.decode()


def test_a_bar_on_a_terminal_and_none_elsewhere(home):
    path = write_keys(home, 40000)
    code, printed = on_a_terminal(home, "import", str(path), "--api", "weather")
    assert code == OK, printed
    bars = re.findall(r"\[[#.]{24}\] +(\d+)%  [\d,]+ keys  [\d,]+/s", printed)
    assert bars and [int(percent) for percent in bars] == sorted(int(percent) for percent in bars)
    assert printed.endswith("imported 40000 keys of 40000 lines, 0 rejected (imp_1)\r\n")
    piped = home.run("import", str(path), "--api", "weather")
    assert "[" not in piped.err.split("line 1:")[0]


def commands_of(text):
    """The indented blocks, each as one script."""
    return "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))


def test_the_guide(home):
    script = "set -e\n" + commands_of(GUIDE.read_text())
    done = cli.shell(script, home.folder)
    assert done.code == OK, done
    assert len(re.findall(r"^imported [1-9]", done.out, re.MULTILINE)) == 4, done
    assert (home.folder / "all.ndjson").read_text().count("\n") >= 6
