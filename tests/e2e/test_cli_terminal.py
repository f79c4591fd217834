"""On a terminal: tables fit its width, states have colours, a key is asked for without echo. In a pipe none of that."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

import pytest

import cli
from cli import OK


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with cli.Home(tmp_path_factory.mktemp("home"), "--demo").start() as home:
        home.good("key", "issue", "--api", "weather", "--name", "Müllers Wetterstation auf dem Dach", "--scope",
                  "forecast:read,alerts:read", "--limit", "10/s,burst=50", "--quota", "10000/day", "--expires-in", "30d")
        yield home
        home.stop()


class Terminal:
    """A terminal of a given width with the program on it."""

    def __init__(self, home, words, width=80, **variables):
        self.mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.process = subprocess.Popen([str(cli.BINARY), *words], cwd=home.folder, stdin=theirs, stdout=theirs,
                                        stderr=theirs, env=cli.environment(TERM="xterm", **variables))
        os.close(theirs)
        self.text = ""

    def read_until(self, wanted=None):
        """All text so far, once `wanted` is in it; without it, once the program has ended."""
        while wanted is None or wanted not in self.text:
            ready, _, _ = select.select([self.mine], [], [], 20)
            assert ready, f"no {wanted!r} in {self.text!r}"
            try:
                piece = os.read(self.mine, 4096)
            except OSError:  # nobody holds the other side any more
                piece = b""
            if not piece:
                break
            self.text += piece.decode()
        assert wanted is None or wanted in self.text, self.text
        return self.text

    def write(self, text):
        os.write(self.mine, text.encode())

    def close(self):
        os.close(self.mine)
        return self.process.wait(20)


def on_terminal(home, *words, **options):
    terminal = Terminal(home, words, **options)
    text = terminal.read_until().replace("\r\n", "\n")
    assert terminal.close() == OK, text
    return text


def plain(text):
    return re.sub(r"\033\[\d*m", "", text)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200, 300])
def test_tables_fit_the_terminal(home, width):
    lines = plain(on_terminal(home, "key", "list", width=width)).splitlines()
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines), lines
    assert [line.split()[0] for line in lines] == ["KEY", "key_1", "key_2", "key_3"]


def test_what_does_not_fit_is_left_out_before_anything_is_cut(home):
    wide, narrow = (plain(on_terminal(home, "key", "list", width=width)) for width in (300, 100))
    assert "LIMITS" in wide and "…" not in wide
    assert "LIMITS" not in narrow and "…" not in narrow
    assert "…" in plain(on_terminal(home, "key", "list", width=60))


def test_a_pipe_gets_all_of_it_without_colours(home):
    text = home.good("key", "list").out
    assert "Müllers Wetterstation auf dem Dach" in text
    assert "CREATED" in text and "…" not in text and "\033" not in text


def test_colours_only_where_they_are_wanted(home):
    assert "\033[32mactive\033[0m" in on_terminal(home, "api", "list")
    assert "\033" not in on_terminal(home, "api", "list", NO_COLOR="1")


def test_a_key_is_asked_for_without_echo(home):
    key = home.good("key", "issue", "--api", "weather").out.strip()
    terminal = Terminal(home, ["verify", "--api", "weather"])
    terminal.read_until("Key: ")
    terminal.write(key + "\n")
    terminal.read_until("The key is valid")
    text = terminal.read_until()
    assert terminal.close() == OK
    assert key not in text


def test_ctrl_c_at_the_prompt_gives_the_echo_back(home):
    terminal = Terminal(home, ["verify", "--api", "weather"])
    terminal.read_until("Key: ")
    # The terminal is not the program's controlling one here, so that the signal is sent by hand.
    terminal.process.send_signal(2)
    terminal.read_until("no key was given")
    assert termios.tcgetattr(terminal.mine)[3] & termios.ECHO
    assert terminal.close() == cli.USAGE
