"""A pod in a virtual machine of its own: the runtime's container is the monitor, and the pod's rootfs is a disk.

So rkt's kvm flavor worked (its stage1 was QEMU or lkvm in the pod's cgroup and network namespace). Kernel and modules
are the guest's own; everything that the machine does it says on its console, one line for each layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from suites.kvm.layers import COMMAND, DEVICE, MICROVM, Broken, Layer
from suites.lib.engine import Container
from suites.lib.guest import Guest, Result
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

__all__ = ["DISK", "GUEST", "INSIDE", "LIMIT", "MEMORY", "POD", "PodMachine", "Wires"]

GUEST, POD = "198.51.100.1", "198.51.100.2"
"""Addresses of the guest and of the pod on the network that they share (RFC 5737)."""

MEMORY = 96
"""MiB of the machine."""

LIMIT = 320 * MIB
"""Bytes that the container may use, which has the monitor and the machine's memory."""

DISK = "virtio-blk-device"
"""The machine's disk. The small QEMU of Debian bullseye does not have it."""

TUN = "/dev/net/tun"
INSIDE = "/mnt"
"""Where the container has the machine's files."""

BOOT_SECONDS = 200
"""A stock kernel takes 10 s where an emulated processor virtualizes one, and more on a loaded computer."""

NETWORK = rf"""
modprobe tun && mkdir -p "$1/www/cgi-bin" && ip netns add "$2" || exit
# A tap belongs to its owner, who needs no capability for it; the bridge is between it and the guest.
ip -n "$2" link add bridge type bridge && ip -n "$2" tuntap add dev tap mode tap user 0 &&
    ip link add harnessvm type veth peer name eth0 netns "$2" && ip address add {GUEST}/30 dev harnessvm &&
    ip link set harnessvm up || exit
for link in tap eth0; do ip -n "$2" link set "$link" master bridge; done
for link in lo tap eth0 bridge; do ip -n "$2" link set "$link" up; done
printf '#!/bin/sh\necho; echo "$REMOTE_ADDR guest"\n' >"$1/www/cgi-bin/who" && chmod 0755 "$1/www/cgi-bin/who" || exit
busybox httpd -f -p {GUEST}:80 -h "$1/www" >/dev/null 2>&1 </dev/null & echo $!
"""

NO_NETWORK = """
kill "$3"
ip link del harnessvm
ip netns del "$2"
rm -rf "$1"
"""

FILES = r"""
mkdir -p "$1/initrd/bin" "$1/initrd/modules" "$1/root" && cd "$1" || exit
release=$(uname -r)
for file in "/boot/vmlinuz-$release" "/usr/lib/modules/$release/vmlinuz" /boot/flatcar/vmlinuz-a; do
    [ ! -e "$file" ] || { cp "$file" kernel; break; }
done
[ -e kernel ] || { echo "the guest has no file of its kernel $release" >&2; exit 1; }
cp "$(command -v busybox)" initrd/bin/busybox
n=100
for name in virtio_mmio virtio_blk virtio_net ext4; do modprobe --show-depends "$name"; done |
    while read -r how file _; do
        [ "$how" = insmod ] || continue
        n=$((n + 1)) name=${file##*/} name=${name%%.*}
        ls initrd/modules | grep -q "^...-$name.ko$" && continue
        case $file in
        *.xz) busybox xzcat "$file" ;;
        *.gz) busybox zcat "$file" ;;
        *) cat "$file" ;;
        esac >"initrd/modules/$n-$name.ko" || exit
    done || exit
printf %s "$3" >initrd/init && chmod 0755 initrd/init
(cd initrd && find . | busybox cpio -o -H newc 2>/dev/null) >initrd.img || exit
cp -a "$2/." root/ && mkdir -p root/pod root/www/cgi-bin && printf %s "$4" >root/pod/init || exit
printf '#!/bin/sh\necho; head -c "$CONTENT_LENGTH" >"/tmp/$$"; exec sh "/tmp/$$" 2>&1\n' >root/www/cgi-bin/run
chmod 0755 root/pod/init root/www/cgi-bin/run
mke2fs -q -t ext4 -O ^has_journal -d root disk 24M || exit
rm -rf initrd root
"""

INITRD = r"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/console 2>&1 </dev/console
read -r _ _ release _ </proc/version
echo "harness: kernel $release"
for module in /modules/*; do
    /bin/busybox insmod "$module" || echo "harness: insmod $module failed"
done
/bin/busybox mount -t ext4 /dev/vda /root || { echo "harness: there is no disk"; /bin/busybox sleep 5; exit; }
echo "harness: root"
for place in proc sys dev; do /bin/busybox mkdir -p "/root/$place"; /bin/busybox mount --move "/$place" "/root/$place"; done
exec /bin/busybox switch_root /root /pod/init
"""

INIT = rf"""#!/bin/sh
export PATH=/bin
mount -t tmpfs tmp /tmp
hostname pod
ip link set lo up
ip address add {POD}/30 dev eth0 && ip link set eth0 up && echo "harness: network"
httpd -p 80 -h /www && echo "harness: app"
# No pipe: what reads from it is process 1, which each orphan that ends would interrupt.
until [ -s /tmp/end ]; do sleep 0.2; done
read -r status </tmp/end
echo "$status" >/pod/status
sync
mount -o remount,ro /
echo "harness: end"
reboot -f
"""

REACHED = {
    "harness: kernel": Layer.KERNEL,
    "harness: root": Layer.ROOT,
    "harness: network": Layer.NETWORK,
    "harness: app": Layer.APP,
}
"""What the console says when a layer works."""

SAID = """
[ ! -e "/proc/$2" ] || echo runs
tail -n 5 "$1/monitor" 2>/dev/null || :
"""

WAIT = r"""
n=$3
until grep -qs "$4" "$1/console" || [ ! -e "/proc/$2" ]; do [ $((n -= 1)) -gt 0 ] || break; sleep 1; done
cat "$1/console" 2>/dev/null || :
"""

RUN = rf"""
timeout 30 busybox wget -q -O - --post-data "$1" http://{POD}/cgi-bin/run
"""

END = rf"""
timeout 30 busybox wget -q -O - --post-data "echo $2 >/tmp/end" http://{POD}/cgi-bin/run
n=300
while [ -e "/proc/$3" ]; do [ $((n -= 1)) -gt 0 ] || {{ echo "the monitor still runs" >&2; break; }}; sleep 0.1; done
debugfs -R 'cat /pod/status' "$1/disk"
tail -n 5 "$1/console" >&2
"""


class Wires:
    """The network namespace of the pod, with a tap for the machine, and a server in the guest that says who asks it."""

    def __init__(self, guest: Guest, prefix: str) -> None:
        self.guest = guest
        self.directory = f"/run/{prefix}-machine"
        self.namespace = f"{prefix}-machine"
        self._pid = guest.do(NETWORK, self.directory, self.namespace).strip()

    def close(self) -> None:
        """Remove all of it."""
        self.guest.do(NO_NETWORK, self.directory, self.namespace, self._pid)


@dataclass(kw_only=True)
class PodMachine:
    """A pod in its machine.

    Attributes:
        container: The container that is the monitor.
        directory: Where the guest has the machine's files.
        console: What the machine has said.
        reached: The layers that work, as the console says.
    """

    container: Container
    directory: str
    console: str = ""
    reached: set[Layer] = field(default_factory=set)

    @classmethod
    @contextmanager
    def boot(cls, runtime: ContainerRuntime, wires: Wires) -> Iterator[Self]:
        """Provide a machine that has booted, as far as it got."""
        runtime.guest.do(FILES, wires.directory, runtime.rootfs.make_tiny(), INITRD, INIT)
        with runtime.start(
            *_make_command(), system=True, first=True, devices=(DEVICE, TUN), memory=LIMIT,
            network=f"/run/netns/{wires.namespace}", mounts=(Mount(source=wires.directory, target=INSIDE),),
        ) as container:  # fmt: skip
            machine = cls(container=container, directory=wires.directory)
            machine.wait("harness: app", BOOT_SECONDS)
            yield machine

    def wait(self, line: str, seconds: int) -> None:
        """Wait until the console says something, or the monitor has ended."""
        guest = self.container.guest
        self.console = guest.do(WAIT, self.directory, str(self.container.pid), str(seconds), line)
        self.reached = {layer for line, layer in REACHED.items() if line in self.console}

    def find_broken(self, layer: Layer) -> Broken | None:
        """Return the first layer up to this one that did not work, with the end of the console."""
        for one in REACHED.values():
            if one not in self.reached:
                said = self.container.guest.do(SAID, self.directory, str(self.container.pid))
                runs = said.startswith("runs\n")
                own = said.removeprefix("runs\n").strip()
                last = "\n".join(self.console.splitlines()[-12:]) or "(nothing)"
                state = f"{'runs' if runs else 'has ended'}{', and says: ' if own else ''}{own}"
                first = one if runs or self.console else Layer.MONITOR
                return Broken(layer=first, evidence=f"the monitor {state}; the console's last lines:\n{last}")
            if one is layer:
                return None
        return None

    def do(self, script: str) -> str:
        """Run a shell script in the machine; what it says, on both channels, comes by the network, and has to."""
        result = self.container.guest.sh(RUN, script)
        assert result.code == 0, str(Broken(layer=Layer.APP, evidence=f"the machine does not answer: {result}"))
        return result.out

    def end(self, status: int) -> Result:
        """Let the pod end with a status, and return what is written on its disk then; with it comes the console's end."""
        return self.container.guest.sh(END, self.directory, str(status), str(self.container.pid))


def _make_command() -> tuple[str, ...]:
    arguments = "console=ttyS0 quiet panic=-1 reboot=t nokaslr mitigations=off norandmaps tsc=reliable"
    return (
        "sh", "-c", f'exec "$@" 2>{INSIDE}/monitor', "sh", *COMMAND, "-machine", MICROVM, "-smp", "1", "-m", str(MEMORY),
        "-kernel", f"{INSIDE}/kernel", "-initrd", f"{INSIDE}/initrd.img", "-append", arguments,
        "-drive", f"if=none,id=root,format=raw,cache=unsafe,file={INSIDE}/disk",
        "-device", f"{DISK},drive=root",
        "-netdev", "tap,id=net,ifname=tap,script=no,downscript=no",
        "-device", "virtio-net-device,netdev=net,mac=52:54:00:00:64:02",
        "-serial", f"file:{INSIDE}/console",
    )  # fmt: skip
