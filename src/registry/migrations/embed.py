#!/usr/bin/env python3
"""Embed an engine's migrations in the program: embed.py ENGINE OUTPUT.c FILE.sql...

Writes a C array tk_migrations_ENGINE of the files in the order of their numbers, which must be 1, 2, 3, ...; number 0
ends it.
Called by the build.
"""
import pathlib
import re
import sys


def c_string(text):
    """One C literal a line, so that the compiler's limits and its messages stay sane."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in text.splitlines())
    return "\n".join(f'                "{line}\\n"' for line in escaped)


def main(engine, output, *names):
    paths = sorted((pathlib.Path(name) for name in names), key=lambda path: path.name)
    entries = []
    for expected, path in enumerate(paths, start=1):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if match is None or int(match[1]) != expected:
            sys.exit(f"{path}: expected a file named {expected:04}_WHAT.sql")
        text = path.read_text(encoding="ascii")
        entries.append(f'        {{{expected}, "{match[2]}",\n{c_string(text)}}},\n')
    pathlib.Path(output).write_text(
        f"/* Made by migrations/embed.py from migrations/{engine}/. */\n"
        f'#include "registry/{engine}/{engine}.h"\n\n'
        f"const struct tk_migration tk_migrations_{engine}[] = {{\n{''.join(entries)}        {{0}},\n}};\n",
        encoding="ascii",
    )


main(*sys.argv[1:])
