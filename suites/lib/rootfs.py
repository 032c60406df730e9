"""Root file systems for containers, made in the guest from what the guest has.

tiny      the guest's static busybox on a tmpfs; shared by all containers that only read it
overlay   a writable layer over another tree, for one container
system    a writable layer over the guest's own /, for a container with its own systemd as PID 1
"""

from collections.abc import Mapping

from suites.lib.guest import Guest

__all__ = ["READY", "SERVICE", "TARGET", "Rootfs"]

TARGET = "harness.target"
"""What a container with its own systemd boots into."""

SERVICE = "harness-probe.service"
"""A service of that target, to look where it lands."""

READY = "/run/harness-ready"
"""File in the container that says that the target was reached."""

TINY = r"""
mkdir -p "$1" && mount -t tmpfs -o mode=0755,size=64m harness "$1" && cd "$1" || exit
mkdir -p bin dev etc mnt proc root run sys tmp usr/bin usr/lib/systemd var
chmod 1777 tmp
cp "$(command -v busybox)" bin/busybox && chroot . /bin/busybox --install -s /bin
# A set-user-id program that says what it is: su without a password for root.
rm bin/su && cp bin/busybox bin/su && chmod 4755 bin/su && mkdir mnt/a mnt/b mnt/c srv srv/masked
echo secret >srv/masked/file; echo secret >srv/secret; ln -s /mnt srv/link; mkdir srv/kernel
printf 'root::0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nuser:x:1000:\nmore:x:2001:user\nothers:x:2002:root,user\n' >etc/group
printf 'ID=harness\nNAME=harness\n' >etc/os-release
: >etc/localtime; : >etc/resolv.conf; : >etc/machine-id
# nspawn asks the tree for its users in this way (getent passwd, getent initgroups), and busybox has no getent.
cat >usr/bin/getent <<'END'
#!/bin/sh
[ "$1" = initgroups ] || exec grep -E "^($2:|[^:]*:[^:]*:$2:)" /etc/passwd
groups=$2
while IFS=: read -r _ _ gid members; do
    case ",$members," in *",$2,"*) groups="$groups $gid" ;; esac
done </etc/group
echo "$groups"
END
chmod 0755 usr/bin/getent
# nspawn gives a container the guest's cgroup mode only if the tree looks as if its systemd knew that mode.
: >"usr/lib/systemd/libsystemd-shared-$2.so"
"""

OVERLAY = r"""
mkdir -p "$2" && mount -t tmpfs -o mode=0755 harness "$2" && mkdir "$2/upper" "$2/work" "$2/root" || exit
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" harness "$2/root"
"""

PARTS = r"""
[ $? -eq 0 ] || exit
# A layer over / does not reach what is mounted below it: /usr and /etc are mounts of their own in guests of Flatcar.
for part in usr etc; do
    mountpoint -q "${1%/}/$part" || continue
    mkdir "$2/upper-$part" "$2/work-$part"
    mount -t overlay -o "lowerdir=${1%/}/$part,upperdir=$2/upper-$part,workdir=$2/work-$part" harness "$2/root/$part" || exit
done
cd "$2/root" || exit
ready=$3
shift 3
: >etc/machine-id
# systemd would take the machine's id from D-Bus, and not from what runs the container.
rm -f etc/fstab var/lib/dbus/machine-id
cd etc/systemd/system || exit
printf '[Unit]\nAfter=basic.target multi-user.target harness-probe.service\n[Service]\nType=oneshot\nExecStart=/bin/touch %s\n' \
    "$ready" >harness-ready.service
# Not --unit= on PID 1's command line: systemd 262 ignores it in a container.
ln -sf harness.target default.target
"""
"""Mounts the layers, and has a target that says when it is reached."""

SMALL = r"""
set -- ssh.service harness-ssh.service harness-console.service systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
    systemd-timesyncd.service systemd-udevd.service systemd-logind.service dbus.service dbus.socket \
    dev-hugepages.mount systemd-update-utmp.service systemd-sysctl.service systemd-remount-fs.service \
    systemd-journal-catalog-update.service ldconfig.service systemd-hwdb-update.service systemd-sysusers.service
rm -rf "$@" multi-user.target.wants timers.target.wants \
    ../../../usr/lib/systemd/system-generators || exit
# An empty unit file masks the unit as a link to /dev/null does (systemd.unit(5)), and costs no process.
for unit; do : >"$unit"; done
printf '[Service]\nExecStart=/bin/sleep infinity\n' >harness-probe.service
printf '[Unit]\nRequires=basic.target\nAfter=basic.target harness-ready.service\n%s\n' \
    'Wants=harness-probe.service harness-ready.service' >harness.target
"""
"""Few units, as a boot of all of them takes a while."""

FULL = r"""
# What the image's makers switched off or on for the guest; a unit of people is a file or a directory.
find . -type l ! -name default.target -delete
rm -rf ssh.service harness-ssh.service harness-console.service systemd-udev-trigger.service.d ../journald.conf.d/harness.conf
mkdir -p multi-user.target.wants ../../../var/log/journal || exit
for unit in systemd-networkd.service systemd-resolved.service; do
    for place in /usr/lib /lib; do
        [ ! -e "../../..$place/systemd/system/$unit" ] || ln -sf "$place/systemd/system/$unit" multi-user.target.wants/
    done
done
wanted=harness-ready.service
while [ $# -gt 1 ]; do
    printf '%s\n' "$2" >"$1" && wanted="$wanted $1" || exit
    shift 2
done
printf '[Unit]\nRequires=multi-user.target\nAfter=multi-user.target harness-ready.service\nWants=%s\n' "$wanted" >harness.target
"""
"""All units of the guest's system, and services of the cases: each a unit's name and its text."""

GONE = r"""
for directory; do
    [ -d "$directory" ] || continue
    n=30
    until
        for part in usr etc; do [ ! -d "$directory/upper-$part" ] || umount "$directory/root/$part"; done
        [ ! -d "$directory/root/etc" ] || umount "$directory/root"
        umount "$directory"
        rmdir "$directory"
    do
        [ $((n -= 1)) -gt 0 ] || exit
        sleep 0.1
    done
done
"""
"""Unmounts and removes the directories.

The kernel takes the copies of a mount away some time after the last process of their namespace has ended, and a
copy that is in use makes the mount itself busy (mount_namespaces(7), propagation): so it is tried for three seconds.
"""


class Rootfs:
    """Makes trees below one directory of the guest, and removes them."""

    def __init__(self, guest: Guest, directory: str, systemd: str) -> None:
        self.guest = guest
        self.directory = directory
        self.systemd = systemd
        self._tiny = ""

    def make_tiny(self) -> str:
        """Return the shared tree with busybox; it is made when it is first wanted."""
        if not self._tiny:
            path = f"{self.directory}/tiny"
            self.guest.do(TINY, path, self.systemd)
            self._tiny = path
        return self._tiny

    def make_overlay(self, name: str, lower: str) -> str:
        """Return a writable layer over `lower` for the container `name`."""
        self.guest.do(OVERLAY, lower, f"{self.directory}/{name}")
        return f"{self.directory}/{name}/root"

    def make_system(self, name: str, units: Mapping[str, str] | None = None, lower: str = "/") -> str:
        """Return a writable layer over the guest's own system, or over another one, which boots into `TARGET`.

        It has few services, or with `units`, further ones by their names, all that the system has.
        """
        made = SMALL if units is None else FULL
        words = [word for pair in (units or {}).items() for word in pair]
        self.guest.do(OVERLAY + PARTS + made, lower, f"{self.directory}/{name}", READY, *words)
        return f"{self.directory}/{name}/root"

    def remove(self, name: str) -> None:
        """Remove the tree of a container, if it had its own."""
        self.guest.do(GONE, f"{self.directory}/{name}")

    def close(self) -> None:
        """Remove the shared tree and the directory."""
        self.guest.do(GONE, f"{self.directory}/tiny", self.directory)
        self._tiny = ""
