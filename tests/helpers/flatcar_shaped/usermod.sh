#!/bin/sh
# Ignition's `useradd` and `usermod` in the initramfs: the system's own, in its root directory. Ignition calls them
# with `--root DIRECTORY` first.
root=$2
shift 2
# A user that is there and is to stay as it is: usermod(8) takes that for a mistake.
[ $# -gt 1 ] || exit 0
exec chroot "$root" "/usr/sbin/${0##*/}" "$@"
