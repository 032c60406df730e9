#!/bin/sh
# Runs as mmdebstrap's last hook, as root of the new system's name space, outside of it: makes the file systems of a
# Flatcar-shaped release from a Debian tree.
# Arguments: the work directory, with `tree/`, `modules.keep` and `wanted`, and the new root. Reads `version`.
set -eu
work=$1
root=$2

cp -r --no-preserve=ownership "$work/tree/." "$root/"
cp "$root/usr/bin/busybox" "$work/busybox" 2>/dev/null || cp "$root/bin/busybox" "$work/busybox"
chroot "$root" dpkg-query -W -f '${source:Package} ${source:Version} ${Package}\n' >"$work/packages"
cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp "$root"/boot/config-* "$work/config"
chroot "$root" useradd --create-home --uid 500 --password '*' --shell /bin/bash core

# A Flatcar guest has no Python, no Perl, no busybox and no package manager.
rm -rf "$root"/usr/bin/python* "$root"/usr/bin/perl* "$root"/usr/share/perl* "$root"/usr/lib/*/perl* "$root"/usr/bin/busybox
rm -rf "$root"/usr/bin/dpkg* "$root"/usr/bin/apt* "$root"/usr/lib/apt "$root"/var/lib/dpkg "$root"/var/lib/apt "$root"/var/cache
rm -rf "$root"/boot/* "$root"/var/log/* "$root"/etc/ssh/ssh_host_* "$root"/etc/machine-id "$root"/usr/lib/udev/hwdb.*
find "$root/etc/systemd/system" -type l -delete
: >"$root/etc/fstab"

(cd "$root/usr/lib/modules" && find . -name '*.ko*' -o -name 'modules.dep' -o -name 'modules.builtin') >"$work/modules.list"
tar -C "$root/usr/lib/modules" -cf "$work/modules.tar" -T "$work/modules.list"
# Of the kernel's modules those stay that a virtual machine may use.
(cd "$root"/usr/lib/modules/*/kernel && find . -name '*.ko*' | grep -vE -f "$work/modules.keep" | xargs rm -f)
depmod -b "$root/usr" "$(ls "$root/usr/lib/modules")" 2>/dev/null || chroot "$root" depmod "$(ls "$root/usr/lib/modules")"

mkdir -p "$root/boot" "$root/oem" "$root/var/log" "$root/var/cache" "$root/opt" "$root/media" "$root/mnt"
touch "$root/etc/.updated" "$root/var/.updated"

# mmdebstrap has /proc, /sys and /dev mounted in the new root; bind mounts show it without them.
mkdir -p "$work/usr" "$work/rootfs"
mount --bind "$root/usr" "$work/usr"
used=$(du -sm "$work/usr" | cut -f1)
truncate -s "$((used * 5 / 4 + 24))M" "$work/usr.raw"
mkfs.ext4 -q -F -b 4096 -L USR-A -m 0 -N 32768 -O '^has_journal,^resize_inode' -E lazy_itable_init=0 -d "$work/usr" "$work/usr.raw"
umount "$work/usr"
mount --bind "$root" "$work/rootfs"
mount -t tmpfs none "$work/rootfs/usr"
mkfs.ext4 -q -F -b 4096 -L ROOT -m 0 -E lazy_itable_init=0 -O '^metadata_csum,^64bit' -J size=16 -d "$work/rootfs" "$work/root.raw"
umount "$work/rootfs/usr"
umount "$work/rootfs"
chmod a+rw "$work"/*.raw
