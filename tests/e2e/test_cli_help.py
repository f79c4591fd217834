"""Help: every command has it, every example in it works as it stands, and slips are answered with the nearest word."""

import functools
import re

import pytest

import cli
from cli import USAGE, OK


def words_of(help_text):
    """The first words of the indented lines up to the next empty line after the first block of them."""
    block = re.search(r"(?:^  \S.*\n)+", help_text, re.MULTILINE)[0]
    return [line.split()[0] for line in block.splitlines()]


def all_commands():
    """Each command as a list of words, found as a reader finds them: from help to help."""
    for noun in words_of(cli.run("help", cwd="/").out):
        text = cli.run(noun, "--help", cwd="/").out
        if "\nusage:\n" in text:
            yield [noun]
        else:
            yield from ([noun, verb] for verb in words_of(text))


COMMANDS = list(all_commands())
NOUNS = list(dict.fromkeys(command[0] for command in COMMANDS))


@functools.cache
def help_on(*command):
    return cli.run(*command, "--help", cwd="/")


def examples(command):
    return [line[2:] for line in help_on(*command).out.split("\nexamples:\n")[1].splitlines()]


def test_the_commands_that_issue_2_asks_for_are_there():
    assert set(NOUNS) >= {"serve", "api", "env", "scope", "plan", "consumer", "key", "verify", "explain", "status", "help", "version"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command(command):
    shown = help_on(*command)
    assert shown.code == OK
    assert shown.err == ""
    assert f"tollkeeper {' '.join(command)}" in shown.out
    assert examples(command)
    assert cli.run("help", *command, cwd="/").out == shown.out
    assert all(len(line) <= 120 for line in shown.lines()), shown
    assert "(null)" not in shown.out


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if noun != "serve"])
def test_examples_work(noun, tmp_path):
    """In the order of the help, against a daemon that has just made the demo."""
    with cli.Home(tmp_path, "--demo").start() as home:
        for example in [line for command in COMMANDS if command[0] == noun for line in examples(command)]:
            done = cli.shell(example, tmp_path, KEY=home.demo_key())
            assert done.code == OK, (example, done)
        home.stop()


@pytest.mark.parametrize("example", examples(["serve"]))
def test_examples_of_serve_are_understood(example):
    """They would run for ever, on addresses of others: a last flag that is wrong stops each after all others were read."""
    done = cli.shell(f"{example} --workers 0", "/")
    assert done.code == USAGE
    assert "--workers takes a number from 1 to 256" in done.err


def test_exit_codes_are_those_that_the_help_tells():
    shown = cli.run("help", "exit-codes", cwd="/").out
    assert [int(n) for n in re.findall(r"^ +(\d+)  ", shown, re.MULTILINE)] == [
        cli.OK, cli.FAILED, cli.USAGE, cli.NO_DAEMON, cli.DENIED, cli.REJECTED, cli.UNCERTAIN, cli.DATA_IN_USE,
        cli.KEY_REFUSED]


def test_variables_are_told():
    shown = cli.run("help", "variables", cwd="/").out
    assert {"TOLLKEEPER_URL", "TOLLKEEPER_DATA", "TOLLKEEPER_ADMIN_KEY", "TOLLKEEPER_KEY"} <= set(shown.split())


def test_version():
    assert re.fullmatch(r"tollkeeper \d+\.\d+\.\d+\n", cli.run("--version", cwd="/").out)


SLIPS = [
    (["verfy"], "there is no command \"verfy\"", "did you mean `tollkeeper verify`?"),
    (["kye", "list"], "there is no command \"kye\"", "did you mean `tollkeeper key`?"),
    (["key", "isue"], "`key` has no verb \"isue\"", "did you mean `tollkeeper key issue`?"),
    (["key", "dance"], "`key` has no verb \"dance\"", "`tollkeeper key --help` lists what there is"),
    (["key", "list", "--sate", "active"], "this command has no flag --sate", "did you mean --state?"),
    (["key", "list", "--frobnicate"], "this command has no flag --frobnicate", "--help shows what this command takes"),
    (["key", "list", "-j"], "there is no flag -j", "flags have two dashes"),
    (["--json", "key", "list"], "there is no command \"--json\"", "flags come after the command"),
    (["key", "list", "--max"], "--max needs a value", ""),
    (["key", "list", "--max", "many"], "--max takes a number", ""),
    (["key", "list", "--json=yes"], "--json takes no value", ""),
    (["key", "list", "--api", "a", "--api", "b"], "--api is given twice", ""),
    (["key", "show"], "`key show` needs KEY_ID", "`tollkeeper key show --help` shows how"),
    (["key", "show", "key_1", "key_2"], "one KEY_ID is enough", ""),
    (["status", "now"], "this command takes no argument", ""),
    (["key", "issue"], "`key issue` needs --api NAME", ""),
    (["verify"], "`verify` needs --api NAME", ""),
    (["scope", "list", "maps"], "this command takes no argument; what is \"maps\"?", "did you mean --api maps?"),
    (["env", "list", "maps"], "this command takes no argument", "did you mean --api maps?"),
    (["scope", "list", "--api", "maps", "more"], "this command takes no argument", "--help shows what"),
    (["key", "show", "3"], "\"3\" is not an id", "did you mean key_3?"),
    (["subscription", "show", "12"], "\"12\" is not an id", "did you mean sub_12?"),
    (["env", "create", "--api", "weather", ""], "`env create` needs NAME", ""),
    (["key", "issue", "--api", "w", "--limit", "fast"], "--limit does not understand \"fast\"", "use 100/min"),
    (["key", "issue", "--api", "w", "--quota", "10/fortnight"], "--quota does not understand", "use 1000/hour"),
    (["key", "issue", "--api", "w", "--expires-at", "soon"], "--expires-at does not understand", "use 2027-01-31"),
    (["key", "issue", "--api", "w", "--expires-in", "3 moons"], "--expires-in does not understand", "30d"),
    (["key", "issue", "--api", "w", "--expires-in", "1d", "--expires-at", "2030-01-01"], "says again what another flag said", ""),
    (["key", "issue", "--api", "w", "--metadata", "[1]"], "--metadata does not understand", "use a JSON object"),
    (["key", "issue", "--api", "w", "--scope", "a,,b"], "--scope has an empty item", "`none`"),
    (["key", "issue", "--api", "w", "--expires-in", "1d", "--idempotency-key", "x"], "--idempotency-key cannot work", "--expires-at"),
    (["key", "update", "key_1", "--name", "x", "--if-version", "new"], "--if-version takes a number", ""),
    (["key", "update", "key_1"], "`key update` needs something to change", "give at least one of --name --scope --role --limit --quota "
     "--expires-in --expires-at --not-before --cidr --origin --method --path --metadata\n"),
    (["key", "update", "key_1", "--if-version", "1"], "`key update` needs something to change", "--name"),
    (["consumer", "update", "acme"], "`consumer update` needs something to change", "of --description --metadata\n"),
    (["plan", "update", "open", "--api", "weather", "--json"], "`plan update` needs something to change",
     "of --description --limit --quota\n"),
    (["api", "update", "weather"], "`api update` needs --description TEXT", ""),
    (["env", "update", "test", "--api", "weather"], "`env update` needs --description TEXT", ""),
    (["scope", "update", "a:b", "--api", "weather"], "`scope update` needs --description TEXT", ""),
    (["subscription", "update", "sub_1"], "`subscription update` needs --plan NAME", ""),
    (["key", "list", "--url", "http://192.0.2.1:8420"], "plain http to another machine", "use https://"),
    (["key", "list", "--url", "ftp://localhost/"], "is not one that can be asked", "such as http://127.0.0.1:8420"),
    (["key", "list", "--url", "http://a:b@localhost"], "has a user name or a password", ""),
    (["key", "list", "--url", "http://localhost", "--data", "x"], "--url goes without", ""),
    (["key", "list", "--admin-key-file", "/nowhere"], "cannot read /nowhere", ""),
    (["serve", "--listen", "0.0.0.0:8420"], "keys would cross the network in plain text", "--behind-proxy"),
    (["serve", "--listen", "[::]:8420"], "keys would cross the network in plain text", "--behind-proxy"),
    (["serve", "--listen", "localhost"], "--listen does not understand", "127.0.0.1:8420"),
    (["serve", "--verify-peers", "10.0.0.1/8"], "--verify-peers does not understand", "10.1.0.0/16"),
    (["help", "everything"], "there is no help on \"everything\"", ""),
]


@pytest.mark.parametrize("words, says, mend", SLIPS, ids=[" ".join(words) for words, *_ in SLIPS])
def test_slips_are_explained(words, says, mend, tmp_path):
    done = cli.run(*words, cwd=tmp_path)
    assert done.code == USAGE
    assert done.out == ""
    assert done.err.startswith("tollkeeper: ")
    assert says in done.err
    assert mend in done.err


def test_a_bare_noun_shows_its_verbs():
    done = cli.run("key", cwd="/")
    assert (done.code, done.out) == (USAGE, "")
    assert "revoke" in done.err


def test_no_words_show_the_overview():
    done = cli.run(cwd="/")
    assert (done.code, done.out) == (USAGE, "")
    assert done.err == cli.run("help", cwd="/").out
