"""docs/guide/administrators.md: every command in it works, in its order, against a daemon with the demo."""

import re

import cli

GUIDE = cli.daemon.ROOT / "docs/guide/administrators.md"


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_every_command_works(tmp_path):
    with cli.Home(tmp_path, "--demo").start() as home:
        shown = [cli.shell("set -e\n" + block, tmp_path, PORT=str(home.port)) for block in blocks()]
        assert [result.code for result in shown] == [cli.OK] * 4, shown
        assert "weather" in shown[1].out and "tollkeeper" not in shown[1].out
        assert "key.issue" in shown[2].out
        assert home.stop() == 0


def test_every_command_of_the_guide_is_in_a_block():
    """What stands in the text alone is not run: it may only name options and commands that are run elsewhere."""
    assert len(blocks()) == 4
    assert all(line.startswith("tollkeeper ") for block in blocks() for line in block.splitlines())
