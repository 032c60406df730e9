"""Start QEMU for a machine, with its pipes, key, disk and port, and end it with nothing left."""

import logging
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from harness import proc
from harness.confinement import probe_confinement
from harness.distros.protocol import SSH_KEY
from harness.errors import HarnessError, InfrastructureError
from harness.machine.cleanup import clean, forget, remove_secrets
from harness.machine.files import (
    MachineFiles,
    MachineRecord,
    SavedMachine,
    format_ssh_config,
    make_pipes,
    make_record,
    make_short_directory,
    remove_sockets,
)
from harness.machine.guest import Machine
from harness.proc import Running
from harness.process_identity import read_start_time
from harness.qemu import MachineSpec, MemoryFile, Monitor, make_argv, make_overlay_argv
from harness.wait import Deadline, poll

__all__ = ["NotStartedError", "find_free_port", "start_qemu"]

logger = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often another port is taken when somebody else was faster."""

CLASH = "Could not set up host forwarding rule"
"""What QEMU says when the port is taken."""

Opening = Callable[[MachineFiles, Path, Deadline], AbstractContextManager[None]]

QUICK = 0.002
"""Seconds between two looks whether a program has ended that takes some milliseconds."""

PARTING = 10.0
"""Seconds that each step of destroying a machine is given."""


class NotStartedError(InfrastructureError):
    """QEMU ended instead of running the machine.

    Attributes:
        said: Its last words.
    """

    def __init__(self, message: str, *, said: str) -> None:
        super().__init__(message)
        self.said = said


def find_free_port() -> int:
    """Return a loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def start_qemu(  # noqa: PLR0913 - each is one fact
    spec: MachineSpec,
    directory: Path,
    deadline: Deadline,
    *,
    ports: Callable[[], int] = find_free_port,
    note: str = "",
    memory: MemoryFile | None = None,
    saved: SavedMachine | None = None,
    opening: Opening = lambda *_: nullcontext(),
) -> Iterator[tuple[Machine, Monitor]]:
    """Start QEMU for a machine, and yield it before anything in it is known to run; as `boot` otherwise.

    `memory` is a file for its memory. `saved` is a saved guest that is then loaded instead of a boot; `opening` gives a
    context around what is done before QEMU starts, when there are the pipes.
    """
    files = MachineFiles(directory)
    directory.mkdir(parents=True, exist_ok=True)
    clean(directory)
    for evidence in (files.console, files.qemu_log, files.events, files.pid1):
        evidence.write_bytes(b"")
    with ExitStack() as stack:
        sockets = make_short_directory()
        stack.callback(remove_sockets, sockets)
        make_pipes(sockets)
        record = replace(make_record(spec, sockets), note=note, origin="memory" if saved else "cold")
        record.write(files)
        stack.callback(forget, files)
        stack.callback(remove_secrets, files)
        with opening(files, sockets, deadline):
            _make_key(files, deadline)
            _make_disk(spec, saved, files, deadline)
            _write_fw_cfg(spec, files)
        key = saved.key if saved else files.key
        launch = _Launch(spec=spec, files=files, record=record, key=key, memory=memory, incoming=saved is not None)
        monitor = _start(launch, ports, stack, deadline)
        machine = Machine(directory)
        stack.callback(_hang_up, machine)
        yield machine, monitor


def _make_disk(spec: MachineSpec, saved: SavedMachine | None, files: MachineFiles, deadline: Deadline) -> None:
    files.overlay.unlink(missing_ok=True)
    files.overlay.touch(mode=0o600)
    if saved is None:
        proc.run(make_overlay_argv(spec.disk, files.overlay), deadline=deadline)
        return
    # What it said while it booted is evidence here too.
    shutil.copyfile(saved.console, files.console)
    # A boot writes a megabyte; to copy it takes less than to start a program that makes an overlay on it.
    shutil.copyfile(saved.overlay, files.overlay)


def _write_fw_cfg(spec: MachineSpec, files: MachineFiles) -> None:
    for name, text in spec.fw_cfg.items():
        public = files.key.with_suffix(".pub").read_text(encoding="ascii").strip()
        files.get_fw_cfg_path(name).write_text(text.replace(SSH_KEY, public), encoding="utf-8")


def _make_key(files: MachineFiles, deadline: Deadline) -> None:
    files.key.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "harness", "-f", str(files.key)]
    # A start waits for it, and it takes less time than `proc.run` lets pass between two looks.
    with tempfile.TemporaryFile() as output, proc.start(command, output=output) as running:
        code = poll(running.poll, deadline, every=QUICK)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if code:
        raise proc.CommandError(proc.Done(argv=tuple(command), code=code, out=said))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Launch:
    """What QEMU is started with.

    Attributes:
        record: What machine.json says before the start.
        key: The private key that the guest accepts.
        memory: The file that is its memory, if there is one.
        incoming: Whether it waits for a saved state, instead of booting.
    """

    spec: MachineSpec
    files: MachineFiles
    record: MachineRecord
    key: Path
    memory: MemoryFile | None
    incoming: bool


def _start(launch: _Launch, ports: Callable[[], int], stack: ExitStack, deadline: Deadline) -> Monitor:
    """Start QEMU, and return the connection to its monitor; the ends of both are put on the stack.

    The port is free when we look and may be somebody else's when QEMU does, so another one is tried then.
    """
    for _ in range(ATTEMPTS):
        port = ports()
        with ExitStack() as attempt:
            monitor = _try_port(launch, port, attempt, deadline)
            if monitor is not None:
                stack.push(attempt.pop_all())
                return monitor
        name, files = launch.spec.name, launch.files
        said = files.qemu_log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
        last = said.splitlines()[-1]
        if CLASH not in last:
            raise NotStartedError(
                f"QEMU did not start for {name}: {last}. See {files.qemu_log}; the command is in {files.record}.",
                said=last,
            )
        logger.info("the port %d was taken by somebody else", port)
    raise InfrastructureError(
        f"QEMU did not start for {launch.spec.name}: {ATTEMPTS} ports were taken by somebody else."
    )


def _try_port(launch: _Launch, port: int, stack: ExitStack, deadline: Deadline) -> Monitor | None:
    """Start QEMU with a port for the guest's ssh, and return the connection to its monitor, or None if it ended."""
    files, sockets = launch.files, Path(launch.record.sockets)
    command = make_argv(
        launch.spec, overlay=files.overlay, port=port, sockets=sockets, console=files.console, pid1=files.pid1,
        ssh_key=files.key.with_suffix(".pub").read_text(encoding="ascii").split()[1],
        fw_cfg={name: files.get_fw_cfg_path(name) for name in launch.spec.fw_cfg},
        memory=launch.memory, incoming=launch.incoming,
        confinement=probe_confinement(deadline).make_options(port),
    )  # fmt: skip
    config = format_ssh_config(port=port, key=launch.key, sockets=sockets)
    files.ssh_config.write_text(config, encoding="utf-8")
    (sockets / "qmp").unlink(missing_ok=True)
    sink = stack.enter_context(files.qemu_log.open("ab"))
    running = stack.enter_context(proc.start(command, output=sink))
    started = read_start_time(running.pid)
    replace(launch.record, port=port, pid=running.pid, started=started, argv=tuple(command)).write(files)
    monitor = _connect_monitor(running, sockets / "qmp", files.events, deadline)
    if monitor is not None:
        stack.callback(_quit, monitor, running)
    return monitor


def _connect_monitor(running: Running, path: Path, events: Path, deadline: Deadline) -> Monitor | None:
    """Connect to QEMU's monitor, which answers when all of the machine is there; None if QEMU ended before."""

    def attempt() -> tuple[Monitor | None] | None:
        if running.poll() is not None:
            return (None,)
        if not path.exists():
            return None
        try:
            return (Monitor(path, events, deadline),)
        except InfrastructureError:
            # QEMU makes the socket first; what it cannot do, it finds out later, and hangs up.
            deadline.check()
            return None

    (monitor,) = poll(attempt, deadline, every=0.005)
    return monitor


def _hang_up(machine: Machine) -> None:
    try:
        machine.disconnect(Deadline.after(PARTING, "end of the ssh connection"))
    except HarnessError as error:
        logger.debug("ssh to %s did not end: %s", machine.name, error)


def _quit(monitor: Monitor, running: Running) -> None:
    deadline = Deadline.after(PARTING, "end of QEMU")
    try:
        if running.poll() is None:
            monitor.execute("quit", deadline)
            running.wait(deadline)
    except HarnessError as error:
        # What comes next is a signal, so this is not the last word.
        logger.debug("QEMU did not quit: %s", error)
    finally:
        monitor.close()
