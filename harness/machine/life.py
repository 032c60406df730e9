"""From a specification to a guest that answers, and from there to nothing left."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness import log, proc
from harness.errors import HarnessError, InfrastructureError
from harness.image import Image
from harness.machine import directory as places
from harness.machine.directory import Place, Record
from harness.machine.guest import Machine
from harness.proc import Running
from harness.qemu import MachineSpec, Monitor, argv, overlay_argv
from harness.wait import Deadline, poll

__all__ = ["boot", "clean", "specify"]

logger = log.get(__name__)

ATTEMPTS = 5
"""How often another port is taken when somebody else was faster."""

CLASH = "Could not set up host forwarding rule"
"""What QEMU says when the port is taken."""

NETWORK_UP = b"harness initrd: the network is up"
"""What the initrd prints, see harness/image/init.sh."""

PARTING = 10.0
"""Seconds that each step of destroying a machine is given."""


def specify(image: Image, *, name: str, arguments: tuple[str, ...], **details: object) -> MachineSpec:
    """The machine that boots an image; `details` are further attributes of `MachineSpec`."""
    return MachineSpec(
        name=name, disk=image.disk, kernel=image.kernel, initrd=image.initrd, arguments=arguments,
        **details,  # type: ignore[arg-type]
    )  # fmt: skip


@contextmanager
def boot(spec: MachineSpec, directory: Path, deadline: Deadline) -> Iterator[Machine]:
    """Boot a guest, and yield it when it is up; it is destroyed when the context ends.

    Args:
        spec: The machine.
        directory: Where its files are kept; the evidence stays there after the end.
        deadline: For the boot alone.

    Raises:
        GuestLostError: It died in the boot; the message has the last lines of its console.
        DeadlineError: It was not up in time.
        InfrastructureError: QEMU did not start.
    """
    place = Place(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        sockets = places.short_directory()
        stack.callback(places.remove, sockets)
        record = places.new_record(spec, sockets)
        record.write(place)
        stack.callback(_forget, place)
        _make_key(place, deadline)
        proc.run(overlay_argv(spec.disk, place.overlay), deadline=deadline)
        stack.callback(_remove_secrets, place)
        running = _start(stack, spec, place, record, deadline)
        machine = Machine(directory)
        stack.callback(_hang_up, machine)
        monitor = _connect(machine, running, deadline)
        stack.callback(_quit, monitor, running)
        _wait_network(machine, deadline)
        machine.wait_ready(deadline)
        yield machine


def clean(directory: Path) -> None:
    """Kill and remove what a harness that died left of a machine; evidence stays. Does nothing otherwise.

    A process is killed only if it is the one that machine.json names, started at the same moment.
    """
    place = Place(directory)
    if not place.record.exists():
        return
    record = Record.read(place)
    if record.alive:
        assert record.pid is not None
        os.kill(record.pid, signal.SIGKILL)
        deadline = Deadline.after(PARTING, f"end of the process {record.pid}")
        poll(lambda: None if record.alive else True, deadline)
    _remove_secrets(place)
    places.remove(Path(record.sockets))
    _forget(place)


def _make_key(place: Place, deadline: Deadline) -> None:
    place.key.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "harness", "-f", str(place.key)]
    proc.run(command, deadline=deadline, hint="Install it with `apt-get install openssh-client`.")


def _start(stack: ExitStack, spec: MachineSpec, place: Place, record: Record, deadline: Deadline) -> Running:
    """Start QEMU on a port that is free; somebody else may take it between our look and QEMU's, so try again."""
    public = place.key.with_suffix(".pub").read_text(encoding="ascii").split()[1]
    for _ in range(ATTEMPTS):
        port = _free_port()
        command = argv(
            spec, overlay=place.overlay, port=port, sockets=Path(record.sockets), console=place.console, ssh_key=public
        )
        config = places.ssh_config(port=port, key=place.key, sockets=Path(record.sockets))
        place.ssh_config.write_text(config, encoding="utf-8")
        attempt = ExitStack()
        with attempt:
            sink = attempt.enter_context(place.qemu_log.open("ab"))
            running = attempt.enter_context(proc.start(command, output=sink))
            replace(
                record, port=port, pid=running.pid, started=places.process_started(running.pid), argv=tuple(command)
            ).write(place)
            if _listens(running, Path(record.sockets, "qmp"), deadline):
                stack.push(attempt.pop_all())
                return running
        said = place.qemu_log.read_text(encoding="utf-8", errors="replace")
        if CLASH not in said.splitlines()[-1]:
            break
        logger.debug("the port %d was taken by somebody else", port)
    raise InfrastructureError(
        f"QEMU did not start for {spec.name}: {said.strip().splitlines()[-1] if said.strip() else 'it said nothing'}. "
        f"See {place.qemu_log}; the command is in {place.record}."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(running: Running, monitor: Path, deadline: Deadline) -> bool:
    """Whether QEMU came so far that it has its sockets; the network is set up after that or it ends."""

    def attempt() -> bool | None:
        if running.code() is not None:
            return False
        return True if monitor.exists() else None

    return poll(attempt, deadline, every=0.01)


def _connect(machine: Machine, running: Running, deadline: Deadline) -> Monitor:
    return Monitor(Path(machine.record.sockets, "qmp"), machine.place.events, deadline)


def _wait_network(machine: Machine, deadline: Deadline) -> None:
    """Wait until the console says that the guest's network is up.

    Before that QEMU accepts a connection and keeps it for a guest that is not there; it would come
    back to sshd later, and cost a process each, when nobody waits for it any more.
    """

    def attempt() -> bool | None:
        machine.check()
        return True if NETWORK_UP in machine.place.console.read_bytes() else None

    poll(attempt, deadline)


def _hang_up(machine: Machine) -> None:
    try:
        machine.disconnect(Deadline.after(PARTING, "end of the ssh connection"))
    except HarnessError as error:
        logger.debug("ssh to %s did not end: %s", machine.name, error)


def _quit(monitor: Monitor, running: Running) -> None:
    deadline = Deadline.after(PARTING, "end of QEMU")
    try:
        if running.code() is None:
            monitor.execute("quit", deadline)
            running.wait(deadline)
    except HarnessError as error:
        # What comes next is a signal, so this is not the last word.
        logger.debug("QEMU did not quit: %s", error)
    finally:
        monitor.close()


def _remove_secrets(place: Place) -> None:
    for path in (place.overlay, place.key, place.key.with_suffix(".pub"), place.ssh_config):
        places.remove(path)


def _forget(place: Place) -> None:
    """Write down that no process runs the machine any more."""
    replace(Record.read(place), pid=None, started=None).write(place)
