"""Boot a guest: from a specification to a guest that answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.accel import Accelerator
from harness.distros.protocol import BootOptions
from harness.errors import DeadlineError
from harness.image import Image, make_overlay_arguments
from harness.machine.guest import Machine
from harness.machine.qemu_process import find_free_port, start_qemu
from harness.qemu import ROOT, MachineSpec, MemoryFile, Monitor
from harness.wait import Deadline, poll

__all__ = ["boot", "boot_with_monitor", "specify"]

NETWORK_UP = b": the network is up"
"""What the initrd prints, or a unit of the guest: harness/distros/init.sh."""

LOOKED_AT = 1 << 20
"""Bytes of a console that are looked at at once."""


def specify(  # noqa: PLR0913 - each is one fact
    image: Image,
    *,
    name: str,
    arguments: tuple[str, ...],
    accelerator: Accelerator,
    cores: int = 2,
    memory: int = 1024,
    overlays: tuple[Path, ...] = (),
    disks: tuple[Path, ...] = (),
    options: BootOptions | None = None,
    network: bool = False,
) -> MachineSpec:
    """Return the machine that boots an image with archives laid over it, and further disks after those.

    The arguments are attributes of `MachineSpec`. `options` are what the image's distro wants, see
    `Distro.make_boot_options`; None for a plain root file system.
    """
    wanted = options or BootOptions()
    return MachineSpec(
        name=name,
        disk=image.disk,
        kernel=image.kernel,
        initrd=image.initrd,
        root=wanted.root or ROOT,
        arguments=(*arguments, *make_overlay_arguments(overlays), *wanted.arguments),
        accelerator=accelerator,
        cores=cores,
        memory=memory,
        disks=(*overlays, *disks),
        fw_cfg=wanted.fw_cfg,
        network=network,
    )


@contextmanager
def boot(
    spec: MachineSpec, directory: Path, deadline: Deadline, *, ports: Callable[[], int] = find_free_port, note: str = ""
) -> Iterator[Machine]:
    """Boot a guest, and yield it when it is up; it is destroyed when the context ends.

    What an earlier machine left in the directory is cleaned up first. After the end the evidence stays there
    (machine.json, console.log, qemu.log, events.jsonl), and no process, socket, key or disk.

    The deadline is for the boot alone. `ports` gives a port to try for ssh, and another one when that is taken; `note`
    says why it is booted although a saved memory was wanted, see `MachineRecord.note`.

    Raises:
        GuestLostError: It died in the boot; the message has the last lines of its console.
        DeadlineError: It was not up in time; so has this message.
        InfrastructureError: QEMU did not start.
    """
    with boot_with_monitor(spec, directory, deadline, ports=ports, note=note) as (machine, _):
        yield machine


@contextmanager
def boot_with_monitor(
    spec: MachineSpec,
    directory: Path,
    deadline: Deadline,
    *,
    ports: Callable[[], int] = find_free_port,
    note: str = "",
    memory: MemoryFile | None = None,
) -> Iterator[tuple[Machine, Monitor]]:
    """Boot a guest as `boot` does, and yield it with the connection to QEMU's monitor; `memory` is a file for its memory."""
    with start_qemu(spec, directory, deadline, ports=ports, note=note, memory=memory) as (machine, monitor):
        try:
            _wait_network(machine, deadline)
            machine.wait_ready(deadline)
        except DeadlineError as error:
            raise DeadlineError(f"{error} See {machine.files.console}:\n{machine.console.format_excerpt()}") from error
        yield machine, monitor


def _wait_network(machine: Machine, deadline: Deadline) -> None:
    """Wait until the console says that the guest's network is up.

    Before that QEMU accepts a connection and keeps it for a guest that is not there; it would come
    back to sshd later, and cost a process each, when nobody waits for it any more.
    """
    seen = 0

    def attempt() -> bool | None:
        nonlocal seen
        machine.check()
        with machine.files.console.open("rb") as file:
            file.seek(seen)
            new = file.read(LOOKED_AT)
        # What is cut off at the end is looked at again.
        seen += max(0, len(new) - len(NETWORK_UP))
        return True if NETWORK_UP in new else None

    poll(attempt, deadline)
