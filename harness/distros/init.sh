#!/bin/sh
# PID 1 of the initrd: finds the disk, sets up the network, hands over to the guest's own init.
# Read by busybox's sh; `initrd.py` puts it into the archive as /init, with /modules/order.
#
# Kernel command line:
#   harness.ssh_key=BASE64   public half of the machine's ed25519 key, the part after "ssh-ed25519 "
#   harness.network=ADDRESS/PREFIX,GATEWAY   static configuration of eth0
#   harness.overlay=DEVICE   disk that is a tar archive, to be unpacked over the root disk

export PATH=/bin

give_up() {
    echo "harness initrd: $*; powering off" >/dev/console
    poweroff -f
    sleep 60
}

load_modules() {
    while read -r module; do
        insmod "/modules/$module" || echo "harness initrd: $module was not loaded"
    done </modules/order
}

accept_key() {
    mkdir -p /run/harness
    echo "ssh-ed25519 $1 harness" >/run/harness/authorized_keys
}

set_up_network() {
    ip link set lo up
    ip link set eth0 up
    ip address add "${1%,*}" dev eth0
    ip route add default via "${1#*,}"
    echo "harness initrd: the network is up"
}

/bin/busybox mkdir -p /proc /dev /run /sysroot
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs -o mode=0755,nosuid dev /dev
mount -t tmpfs -o mode=0755,nosuid,nodev,size=20% tmpfs /run
load_modules

for word in $(cat /proc/cmdline); do
    case $word in
        harness.ssh_key=*) accept_key "${word#*=}" ;;
        harness.network=*) set_up_network "${word#*=}" ;;
    esac
done

mount -t ext4 -o rw,noatime /dev/vda /sysroot || give_up "the disk /dev/vda cannot be mounted"
for word in $(cat /proc/cmdline); do
    case $word in
        harness.overlay=*) tar -x -f "${word#*=}" -C /sysroot || give_up "the archive ${word#*=} cannot be unpacked" ;;
    esac
done

umount /proc
mount -o move /dev /sysroot/dev
mount -o move /run /sysroot/run
exec switch_root /sysroot /sbin/init
