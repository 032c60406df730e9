"""What a virtual machine stands on, layer by layer; and which of them is the first that is broken.

When rkt's kvm flavor stopped working nobody could say where. So every failure here names a layer, with what was seen of
it: those above it say nothing then.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from suites.lib.guest import Guest, Result

__all__ = [
    "COMMAND", "DEVICE", "MICROVM", "MONITOR", "SAYS", "SUM", "Broken", "Layer", "Platform", "Trial", "run_flat",
    "write_flat",
]  # fmt: skip

DEVICE = "/dev/kvm"

SUM = sum(range(101))
"""What the program in the virtual processor adds up."""

PROGRAM = Path(__file__).with_name("device.pl").read_text("utf-8")
"""The smallest monitor: system calls, one after the other."""

MONITOR = "qemu-system-x86_64-microvm"
"""QEMU with the machine type microvm alone, as Debian has it; it knows no accelerator but KVM."""

MICROVM = "microvm,pit=off,pic=off,rtc=off"
"""QEMU, docs/system/i386/microvm.rst: what a kernel with a paravirtual clock can do without."""

COMMAND = (MONITOR, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", "kvm", "-cpu", "host")
"""What each use of it begins with."""

BOUNDED = ("sh", "-c", '"$@"; exit $?', "sh", "timeout", "-s", "KILL", "60")
"""A command that is killed after a minute. Newer timeout(1) fails where it is process 1, as it may be in a container."""

SAYS = "harness"
"""What the flat guest says on its serial port."""

# It has no stack, no memory, and no interrupt table: `int3` is a triple fault, at which the monitor ends.
#     cld; mov si, text; mov dx, 0x3f8; next: cs lodsb; test al, al; jz done; out dx, al; jmp next
#     done: cs lidt [zero]; int3
# Intel's manual, volume 3, 9.1.4: the first instruction is 16 bytes below 4 GiB, where the image ends.
FLAT = bytes.fromhex("fc be1a00 baf803 2eac 84c0 7403 ee ebf7 2e0f011e2400 cc 909090") + f"{SAYS}\n".encode().ljust(
    16, b"\0"
)
RESET = bytes.fromhex("e90d00").ljust(16, b"\0")
SIZE = 0x10000

WRITE = r"""
mkdir -p "$1" && head -c "$2" /dev/zero >"$1/flat" || exit
printf "$3" | dd of="$1/flat" conv=notrunc 2>/dev/null
printf "$4" | dd of="$1/flat" conv=notrunc bs=1 seek=$(($2 - 16)) 2>/dev/null
"""

LOOK = r"""
flag=$(grep -m 1 -owE 'svm|vmx' /proc/cpuinfo | head -n 1)
case $flag in svm) module=kvm_amd ;; vmx) module=kvm_intel ;; esac
echo "flag $flag"
sed -n 's/^model name[^:]*: /model /p;T;q' /proc/cpuinfo
[ -z "$module" ] || modprobe "$module" 2>&1 | sed 's/^/modprobe /'
[ -z "$module" ] || [ ! -e "/sys/module/$module" ] || echo "module $module"
echo "device $(ls -l /dev/kvm 2>&1)"
echo "number $((0x$(stat -c %t /dev/kvm 2>/dev/null || echo 0))):$((0x$(stat -c %T /dev/kvm 2>/dev/null || echo 0)))"
echo "misc $(sed -n 's/^ *\([0-9]*\) kvm$/10:\1/p' /proc/misc)"
dmesg | grep -iE 'kvm|svm|vmx' | tail -n 5 | sed 's/^/kernel /'
"""


class Layer(StrEnum):
    """What a pod in a virtual machine stands on, from the bottom."""

    PROCESSOR = "processor"
    MODULE = "module"
    DEVICE = "device"
    MACHINE = "virtual machine"
    MONITOR = "monitor"
    KERNEL = "kernel"
    ROOT = "root file system"
    NETWORK = "network"
    APP = "app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A layer that is broken.

    Attributes:
        layer: Which.
        evidence: What was seen of it.
    """

    layer: Layer
    evidence: str

    def __str__(self) -> str:
        return f"broken in the layer {self.layer}: {self.evidence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the smallest monitor saw.

    Attributes:
        steps: What each step gave, in order.
        exits: Why the virtual processor stopped, each time that it did: "io", "hlt", "interrupted".
        failed: The step that failed with its reason, or empty.
    """

    steps: Mapping[str, str]
    exits: tuple[str, ...] = ()
    failed: str = ""

    @classmethod
    def parse(cls, result: Result) -> "Trial":
        """Read the lines of device.pl."""
        pairs = [(name, value) for name, _, value in (line.partition(" ") for line in result.out.splitlines())]
        steps = dict(pairs)
        exits = tuple(value for name, value in pairs if name == "exit")
        last = result.out.strip().rpartition("\n")[2]
        failed = "" if "stored" in steps else f"{last or 'nothing was said'} {result.err.strip()}".strip()
        return cls(steps=steps, exits=exits, failed=failed)

    @staticmethod
    def make_command(program: str) -> tuple[str, ...]:
        """Return the smallest monitor with the program "sum" or "loop"."""
        return (*BOUNDED, "perl", "-e", PROGRAM, program)

    @classmethod
    def run(cls, guest: Guest, program: str) -> "Trial":
        """Return what it sees in the guest."""
        return cls.parse(guest.sh('"$@"', *cls.make_command(program)))

    @property
    def broken(self) -> Broken | None:
        """Whether the device did what a monitor needs."""
        if self.failed:
            return Broken(layer=Layer.MACHINE, evidence=self.failed)
        if self.steps.get("accumulator") != str(SUM):
            return Broken(layer=Layer.MACHINE, evidence=f"the processor did not add up: {self.steps}, {self.exits}")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What the guest has below a virtual machine.

    Attributes:
        flag: The processor's virtualization: "svm" (AMD's), "vmx" (Intel's) or empty.
        model: The processor's name.
        module: The kernel's module for it, once it is loaded.
        device: What `ls -l` says of the device.
        number: Its major and minor number.
        misc: The number that the kernel gave to it.
        said: What modprobe and the kernel said.
    """

    flag: str = ""
    model: str = ""
    module: str = ""
    device: str = ""
    number: str = ""
    misc: str = ""
    said: tuple[str, ...] = ()

    @classmethod
    def look(cls, guest: Guest) -> "Platform":
        """Load the module, and look."""
        facts: dict[str, str] = {}
        said = []
        for line in guest.do(LOOK).splitlines():
            name, _, value = line.partition(" ")
            if name in ("modprobe", "kernel"):
                said.append(value)
            else:
                facts[name] = value
        return cls(said=tuple(said), **facts)

    @property
    def broken(self) -> Broken | None:
        """The first of its layers that is broken."""
        if not self.flag:
            return Broken(layer=Layer.PROCESSOR, evidence=f"{self.model} has neither svm nor vmx")
        if not self.module:
            return Broken(layer=Layer.MODULE, evidence="; ".join(self.said) or f"there is none for {self.flag}")
        if not self.misc or self.number != self.misc:
            seen = f"{self.device}, and the kernel calls it {self.misc or 'nothing'}"
            return Broken(layer=Layer.DEVICE, evidence="; ".join((seen, *self.said)))
        return None


def write_flat(guest: Guest, directory: str) -> None:
    """Write the flat guest's image, which is called `flat`."""
    guest.do(WRITE, directory, str(SIZE), _format_printf(FLAT), _format_printf(RESET))


def run_flat(directory: str, memory: int = 16) -> tuple[str, ...]:
    """Return the command that lets QEMU run the flat guest, which says `SAYS` and ends.

    Args:
        directory: Where the image is.
        memory: MiB of the guest, which QEMU takes from the kernel before it begins.
    """
    return (
        *BOUNDED, *COMMAND, "-machine", f"{MICROVM},memory-backend=memory", "-object",
        f"memory-backend-ram,id=memory,size={memory}M,prealloc=on", "-m", str(memory), "-serial", "stdio",
        "-bios", f"{directory}/flat",
    )  # fmt: skip


def _format_printf(data: bytes) -> str:
    """Return the bytes as a format of printf(1)."""
    return re.sub(rb"[^A-Za-z0-9 ]", lambda found: b"\\%03o" % found[0][0], data).decode()
