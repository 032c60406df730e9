"""QEMU: what a machine looks like (`MachineSpec` to argv, a pure function) and how to talk to it (QMP)."""

import asyncio
import json
import logging
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import QMPClient, QMPError

from harness.accel import QEMU, Accelerator
from harness.errors import InfrastructureError
from harness.wait import SLICE, Deadline

__all__ = [
    "ADDRESS", "DOORS", "MEMORY", "ROOT", "SSH_DOOR", "WAKE_DOOR", "MachineSpec", "MemoryFile", "Monitor", "escape_value",
    "make_argv", "make_memory_argv", "make_overlay_argv",
]  # fmt: skip

logger = logging.getLogger(__name__)

# The library logs as errors what is raised as well, and here is a reason to try again.
logging.getLogger("qemu").addHandler(logging.NullHandler())

T = TypeVar("T")

ADDRESS = "10.0.2.15"
"""Guest's address in QEMU's user network; the gateway is 10.0.2.2, the name server 10.0.2.3."""
GATEWAY = "10.0.2.2"

DOORS = "10.0.2.100"
"""Address at which the guest reaches the doors to this computer, see `machine.cloning`."""
SSH_DOOR = 22
"""TCP port of the pipes `ssh.in` and `ssh.out`."""
WAKE_DOOR = 23
"""TCP port of the socket `wake`."""

ROOT = ("root=/dev/vda", "rw")
"""Words of the kernel's command line about a disk that is a root file system."""

EMULATED = ("tsc=reliable", "mitigations=off", "norandmaps")
"""Kernel arguments under TCG: there the time stamp counters are one, though the kernel cannot know, and
reading another clock leaves the emulated processor; there is no speculation to mitigate; and code that is at the same
address in every process is translated once (a fifth of a suite's time)."""

EVENTS = ("SHUTDOWN", "RESET", "STOP", "RESUME", "GUEST_PANICKED", "BLOCK_IO_ERROR")
"""QMP events that are written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """A virtual machine that is asked for.

    Attributes:
        name: The guest as messages name it: the cell's id.
        disk: Immutable base disk, qcow2; the machine writes to an overlay on it.
        kernel: Linux kernel that QEMU loads itself.
        initrd: Its initrd; None where the kernel has one in it.
        root: What the kernel's command line says about the disk.
        arguments: Kernel command line, in addition to what the machine itself needs.
        accelerator: What runs it, see `accel.probe`.
        cores: Number of virtual processors.
        memory: Main memory in MiB.
        disks: Further read-only disks, raw or .qcow2: /dev/vdb, /dev/vdc ...
        fw_cfg: What the guest's firmware finds by name, with `SSH_KEY` where the machine's key belongs.
        network: Whether it reaches other computers, and what listens on this one's loopback.
    """

    name: str
    disk: Path
    kernel: Path
    initrd: Path | None
    root: tuple[str, ...] = ROOT
    arguments: tuple[str, ...] = ()
    accelerator: Accelerator
    cores: int = 2
    memory: int = 1024
    disks: tuple[Path, ...] = ()
    fw_cfg: Mapping[str, str] = field(default_factory=dict)
    network: bool = False


MEMORY = "memory-backend=ram"
"""Word of `-machine` that makes what `make_memory_argv` names its main memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFile:
    """A file that is a machine's main memory.

    Attributes:
        shared: Whether what the machine writes goes to the file; else each machine has pages of its own for it.
        options: More words, each with a comma before it.
    """

    path: Path
    shared: bool
    options: str = ""


def make_memory_argv(memory: MemoryFile, size: int) -> list[str]:
    """Return QEMU's options for a memory of so many MiB in a file."""
    share = "on" if memory.shared else "off"
    place = escape_value(memory.path)
    return [
        "-m",
        str(size),
        "-object",
        f"memory-backend-file,id=ram,size={size}M,mem-path={place},share={share}{memory.options}",
    ]


def make_argv(  # noqa: PLR0913 - all that a machine consists of
    spec: MachineSpec,
    *,
    overlay: Path,
    port: int,
    sockets: Path,
    console: Path,
    pid1: Path,
    ssh_key: str,
    fw_cfg: Mapping[str, Path] | None = None,
    memory: MemoryFile | None = None,
    incoming: bool = False,
    confinement: Sequence[str] = (),
) -> list[str]:
    """Return the command that runs a machine.

    virtio-blk and not NVMe: only the former can be saved and restored (QEMU's nvme device blocks
    migration). A panic pauses the machine, so that the console log ends with its cause. The devices
    are in a fixed order, as a memory image is restored into exactly the same machine only. q35 and not
    pc: its interrupt routing costs less under emulation (half a second of a boot).

    Args:
        spec: The machine.
        overlay: Its writable qcow2 file.
        port: Loopback port that is forwarded to the guest's ssh.
        sockets: Directory for the sockets `qmp`, `console` and `wake`, and with the pipes `ssh.in` and `ssh.out`;
            short, see `machine.files`.
        console: File to which the serial console is logged.
        pid1: File to which the second serial port is written, see `machine.pid1`.
        ssh_key: Public half of its ed25519 key, the base64 part.
        fw_cfg: Files of the machine that its firmware hands on, by name.
        memory: Its main memory; nobody else's and nowhere for None.
        incoming: Whether it waits for a saved state, instead of booting.
        confinement: Options that keep QEMU from the rest of this computer, see `confinement`; a saved memory does not
            depend on them.
    """
    logged = f"logfile={escape_value(console)},logappend=on"
    command_line = [
        "console=ttyS0", *spec.root, "net.ifnames=0",
        f"harness.ssh_key={ssh_key}", f"harness.network={ADDRESS}/24,{GATEWAY}",
        *(EMULATED if spec.accelerator.name == "tcg" else ()),
        *spec.arguments,
    ]  # fmt: skip
    result = [
        QEMU, "-nodefaults", "-no-user-config", "-display", "none",
        "-name", escape_value(spec.name),
        "-machine", f"q35,{MEMORY}" if memory else "q35",
        "-accel", "kvm" if spec.accelerator.name == "kvm" else "tcg,thread=multi",
        "-cpu", spec.accelerator.cpu,
        "-smp", str(spec.cores),
        *(make_memory_argv(memory, spec.memory) if memory else ("-m", str(spec.memory))),
        "-kernel", str(spec.kernel),
        *(() if spec.initrd is None else ("-initrd", str(spec.initrd))),
        *(word for name, file in (fw_cfg or {}).items() for word in ("-fw_cfg", f"name={name},file={escape_value(file)}")),
        "-append", " ".join(command_line),
        "-action", "reboot=reset,shutdown=poweroff,panic=pause",
        "-chardev", f"socket,id=qmp,path={escape_value(sockets / 'qmp')},server=on,wait=off",
        "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=console,path={escape_value(sockets / 'console')},server=on,wait=off,{logged}",
        "-serial", "chardev:console",
        "-chardev", f"file,id=pid1,path={escape_value(pid1)},append=on",
        "-serial", "chardev:pid1",
        # The overlay is thrown away with the machine, so nothing must reach the disk of the host. It is opened for writing
        # at once: when a memory is loaded, QEMU is another user, who may not open it again.
        "-drive",
        f"if=none,id=root,format=qcow2,cache=unsafe,discard=unmap,auto-read-only=off,file={escape_value(overlay)}",
        "-device", "virtio-blk-pci,drive=root",
    ]  # fmt: skip
    for number, disk in enumerate(spec.disks):
        kind = "qcow2" if disk.suffix == ".qcow2" else "raw"
        result += ["-drive", f"if=none,id=disk{number},format={kind},readonly=on,file={escape_value(disk)}"]
        result += ["-device", f"virtio-blk-pci,drive=disk{number}"]
    # Connections to `guestfwd` are saved with a guest, those through `hostfwd` are not; `restrict` leaves both.
    restrict = "off" if spec.network else "on"
    doors = f"guestfwd=tcp:{DOORS}:{SSH_DOOR}-chardev:ssh,guestfwd=tcp:{DOORS}:{WAKE_DOOR}-chardev:wake"
    return [
        *result,
        "-chardev", f"pipe,id=ssh,path={escape_value(sockets / 'ssh')}",
        "-chardev", f"socket,id=wake,path={escape_value(sockets / 'wake')},server=on,wait=off",
        "-netdev", f"user,id=net,restrict={restrict},hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:22,{doors}",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-object", "rng-random,id=rng,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng",
        "-device", "pvpanic",
        *(("-incoming", "defer") if incoming else ()),
        *confinement,
    ]  # fmt: skip


def make_overlay_argv(base: Path, overlay: Path) -> list[str]:
    """Return the command that makes a writable disk on an immutable one."""
    return ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base.resolve()), str(overlay)]


def escape_value(value: Path | str) -> str:
    """Return a value inside of QEMU's comma-separated options, where a comma is written twice."""
    return str(value).replace(",", ",,")


class Monitor:
    """A connection to QEMU's monitor (QMP); every event is written to a file as it comes.

    The library speaks asyncio; a thread of our own runs its loop, so that everybody else need not.
    """

    def __init__(self, socket: Path, events: Path, deadline: Deadline) -> None:
        """Connect to the monitor at `socket`, and append events to `events` as lines of JSON.

        Raises:
            DeadlineError: It did not answer in time.
            InfrastructureError: Nobody listens there, or it is no monitor.
        """
        self._events = events
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        self._client = QMPClient("harness")
        self._begun: list[asyncio.Task[None]] = []
        try:
            self._wait(self._open(str(socket)), deadline)
        except (QMPError, OSError) as error:
            self.close()
            raise InfrastructureError(f"QEMU's monitor at {socket} does not answer: {error}.") from error
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, deadline: Deadline, **arguments: object) -> object:
        """Execute a QMP command and return its answer.

        Raises:
            InfrastructureError: QEMU refused it, or is gone.
            DeadlineError: It did not answer in time.
        """
        try:
            return self._wait(self._client.execute(command, arguments or None), deadline)
        except (QMPError, OSError, asyncio.CancelledError) as error:
            raise InfrastructureError(f"QEMU did not execute `{command}`: {error}.") from error

    def send_descriptor(self, name: str, descriptor: int, deadline: Deadline) -> None:
        """Give QEMU a copy of an open descriptor, which commands then call `name`; raises as `execute` does."""

        async def send() -> None:
            self._client.send_fd_scm(descriptor)

        self._wait(send(), deadline)
        self.execute("getfd", deadline, fdname=name)

    def close(self) -> None:
        """Disconnect; idempotent."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T], deadline: Deadline) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            # An answer takes a millisecond, so nobody waits a fixed time for it.
            while not futures.wait([future], timeout=min(SLICE, deadline.remaining)).done:
                deadline.check()
        except BaseException:
            future.cancel()
            raise
        return future.result()

    async def _open(self, socket: str) -> None:
        self._begun = [asyncio.create_task(self._listen())]
        connecting = asyncio.create_task(self._client.connect(socket))
        self._begun.append(connecting)
        await connecting

    async def _listen(self) -> None:
        with self._client.listener(EVENTS) as listener:
            async for event in listener:
                logger.debug("qmp: %s", event)
                with self._events.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(dict(event)) + "\n")

    async def _disconnect(self) -> None:
        # A connect that is cancelled disconnects on its own, and the library asserts that nobody else does meanwhile.
        for task in self._begun:
            task.cancel()
        await asyncio.gather(*self._begun, return_exceptions=True)
        try:
            await self._client.disconnect()
        except (QMPError, OSError, EOFError) as error:
            logger.debug("qmp: disconnected with %s", error)
