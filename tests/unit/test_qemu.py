"""The QEMU command line, as a pure function, and the connection to a monitor that does not answer."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.accel import Accelerator, make_tcg
from harness.errors import CancelledError, DeadlineError
from harness.qemu import MachineSpec, Monitor, make_argv, make_overlay_argv
from harness.wait import Cancellation, Deadline

SPEC = MachineSpec(
    name="debian-bookworm+legacy",
    disk=Path("/store/disk.qcow2"),
    kernel=Path("/store/vmlinuz"),
    initrd=Path("/store/initrd"),
    arguments=("systemd.unified_cgroup_hierarchy=0",),
    accelerator=make_tcg("There is no KVM."),
)


def command(spec: MachineSpec, console: Path = Path("/run/m/console.log")) -> list[str]:
    """Return the command line with everything but the machine fixed."""
    return make_argv(
        spec, overlay=Path("/run/m/overlay.qcow2"), port=42022, sockets=Path("/s"), console=console,
        pid1=Path("/run/m/pid1.log"), ssh_key="AAAA",
    )  # fmt: skip


GOLDEN = """\
qemu-system-x86_64 -nodefaults -no-user-config -display none
-name debian-bookworm+legacy
-machine q35
-accel tcg,thread=multi
-cpu Nehalem,vendor=AuthenticAMD,family=16,model=4,+rdrand,+svm,+npt
-smp 2
-m 1024
-kernel /store/vmlinuz
-initrd /store/initrd
-append console=ttyS0 root=/dev/vda rw net.ifnames=0 harness.ssh_key=AAAA harness.network=10.0.2.15/24,10.0.2.2 \
tsc=reliable mitigations=off norandmaps systemd.unified_cgroup_hierarchy=0
-action reboot=reset,shutdown=poweroff,panic=pause
-chardev socket,id=qmp,path=/s/qmp,server=on,wait=off
-mon chardev=qmp,mode=control
-chardev socket,id=console,path=/s/console,server=on,wait=off,logfile=/run/m/console.log,logappend=on
-serial chardev:console
-chardev file,id=pid1,path=/run/m/pid1.log,append=on
-serial chardev:pid1
-drive if=none,id=root,format=qcow2,cache=unsafe,discard=unmap,auto-read-only=off,file=/run/m/overlay.qcow2
-device virtio-blk-pci,drive=root
-chardev pipe,id=ssh,path=/s/ssh
-chardev socket,id=wake,path=/s/wake,server=on,wait=off
-netdev user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:42022-10.0.2.15:22,\
guestfwd=tcp:10.0.2.100:22-chardev:ssh,guestfwd=tcp:10.0.2.100:23-chardev:wake
-device virtio-net-pci,netdev=net,romfile=
-object rng-random,id=rng,filename=/dev/urandom
-device virtio-rng-pci,rng=rng
-device pvpanic"""


def test_golden_command() -> None:
    """The whole command line of an emulated machine is as it was reviewed."""
    lines = GOLDEN.split("\n")
    expected = [*lines[0].split(), *(part for line in lines[1:] for part in line.split(" ", 1))]

    assert expected == command(SPEC)


def test_kvm() -> None:
    """Under KVM the processor is the host's, and the kernel is not told what only holds under emulation."""
    kvm = Accelerator(name="kvm", cpu="host", reason="A kernel was booted.")
    line = command(replace(SPEC, accelerator=kvm))

    assert line[line.index("-accel") + 1] == "kvm"
    assert line[line.index("-cpu") + 1] == "host"
    assert "tsc=reliable" not in line[line.index("-append") + 1]


def test_network_is_only_what_was_asked_for() -> None:
    """Only a machine with a network reaches what is outside of it, and its saved memory is another one."""
    (confined,), (connected,) = (
        [part for part in command(replace(SPEC, network=network)) if part.startswith("user,")]
        for network in (False, True)
    )

    assert ",restrict=on," in confined
    assert ",restrict=off," in connected


def test_same_machine_twice() -> None:
    """The same specification gives the same command, as a memory image needs it."""
    assert command(SPEC) == command(replace(SPEC))


def test_commas_in_paths() -> None:
    """A comma in a path does not end the option that it is in."""
    line = command(SPEC, console=Path("/run/a,b=c/console.log"))

    assert any(part.endswith("logfile=/run/a,,b=c/console.log,logappend=on") for part in line)


def test_further_disks() -> None:
    """Further disks come after the root disk, read-only, in the order given."""
    line = command(replace(SPEC, disks=(Path("/a.raw"), Path("/b.qcow2"))))
    disks = [part for part in line if part.startswith("if=none")]

    assert ["root", "disk0", "disk1"] == [part.split("id=")[1].split(",")[0] for part in disks]
    assert all("readonly=on" in part for part in disks[1:])
    assert [part.split("format=")[1].split(",")[0] for part in disks[1:]] == ["raw", "qcow2"]


def test_overlay_names_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The overlay finds its base wherever it is opened from, so the base is an absolute path."""
    monkeypatch.chdir(tmp_path)

    assert str(tmp_path / "base.qcow2") in make_overlay_argv(Path("base.qcow2"), Path("overlay.qcow2"))


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """A socket at which somebody listens who never says what a monitor says."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "qmp"))
        listening.listen()
        yield tmp_path / "qmp"


def test_silent_monitor_interrupted(silent: Path) -> None:
    """An interruption while the monitor's greeting is awaited is that, and no error of the library that waits."""
    cancelled = Cancellation()
    cancelled.set()

    with pytest.raises(CancelledError):
        Monitor(silent, silent.with_name("events"), Deadline.after(5, "start", cancelled=cancelled))


def test_silent_monitor_deadline(silent: Path) -> None:
    """So is a deadline."""
    with pytest.raises(DeadlineError):
        Monitor(silent, silent.with_name("events"), Deadline.after(0.2, "start"))
