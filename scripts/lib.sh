# Shared by the scripts of this folder: where the tree is, which Debian packages each job needs, and how they get there.
# Sourced, never run.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

packages_build=(gcc libc6-dev meson ninja-build pkg-config python3 libmicrohttpd-dev libjansson-dev libsqlite3-dev
        nettle-dev libsodium-dev libcurl4-gnutls-dev libgnutls28-dev)
packages_test=(git clang-format shellcheck pyflakes3 g++ make libcmocka-dev python3-pytest python3-requests python3-yaml
        python3-jsonschema curl e2fsprogs openssl procps strace systemd)
packages_node=(nodejs npm)
packages_coverage=(gcovr)
packages_fuzz=(clang libclang-rt-14-dev)
packages_model=(spin)
# redis-tools has the server's program too, without a service that would start with the machine.
packages_bench=(redis-tools liblmdb-dev valgrind)
packages_fresh=(debootstrap)
packages_package=(dpkg-dev binutils)

# How the program is built that users run, and that is measured.
shipping=(-Dtests=false -Doptimization=3 -Db_lto=true)

# Debian's Python, because Debian's pytest and the rest are for it; another one may come first in the PATH.
python=/usr/bin/python3

say() {
        printf '%s\n' "$*" >&2
}

die() {
        say "$(basename "$0"): $*"
        exit 1
}

as_root() {
        if [ "$(id -u)" = 0 ]; then
                "$@"
        elif command -v sudo >/dev/null; then
                sudo "$@"
        else
                die "installing packages needs root: run this as root, or install sudo"
        fi
}

# quietly COMMAND...: show its output only where it failed.
quietly() {
        local log status=0
        log=$(mktemp)
        "$@" >"$log" 2>&1 </dev/null || status=$?
        [ $status = 0 ] || tail -n 40 "$log" >&2
        rm -f "$log"
        return $status
}

missing_packages() {
        # It fails where one is missing, which is no failure here.
        { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } | awk '
                BEGIN { for (i = 1; i < ARGC; i++) { wanted[i] = ARGV[i]; delete ARGV[i] } }
                $1 == "installed" { have[$2] = 1 }
                END { for (i in wanted) if (!have[wanted[i]]) print wanted[i] }' "$@"
}

# need PACKAGE...: install those that are missing. Where none is, this is one dpkg-query.
need() {
        local missing
        mapfile -t missing < <(missing_packages "$@" | LC_ALL=C sort)
        [ ${#missing[@]} -gt 0 ] || return 0
        say "installing: ${missing[*]}"
        quietly as_root apt-get update -q || die "apt-get update failed"
        quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
                die "apt-get could not install what is missing"
}

# need_program PROGRAM PACKAGE: take a program out of a package without installing it, because the package would bring a
# service with it that starts with the machine. It lands in build/tools, which is put into the PATH.
need_program() {
        PATH=$PATH:$top/build/tools/usr/bin
        command -v "$1" >/dev/null && return 0
        say "unpacking: $2"
        local scratch
        scratch=$(mktemp -d)
        [ -n "$(apt-cache show "$2" 2>/dev/null)" ] || quietly as_root apt-get update -q || die "apt-get update failed"
        (cd "$scratch" && quietly apt-get download -q "$2") || die "apt-get could not download $2"
        mkdir -p "$top/build/tools"
        dpkg-deb -x "$scratch"/*.deb "$top/build/tools"
        rm -rf "$scratch"
}

# configure DIR [MESON-OPTION...]: set up a build directory once; ninja itself notices later changes.
configure() {
        local dir=$1
        shift
        [ -f "$dir/build.ninja" ] || {
                mkdir -p "$top/build"
                quietly meson setup "$dir" "$top" "$@" || die "meson setup failed"
        }
}

# compile DIR [TARGET...]
compile() {
        local dir=$1 log=$1/ninja.log
        shift
        ninja -C "$dir" "$@" >"$log" 2>&1 || {
                grep -E -A 6 'error:|FAILED|undefined reference' "$log" | head -n 60 >&2
                die "the build failed; all of its output is in $log"
        }
}
