"""Counts test cases for scripts/test: `tally.py lint|meson|junit FILE` prints "PASSED FAILED SKIPPED", and failures to
standard error. A program that ended badly without a failed case counts as one failure.
"""

import json
import re
import sys
import xml.etree.ElementTree as tree


def show(name, detail):
    print(f"FAIL {name}\n{detail[-6000:]}", file=sys.stderr)


def lint(path):
    """Lines `ok NAME` and `FAIL NAME`, each followed by its findings."""
    text = open(path, encoding="utf-8").read()
    passed = len(re.findall(r"^ok ", text, re.M))
    failures = re.findall(r"^FAIL (.+)\n((?:  .*\n)*)", text, re.M)
    for name, findings in failures:
        show(f"lint: {name}", findings)
    if passed + len(failures) == 0:
        show("lint", text)
        return 0, 1, 0
    return passed, len(failures), 0


def meson(path):
    """Meson's log, one object a program; cmocka's programs write TAP."""
    passed = failed = skipped = 0
    for line in open(path, encoding="utf-8"):
        program = json.loads(line)
        output = program.get("stdout", "") + program.get("stderr", "")
        # cmocka writes a skipped case as `not ok N # SKIP`.
        skip = len(re.findall(r"^(?:not )?ok \d+ .*# SKIP", output, re.M))
        ok = len(re.findall(r"^ok \d(?!.*# SKIP)", output, re.M))
        not_ok = len(re.findall(r"^not ok \d(?!.*# SKIP)", output, re.M))
        if program["result"] == "SKIP":
            skip = skip or 1
        elif program["result"] != "OK":
            not_ok = not_ok or 1
        elif skip == 0:
            ok = ok or 1  # not a cmocka program: it is one case by itself
        if not_ok:
            show(f"{program['name']}: {program['result']}", output)
        passed += ok
        failed += not_ok
        skipped += skip
    return passed, failed, skipped


def junit(path):
    """pytest's XML; pytest has shown the failures itself."""
    suite = tree.parse(path).getroot().find("testsuite")
    tests, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    return tests - skipped - failed, failed, skipped


if __name__ == "__main__":
    print(*{"lint": lint, "meson": meson, "junit": junit}[sys.argv[1]](sys.argv[2]))
