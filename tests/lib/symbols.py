#!/usr/bin/env python3
"""What the libraries show and need: only tollkeeper_*, with its version; no state; nothing but nettle and libsodium.

    symbols.py HEADER SHARED STATIC
"""

import re
import subprocess
import sys

header, shared, static = sys.argv[1:]

# What the compiler's own runtime brings into a shared object, and sanitizers and coverage into everything.
RUNTIME = re.compile(r"_init$|_fini$|__bss_start$|_edata$|_end$|completed\.\d+$|__dso_handle$|__TMC_END__$|_DYNAMIC$|"
                     r"_GLOBAL_OFFSET_TABLE_$|__(asan|ubsan|odr_asan|sanitizer|gcov|llvm|tsan)|\.?L?(ubsan|asan)|\*\.L|gcov|"
                     r"__frame_dummy|__do_global_dtors_aux_fini_array_entry|__gnu_lto|\.lto")
SANITIZERS = {"libasan.so.8", "libubsan.so.1", "libtsan.so.2", "libgcov.so.1"}
NEEDED = {"libnettle.so.8", "libsodium.so.23", "libc.so.6"}

# What came after the first version, and with which.
LATER = {"tollkeeper_match_route": "0.2", "tollkeeper_decide_by_route": "0.2"}

# The seam through which tests let allocations fail, which is a thread's own; and a limit that is fresh, of which copies are made.
NEVER_WRITTEN = {"fault_countdown", "fault_hit", "fresh"}


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def symbols(*command):
    """(name, letter of nm) of each."""
    for line in output(*command).splitlines():
        words = line.split()
        if len(words) >= 2 and len(words[-2]) == 1:
            yield words[-1], words[-2]


def declared():
    text = re.sub(r"/\*.*?\*/", "", open(header, encoding="utf-8").read(), flags=re.DOTALL)
    return set(re.findall(r"TOLLKEEPER_API\b[^;]*?\b(tollkeeper_\w+)\(", text))


def check(what, is_so, expected):
    if is_so != expected:
        sys.exit(f"{what}: {sorted(is_so - expected)} are too many, {sorted(expected - is_so)} are missing")
    print(f"ok {what}")


exported = {name for name, letter in symbols("nm", "-D", "--defined-only", shared) if letter == "T"}
check("the shared library shows what the header declares, with its version", exported,
      {f"{name}@@TOLLKEEPER_{LATER.get(name, '0.1')}" for name in declared()})
every = {name for name, _ in symbols("nm", "-D", "--defined-only", shared)}
check("and nothing else", {name for name in every - exported if not RUNTIME.match(name)}, {"TOLLKEEPER_0.1", "TOLLKEEPER_0.2"})

in_archive = {name for name, _ in symbols("nm", "--defined-only", "--extern-only", static)}
check("the static library shows the same", {name for name in in_archive if not RUNTIME.match(name)}, declared())

state = {match[2] for match in re.finditer(r"^\S+ .{7} (\.t?data|\.t?bss)\s+\S+\s+(?:\.hidden )?(\S+)$", output("objdump", "-t", shared),
                                           re.MULTILINE)}
check("no state", {re.sub(r"\.\d+$", "", name) for name in state if not RUNTIME.match(name)}, NEVER_WRITTEN)

needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-d", shared)))
check("what it needs", needed - SANITIZERS - {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}, NEEDED)

# A library has no business ending its caller's process or printing. What ends the process for the stack protector or a sanitizer is not ours.
undefined = {name.split("@")[0] for name, letter in symbols("nm", "-D", "--undefined-only", shared)}
check("what it never calls", undefined & {"exit", "_exit", "abort", "__assert_fail", "printf", "puts", "fprintf", "fputs", "perror",
                                          "signal", "sigaction", "stdout", "stderr", "syslog", "getenv"}, set())
