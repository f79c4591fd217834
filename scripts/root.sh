# A clean Debian 12 root, for scripts/fresh and scripts/try-package: made by debootstrap once, unpacked from then on. Sourced
# after lib.sh, never run. The caller sets $root, which is made; needs root.
# shellcheck shell=bash disable=SC2154

# Where this machine's apt takes Debian from.
mirror() {
        cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
                grep -E '^(deb |URIs:)' | grep -oE 'https?://[^ ]+' | grep -m 1 -v security
}

# A clean root, unpacked from the one that was made the last time, or made now.
make_root() {
        local base=${XDG_CACHE_HOME:-$HOME/.cache}/tollkeeper/bookworm.tar
        mkdir -p "$root" "$(dirname "$base")"
        if [ ! -s "$base" ]; then
                say "making a clean Debian 12, which is kept for the next time in $base"
                quietly debootstrap --variant=minbase bookworm "$root" "$(mirror)" || die "debootstrap failed"
                rm -rf "$root"/var/cache/apt/archives/*.deb
                tar -C "$root" --one-file-system -cf "$base.new.$$" .
                mv "$base.new.$$" "$base"
        else
                tar -C "$root" -xf "$base"
        fi
}

# like_here PATH...: what tells apt, npm and TLS how to reach their servers, as this machine has it.
like_here() {
        local path
        for path in "$@"; do
                [ -e "$path" ] || continue
                mkdir -p "$root$(dirname "$path")"
                cp -aL "$path" "$root$(dirname "$path")/"
        done
}

reach_servers() {
        local conf
        rm -f "$root/etc/apt/sources.list"
        like_here /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/trusted.gpg.d /etc/apt/keyrings /etc/apt/auth.conf.d \
                /usr/share/keyrings /etc/ssl/certs /usr/local/share/ca-certificates /etc/resolv.conf /etc/hosts /etc/npmrc /usr/etc/npmrc
        for conf in /etc/apt/apt.conf.d/*; do
                # Of apt's own settings only how to fetch; what a container image or a desktop added is not for a clean machine.
                ! grep -qiE '^ *Acquire' "$conf" || like_here "$conf"
        done
        [ ! -e ~/.npmrc ] || cp ~/.npmrc "$root/root/.npmrc"
}

# inside COMMAND...: run it in the root. All that it starts ends with its process namespace, all that it mounts with its mount
# namespace. Not an exec: the caller's clean-up comes after.
inside() {
        local name environment=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
        for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY NODE_EXTRA_CA_CERTS; do
                [ -z "${!name:-}" ] || environment+=("$name=${!name}")
        done
        # shellcheck disable=SC2016
        unshare --mount --pid --fork --kill-child bash -ec '
                root=$1
                shift
                mount --make-rprivate /
                mount -t proc proc "$root/proc"
                mount -t sysfs -o ro sysfs "$root/sys"
                mount --rbind /dev "$root/dev"
                mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
                mount -t tmpfs -o mode=0755 tmpfs "$root/run"
                exec env -i "$@"
        ' inside "$root" "${environment[@]}" chroot "$root" "$@"
}
