#!/usr/bin/env python3
"""Make the static library: one object of which only tollkeeper_* can be seen, so that nothing of it collides with a program's own.

    archive.py OUTPUT OBJECTS.a OTHER.a... -- COMPILER...

All of the first archive, and of the others what that needs, are linked into one object; then every symbol that is hidden (all
are compiled with -fvisibility=hidden, but for what the public header declares) is made local.
"""

import pathlib
import subprocess
import sys
import tempfile

output, whole, *others = sys.argv[1:sys.argv.index("--")]
compiler = sys.argv[sys.argv.index("--") + 1:]

with tempfile.TemporaryDirectory(dir=pathlib.Path(output).parent) as scratch:
    linked = f"{scratch}/tollkeeper.o"
    subprocess.run([*compiler, "-r", "-nostdlib", "-o", linked, "-Wl,--whole-archive", whole, "-Wl,--no-whole-archive",
                    "-Wl,--start-group", *others, "-Wl,--end-group"], check=True)
    subprocess.run(["objcopy", "--localize-hidden", linked], check=True)
    pathlib.Path(output).unlink(missing_ok=True)
    subprocess.run(["ar", "rcsD", output, linked], check=True)
