#!/usr/bin/env bash
# The two commands of the README on an empty Debian 12: a minimal system is unpacked into DIR, the
# committed tree is cloned into it, and both commands run there, twice each.
#
#   tests/e2e/fresh_machine.sh DIR [quickstart|tests|all]      (as root; needs debootstrap)
#
# FRESH_MACHINE_ROUNDS=1 runs them once.
#
# A mount and process namespace of its own: when this ends, nothing is left running or mounted. An
# existing DIR is used as it is: remove it for a really empty machine.
set -eu

directory=${1:?usage: fresh_machine.sh DIR [quickstart|tests|all]}
what=${2:-all}
repository=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${FRESH_MACHINE_ROUNDS:-2}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

if [ "${FRESH_MACHINE_INSIDE:-}" != yes ]; then
    [ "$(id -u)" -eq 0 ] || {
        echo "fresh_machine.sh: needs root" >&2
        exit 1
    }
    if [ ! -x "$directory/bin/bash" ]; then
        echo "== an empty Debian 12 in $directory"
        debootstrap --variant=minbase bookworm "$directory" "$mirror"
    fi
    rm -rf "$directory/gush"
    git clone -q "file://$repository" "$directory/gush"
    directory=$(cd "$directory" && pwd)
    export FRESH_MACHINE_INSIDE=yes
    exec unshare --mount --pid --fork --kill-child "$0" "$directory" "$what"
fi

mount --make-rprivate /
mount -t proc proc "$directory/proc"
mkdir -p "$directory/dev/shm" "$directory/dev/pts"
mount -t tmpfs tmpfs "$directory/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$directory/dev/pts"
ln -sf pts/ptmx "$directory/dev/ptmx"
cp /etc/resolv.conf "$directory/etc/resolv.conf"
# An installer or a container runtime writes this one; debootstrap does not.
[ -f "$directory/etc/hosts" ] || echo '127.0.0.1 localhost' >"$directory/etc/hosts"

inside()
{
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        chroot "$directory" /bin/bash -c "cd /gush && $*"
}

if [ "$what" != tests ]; then
    for round in $(seq "$rounds"); do
        echo "== quickstart, round $round"
        inside deploy/quickstart.sh --seconds 10
    done
fi
if [ "$what" != quickstart ]; then
    for round in $(seq "$rounds"); do
        echo "== tests, round $round"
        inside tests/run.sh
    done
fi
echo "== done"
