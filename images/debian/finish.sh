#!/bin/sh
# Runs as mmdebstrap's last hook, as root of the new system's name space, outside of it.
# Arguments: the work directory with the inputs `tree/`, `masked`, `uuid` and the new root.
set -eu
work=$1
root=$2

# --no-preserve: the work directory may belong to an ordinary user.
cp -r --no-preserve=ownership "$work/tree/." "$root/"
ln -sf /usr/bin/busybox "$root/usr/local/bin/busybox"
# Which units start is what the harness says, and nothing that a package has enabled.
find "$root/etc/systemd/system" -type l -delete
while read -r path; do
    mkdir -p "$root/etc/systemd/$(dirname "$path")"
    ln -sf /dev/null "$root/etc/systemd/$path"
done <"$work/masked"
mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
ln -s ../ssh.service "$root/etc/systemd/system/sysinit.target.wants/ssh.service"
ln -s ../harness-console.service "$root/etc/systemd/system/multi-user.target.wants/harness-console.service"
ln -s /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"

# ssh runs every command by root's shell, and dash is there 30 ms sooner under emulation; people get bash, see .profile.
sed -i '/^root:/s|/bin/bash$|/bin/sh|' "$root/etc/passwd"

# One host key, as other kinds cost a second each in every handshake or at build time.
rm -f "$root"/etc/ssh/ssh_host_*
chroot "$root" ssh-keygen -q -t ed25519 -N '' -C guest -f /etc/ssh/ssh_host_ed25519_key

# A machine id, so that no boot is a "first boot" that sets up what is set up already.
tr -d '-' <"$work/uuid" >"$root/etc/machine-id"
: >"$root/etc/fstab"

chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' >"$work/packages"
cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp "$root/usr/bin/busybox" "$work/busybox" 2>/dev/null || cp "$root/bin/busybox" "$work/busybox"
# With a merged /usr, /lib is a link, and find needs to be inside of it.
(cd "$root/lib/modules" && find . -name '*.ko*' -o -name 'modules.dep' -o -name 'modules.builtin') >"$work/modules.list"
tar -C "$root/lib/modules" -cf "$work/modules.tar" -T "$work/modules.list"

# The kernel stays: the suite kvm boots it in a machine of its own.
rm -rf "$root"/boot/[!v]* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/*.log "$root"/var/log/apt
rm -rf "$root"/usr/lib/udev/hwdb.bin "$root"/etc/udev/hwdb.bin
# Newer than /usr: otherwise systemd's ConditionNeedsUpdate= units run at every boot.
touch "$root/etc/.updated" "$root/var/.updated"

# mmdebstrap has /proc, /sys and /dev mounted in the new root; a bind mount shows it without them.
mount --bind "$root" "$root/mnt"
mkfs.ext4 -q -F -L root -U "$(cat "$work/uuid")" -E "hash_seed=$(cat "$work/uuid"),lazy_itable_init=0" -m 0 \
    -O '^metadata_csum,^64bit' -J size=16 -d "$root/mnt" "$work/disk.raw"
umount "$root/mnt"
