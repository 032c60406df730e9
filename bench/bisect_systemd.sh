#!/bin/sh
# What `git bisect run` runs in bench/bisect_systemd.py: the script that somebody writes in an hour.
# It builds the revision in the current directory from scratch, makes an image, boots it, and looks where nspawn puts
# a container. It ends with 0 (good), 1 (bad), or 125 (cannot be tested), and wants root.
#
# The first argument is a directory that was prepared once: `chroot` with compiler, libraries and the file `options`,
# the arguments of meson, one a line; and `packages` and `sources.list`, from which mmdebstrap makes the image.
# Somebody who gave it a second hour would let ccache help and keep what mmdebstrap made: with CAREFUL=1 it does.
set -u
work=$1

skip() {
    echo "skip: $1"
    exit 125
}

echo "== build $(git rev-parse HEAD)"
rm -rf "$work/chroot/source" "$work/chroot/build" "$work/chroot/out"
mkdir "$work/chroot/source"
git archive HEAD | tar -x -C "$work/chroot/source" || exit 128
# shellcheck disable=SC2016 # the inner shell expands them
unshare --mount --pid --fork --mount-proc="$work/chroot/proc" chroot "$work/chroot" \
    env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 CC="${CAREFUL:+ccache }cc" CFLAGS=-O2 CCACHE_DIR=/ccache \
    xargs -d '\n' -a /options sh -c '
        meson setup "$@" /build /source && ninja -C /build && DESTDIR=/out meson install --no-rebuild -C /build
    ' meson >"$work/build.log" 2>&1 </dev/null || skip "it does not build: $(grep -m 1 'error:' "$work/build.log")"

echo "== image"
rm -rf "$work/root" "$work/disk.raw"
debian() {
    unshare --mount mmdebstrap --quiet --variant=essential --include="$(cat "$work/packages")" \
        "$RELEASE" "$1" - <"$work/sources.list" || exit 128
}
if [ -n "${CAREFUL:-}" ]; then
    [ -e "$work/base.tar" ] || debian "$work/base.tar"
    mkdir "$work/root"
    tar -x -C "$work/root" -f "$work/base.tar" || exit 128
else
    debian "$work/root"
fi
tar -c -C "$work/chroot/out" . | tar -x -C "$work/root" --keep-directory-symlink || exit 128
mkdir -p "$work/root/srv/container/usr/bin" "$work/root/srv/container/etc"
cp "$work/root/bin/busybox" "$work/root/srv/container/usr/bin/busybox"
ln -s usr/bin "$work/root/srv/container/bin"
ln -s busybox "$work/root/srv/container/usr/bin/sleep"
echo ID=container >"$work/root/srv/container/etc/os-release"
cat >"$work/root/usr/local/sbin/look" <<'END'
#!/bin/sh
systemctl --version | head -n 1
systemd-run --quiet --unit=it --property=Type=notify --property=NotifyAccess=all -- \
    systemd-nspawn --quiet --machine=it --directory=/srv/container --private-network --link-journal=no --as-pid2 -- \
    /bin/sleep 1000
leader=$(machinectl show --property=Leader --value it)
cat "/proc/$leader/cgroup"
case $(cat "/proc/$leader/cgroup") in
    */machine-it.scope/payload) echo "VERDICT good" ;;
    */machine-it.scope*) echo "VERDICT bad" ;;
    *) echo "VERDICT none" ;;
esac
poweroff --force
END
chmod 0755 "$work/root/usr/local/sbin/look"
cat >"$work/root/etc/systemd/system/look.service" <<'END'
[Unit]
After=dbus.service systemd-logind.service
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/look
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
[Install]
WantedBy=multi-user.target
END
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -s ../look.service "$work/root/etc/systemd/system/multi-user.target.wants/look.service"
mkfs.ext4 -q -d "$work/root" "$work/disk.raw" 3G || exit 128

echo "== boot"
rm -f "$work/console" "$work/answer"
timeout 900 qemu-system-x86_64 -nodefaults -display none -machine q35 -accel "${ACCELERATOR:-tcg}" -cpu max -smp 2 -m 1024 \
    -kernel "$work/root/boot/"vmlinuz-* -initrd "$work/root/boot/"initrd.img-* \
    -append "root=/dev/vda rw console=ttyS0 panic=-1 systemd.unified_cgroup_hierarchy=1" -no-reboot \
    -drive "if=virtio,format=raw,cache=unsafe,file=$work/disk.raw" -serial "file:$work/console" \
    -serial "file:$work/answer"
verdict=$(sed -n 's/^VERDICT \([a-z]*\).*/\1/p' "$work/answer")
echo "== $verdict"
case $verdict in
    good) exit 0 ;;
    bad) exit 1 ;;
    *) skip "no answer of the guest; see $work/console" ;;
esac
