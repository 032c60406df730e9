#!/bin/sh
# PID 1 before systemd, where another systemd is laid over the image: the kernel's command line has init= for it, which
# the initramfs starts in the root file system. /usr is read-only, and what is written to it is kept in memory.
#
#   harness.overlay=DEVICE   disk that is a tar archive, to be unpacked over the root file system
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

give_up() {
    echo "harness init: $*; powering off" >/dev/console
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}

modprobe overlay 2>/dev/null
mkdir -p /run/harness/usr
mount -t tmpfs -o mode=0755 harness /run/harness/usr || give_up "there is no tmpfs"
mkdir /run/harness/usr/upper /run/harness/usr/work
mount -t overlay -o lowerdir=/usr,upperdir=/run/harness/usr/upper,workdir=/run/harness/usr/work harness /usr ||
    give_up "nothing can be laid over /usr"
for word in $(cat /proc/cmdline); do
    case $word in
        harness.overlay=*) tar -x -f "${word#*=}" -C / || give_up "the archive ${word#*=} cannot be unpacked" ;;
    esac
done
exec /sbin/init
