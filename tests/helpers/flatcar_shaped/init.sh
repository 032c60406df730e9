#!/bin/sh
# First stage of a Flatcar-shaped release, as PID 1 of the initramfs in its kernel; read by busybox's sh.
# A double of what Flatcar's own initramfs does, from the same kernel command line:
#
#   root=LABEL=ROOT                                          the root file system
#   mount.usr=/dev/mapper/usr verity.usr=PARTUUID=... verity.usrhash=HASH    /usr, checked by dm-verity
#   mount.usr=PARTLABEL=USR-A                                /usr, not checked
#   flatcar.first_boot=1                                     run Ignition, with the document that QEMU hands in
#   init=PATH                                                what runs as PID 1 of the real system

# What is not busybox's is in /sbin, and called so: its shell prefers its own.
export PATH=/sbin:/bin DM_DISABLE_UDEV=1

fail() {
    echo "initramfs: $*; powering off" >/dev/console
    poweroff -f
    sleep 60
}

/bin/busybox mkdir -p /proc /sys /dev /run /sysroot /tmp /etc
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs -o mode=0755,nosuid dev /dev
mount -t tmpfs -o mode=0755,nosuid,nodev,size=20% tmpfs /run
while read -r module; do
    insmod "/modules/$module" || echo "initramfs: $module was not loaded"
done </modules/order

init=/sbin/init first_boot=0 usr='' verity='' hash=''
read -r line </proc/cmdline
for word in $line; do
    case $word in
        root=*) root=${word#root=} ;;
        mount.usr=*) usr=${word#mount.usr=} ;;
        verity.usr=*) verity=${word#verity.usr=} ;;
        verity.usrhash=*) hash=${word#verity.usrhash=} ;;
        flatcar.first_boot=*) first_boot=${word#flatcar.first_boot=} ;;
        init=*) init=${word#init=} ;;
    esac
done

if [ -n "$hash" ]; then
    device=$(/sbin/findfs "$verity") || fail "there is no partition $verity"
    # The tree of hashes is behind the file system, whose superblock says how many blocks of 4 KiB it has.
    blocks=$(hexdump -s 1028 -n 4 -e '1/4 "%u"' "$device")
    /sbin/veritysetup --panic-on-corruption --hash-offset="$((blocks * 4096))" open "$device" usr "$device" "$hash" ||
        fail "the partition $verity cannot be checked by $hash"
fi
mount -o rw,noatime "$(/sbin/findfs "$root")" /sysroot || fail "the root file system $root cannot be mounted"
case $usr in *=*) usr=$(/sbin/findfs "$usr") ;; esac
mount -t ext4 -o ro "$usr" /sysroot/usr || fail "$usr cannot be mounted as /usr"

config=/sys/firmware/qemu_fw_cfg/by_name/opt/org.flatcar-linux/config/raw
if [ "$first_boot" != 0 ]; then
    rm -f /sysroot/etc/machine-id
fi
if [ "$first_boot" != 0 ] && [ -e $config ]; then
    cat $config >/run/config.ign
    for stage in fetch disks mount files; do
        IGNITION_CONFIG_FILE=/run/config.ign /sbin/ignition --platform=file --stage=$stage --root=/sysroot \
            --config-cache=/run/ignition.json --log-to-stdout >/run/ignition.log 2>&1 || {
            cat /run/ignition.log >/dev/console
            fail "Ignition failed in the stage $stage"
        }
        cat /run/ignition.log >>/run/ignition-all.log
    done
    echo "initramfs: Ignition has run" >/dev/console
fi

for place in proc sys dev run; do
    mount -o move /$place /sysroot/$place
done
exec switch_root /sysroot "$init"
