"""Guests that start from the memory of an earlier boot, in a second instead of ten.

The first guest of a kind is booted and saved as it is then: QEMU's migration stream (processors, devices), the file
that was its memory, and what it had written to its disk, as an artifact "warm" in the store. Every further guest of
exactly the same machine is a clone: it loads the stream, maps the file and copies the pages that it writes (see
`machine.template`), and writes to a copy of the saved disk. Where QEMU cannot share a memory, it is in the stream, and
each clone copies it. QEMU 7.2 has no `file:` transport yet, so the stream goes through a descriptor (`fd:`).

What a clone must not share is made its own before anybody else talks to it, see `machine.cloning`.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from harness import accel, proc, qemu
from harness.errors import CancelledError, DeadlineError, InfrastructureError
from harness.machine import booting, cloning, qemu_process
from harness.machine.files import SavedMachine
from harness.machine.guest import GuestLostError, Machine
from harness.machine.ssh_handover import SshHandover
from harness.machine.template import Template, load_state, probe_template, save_state
from harness.qemu import MachineSpec, MemoryFile, Monitor
from harness.store import Store, hash_file
from harness.text import escape, pluralize
from harness.wait import Deadline, poll

__all__ = ["KIND", "list_inputs", "load", "start", "start_clone"]

logger = logging.getLogger(__name__)

KIND = "warm"
"""What the store calls a saved guest."""

RECIPE = 6
"""Raised when what is saved changes in a way that the inputs do not show."""

QUIET = 0.5
"""Seconds after the last ssh command in which sshd in the guest ends its connection, which must not be saved."""

PROBES = 5
"""How often the guest is asked for its time before it is saved."""

LOADING = 30.0
"""Seconds in which QEMU loads a memory; it takes a tenth of one, and somewhat more from a slow disk."""

AWAKE = 6.0
"""Seconds in which a restored guest answers under KVM; multiplied by the accelerator's factor."""


@contextmanager
def start(
    spec: MachineSpec,
    directory: Path,
    deadline: Deadline,
    *,
    store: Store,
    fresh: bool = False,
    ports: Callable[[], int] = qemu_process.find_free_port,
    template: Template | None = None,
) -> Iterator[Machine]:
    """Start a guest from memory, which is saved now if the store has none; it is destroyed with the context.

    A memory that cannot be made, or does not load, is no error: the machine is booted then, and the record's
    `note` says why. The record's `origin` is "memory" where the memory was there before.

    `fresh` boots whatever the store has, and saves nothing; `template` is how memories are kept, the best that can be had
    for None. All else is as for `booting.boot`.

    Raises:
        GuestLostError: It died in the boot; the message has the last lines of its console.
        DeadlineError: It was not up in time; so has this message.
        InfrastructureError: QEMU did not start.
    """
    with ExitStack() as stack:
        note = ""
        if not fresh:
            try:
                guest = stack.enter_context(_restore(spec, directory, deadline, store, ports, template))
            except CancelledError:
                raise
            except _LostError as error:
                raise error.cause from error
            except InfrastructureError as error:
                deadline.check()
                why = (
                    f"QEMU did not accept it: {error.said}."
                    if isinstance(error, qemu_process.NotStartedError)
                    else str(error)
                )
                # Of a guest that died, the first line is the cause, and the others are its console.
                note = f"The saved memory was not used: {why.splitlines()[0]}"
                logger.warning("%s: %s", spec.name, note)
            else:
                yield guest
                return
        yield stack.enter_context(booting.boot(spec, directory, deadline, ports=ports, note=note))


def list_inputs(spec: MachineSpec, template: Template, deadline: Deadline) -> Mapping[str, Any]:
    """Return everything that a saved memory depends on; it loads into exactly this machine only.

    The command line has the processors, the memory, the devices and the accelerator in it. Files are told apart
    by size and time of change, as reading them takes longer than the start; an artifact is never changed in place.

    Raises:
        InfrastructureError: QEMU is not installed, or the image is not there.
    """
    nowhere = Path("-")
    shape = qemu.make_argv(
        replace(spec, name="-"), overlay=nowhere, port=0, sockets=nowhere, console=nowhere, pid1=nowhere, ssh_key=""
    )
    needed = [path for path in (spec.disk, spec.kernel, spec.initrd, *spec.disks) if path is not None]
    try:
        files = {str(path): _read_stamp(path) for path in needed}
    except OSError as error:
        raise InfrastructureError(f"The image of {spec.name} is not whole: {error}.") from error
    return {
        "recipe": RECIPE,
        "qemu": accel.read_qemu_version(deadline),
        "argv": shape,
        "template": [template.mode, template.options] if template.shared else [],
        "files": files,
        **({"fw_cfg": dict(spec.fw_cfg)} if spec.fw_cfg else {}),
        # A connection begins before the guest is saved.
        "ssh": _read_stamp(proc.require("ssh")),
        "residents": [hash_file(path) for path in cloning.RESIDENTS],
        # Under KVM the processor is the computer's own.
        "processor": _read_processor() if spec.accelerator.name == "kvm" else "",
    }


class _LostError(InfrastructureError):
    """The guest that was booted in order to be saved did not come up, which another boot would not fix."""

    def __init__(self, cause: InfrastructureError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _read_stamp(path: Path) -> list[int]:
    info = path.stat()
    return [info.st_size, info.st_mtime_ns]


def _read_processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a file of the kernel
        wanted = ("model name", "flags", "microcode")
        return "".join(sorted({line for line in file if line.startswith(wanted)}))


@contextmanager
def _restore(
    spec: MachineSpec,
    directory: Path,
    deadline: Deadline,
    store: Store,
    ports: Callable[[], int],
    wanted: Template | None,
) -> Iterator[Machine]:
    template = wanted or probe_template(store.root, deadline)

    def fill(target: Path) -> Mapping[str, Any]:
        return _save(spec, directory, SavedMachine(target), template, deadline)

    sealed = [SavedMachine(Path()).ram.name] if template.shared else []
    artifact = store.obtain(KIND, list_inputs(spec, template, deadline), fill, deadline, sealed=sealed)
    saved = SavedMachine(artifact.path)
    with (
        SshHandover(saved) as call,
        start_clone(spec, directory, deadline, saved, template, ports=ports, opening=call.prepare) as (guest, monitor),
    ):
        if not artifact.cached:
            guest.record = replace(guest.record, origin="cold")
            guest.record.write(guest.files)
        load(guest, monitor, saved, deadline.within(LOADING, f"loading of the memory {saved.state}"))
        cloning.wake(guest, saved, call, deadline.within(AWAKE * spec.accelerator.factor, f"awakening of {spec.name}"))
        yield guest


@contextmanager
def start_clone(
    spec: MachineSpec,
    directory: Path,
    deadline: Deadline,
    saved: SavedMachine,
    template: Template,
    *,
    ports: Callable[[], int] = qemu_process.find_free_port,
    opening: qemu_process.Opening = lambda *_: nullcontext(),
) -> Iterator[tuple[Machine, Monitor]]:
    """Start QEMU as `qemu_process.start_qemu` does, for a saved guest that `load` then lets run."""
    memory = MemoryFile(path=saved.ram, shared=False, options=template.options) if template.shared else None
    with qemu_process.start_qemu(
        spec, directory, deadline, ports=ports, memory=memory, saved=saved, opening=opening
    ) as started:
        yield started


def _save(
    spec: MachineSpec, directory: Path, saved: SavedMachine, template: Template, deadline: Deadline
) -> Mapping[str, Any]:
    """Boot a guest in the machine's own directory, so that its console is evidence there, and save it.

    Its memory is in its last place from the beginning; nobody writes there once this QEMU has ended.
    """
    memory = MemoryFile(path=saved.ram, shared=True) if template.shared else None
    secrets = [saved.state, saved.overlay, saved.key] + ([saved.ram] if memory else [])
    for secret in secrets:
        # The key, and what is in a guest's memory and on its disk, are ours alone from the first moment.
        secret.touch(mode=0o600)
    with ExitStack() as stack:
        try:
            booted, monitor = stack.enter_context(booting.boot_with_monitor(spec, directory, deadline, memory=memory))
        except (GuestLostError, DeadlineError) as error:
            raise _LostError(error) from error
        cloning.fall_asleep(booted, saved, deadline)
        booted.run("sync", deadline=deadline)
        ahead = _measure_clock(booted, deadline)
        booted.disconnect(deadline)
        deadline.pause(QUIET)
        monitor.execute("stop", deadline)
        saved.clock.write_text(f"{time.time_ns() + ahead}\n", encoding="ascii")
        with saved.state.open("wb") as file:
            save_state(monitor, file, deadline, shared=template.shared)
        shutil.copyfile(booted.files.overlay, saved.overlay)
        shutil.copyfile(booted.files.console, saved.console)
        shutil.copyfile(booted.files.key, saved.key)
    if template.shared:
        saved.ram.chmod(template.mode)
    return {
        "title": f"memory of {spec.name}, {pluralize(spec.cores, 'processor')}, {spec.memory} MiB, {spec.accelerator.name}"
    }


def _measure_clock(guest: Machine, deadline: Deadline) -> int:
    """Return how far the guest's clock is ahead of ours, in nanoseconds; the quickest of some answers is the most exact."""
    answers = []
    for _ in range(PROBES):
        begin = time.time_ns()
        said = guest.run("date +%s%N", deadline=deadline).out.strip()
        end = time.time_ns()
        if not said.isascii() or not said.isdigit() or len(said) > len(f"{end}"):
            raise InfrastructureError(
                f"The guest {guest.name} does not say the time in nanoseconds, but `{escape(said)}`."
            )
        answers.append((end - begin, int(said) - (begin + end) // 2))
    return min(answers)[1]


def load(guest: Machine, monitor: Monitor, saved: SavedMachine, deadline: Deadline) -> None:
    """Let QEMU load the saved guest, and let that run.

    Raises:
        NotStartedError: QEMU did not accept the memory.
        DeadlineError: It was not loaded in time.
    """

    def attempt() -> bool | None:
        if not guest.record.alive:
            raise InfrastructureError(f"QEMU is gone: {guest.read_last_words()}.")
        answer = cast("dict[str, Any]", monitor.execute("query-status", deadline))
        return True if answer["status"] != "inmigrate" else None

    try:
        with saved.state.open("rb") as file:
            load_state(monitor, file, deadline, shared=saved.ram.exists())
        poll(attempt, deadline, every=0.005)
        monitor.execute("cont", deadline)
    except InfrastructureError as error:
        if guest.record.alive or isinstance(error, DeadlineError):
            raise
        said = guest.read_last_words()
        raise qemu_process.NotStartedError(
            f"QEMU did not load the memory of {guest.name}: {said}.", said=said
        ) from error
