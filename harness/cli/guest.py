"""`harness boot`, `harness shell` and `harness console`: a guest for a person."""

import os
import re
import selectors
import shutil
import socket
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import machine, proc, rundir
from harness.app.plan import plan_cells
from harness.app.project import load_project
from harness.app.settings import Settings, show_path
from harness.cli import output
from harness.cli.distro_options import take_distro_options
from harness.cli.progress import watch
from harness.cli.settings import get_settings
from harness.errors import InfrastructureError, UsageError
from harness.machine import Machine
from harness.pipeline import RunContext, boot_cell
from harness.store import Store
from harness.wait import Deadline, poll

__all__ = ["boot", "console", "shell"]

SECONDS = 24 * 3600.0
"""A guest that is kept longer than a day was forgotten."""

LEAVE = b"\x1d"
"""Ctrl-], which leaves a console, as it leaves telnet and virsh."""

CellArgument = Annotated[str, typer.Argument(metavar="CELL", help="The cell's identifier.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Boot, where it could start from a saved memory.")]


@take_distro_options
def boot(
    context: typer.Context,
    cell: CellArgument,
    *,
    fresh: FreshOption = False,
    distro_options: Mapping[str, str],
) -> None:
    """Boot a cell's guest with its runtime installed, and keep it until Ctrl-C.

    After the boot the runtime and the packages of all suites are copied into it: some 20 s under emulation.
    """
    settings = get_settings(context)
    deadline = settings.make_deadline(SECONDS, f"guest of {cell}")
    with _open_guest(settings, cell, deadline, fresh=fresh, distro_options=distro_options) as guest:
        output.say(
            f"The guest runs until Ctrl-C.\n"
            f"log in:   ssh -F {show_path(guest.ssh_config)} guest\n"
            f"console:  harness console {show_path(guest.files.directory)}"
        )
        sys.stdout.flush()

        def attempt() -> None:
            guest.check()

        poll(attempt, deadline, every=0.5)


@take_distro_options
def shell(
    context: typer.Context,
    cell: CellArgument,
    *,
    fresh: FreshOption = False,
    distro_options: Mapping[str, str],
) -> None:
    """Boot a cell's guest with its runtime installed, and log in; the guest ends with the shell.

    After the boot the runtime and the packages of all suites are copied into it: some 20 s under emulation.
    """
    settings = get_settings(context)
    deadline = settings.make_deadline(SECONDS, f"shell in {cell}")
    with _open_guest(settings, cell, deadline, fresh=fresh, distro_options=distro_options) as guest:
        terminal = ["-t"] if sys.stdin.isatty() else []
        code = proc.interact(["ssh", "-F", str(guest.ssh_config), *terminal, "guest"], deadline=deadline)
        guest.check()
    if code == machine.SSH_FAILED:
        raise InfrastructureError(f"ssh to the guest of {cell} failed; it says why above.")


def console(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="DIRECTORY|RUN/CELL", help="A running guest's machine directory.")],
) -> None:
    """Attach to the serial console of a running guest; Ctrl-] leaves it."""
    settings = get_settings(context)
    guest = machine.attach(_find_machine(settings, name))
    if not guest.record.alive:
        raise InfrastructureError(f"The guest {guest.name} does not run any more; see {guest.files.console}.")
    deadline = settings.make_deadline(SECONDS, f"console of {guest.name}")
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(Path(guest.record.sockets) / "console"))
        except OSError as error:
            raise InfrastructureError(f"The console of {guest.name} cannot be reached: {error.strerror}.") from error
        sys.stderr.write(f"Connected to {guest.name}; Ctrl-] leaves.\n")
        with _set_raw(sys.stdin.fileno()):
            _bridge(line, deadline)
    sys.stderr.write("\nLeft the console.\n")


@contextmanager
def _open_guest(
    settings: Settings, cell: str, deadline: Deadline, *, fresh: bool, distro_options: Mapping[str, str]
) -> Iterator[Machine]:
    """Yield the cell's guest; its directory is removed after a good end or Ctrl-C, and is evidence after another one."""
    project = load_project(settings)
    (plan,) = plan_cells(project, (cell,), project.matrix.list_suite_names(None, project.catalog), distro_options)
    above = settings.runs / "guests"
    with rundir.open_runs(above):
        # Another guest of the same cell may run.
        directory = Path(tempfile.mkdtemp(prefix=f"{re.sub('[^A-Za-z0-9.+-]', '-', plan.cell.id)}-", dir=above))
    screen = Console(stderr=True, highlight=False)
    ended = False
    try:
        with ExitStack() as stack:
            # The live table goes when the guest is there.
            with watch(screen, (plan.cell.id,)) as progress:
                run = RunContext(store=Store(settings.store), emit=progress, deadline=deadline, fresh=fresh)
                guest = stack.enter_context(boot_cell(plan, run, directory))
            yield guest
        ended = True
    finally:
        if ended or deadline.cancelled.is_set():
            shutil.rmtree(directory, ignore_errors=True)


def _find_machine(settings: Settings, name: str) -> Path:
    """Return the machine's directory that a person means."""
    run, _, cell = name.partition("/")
    candidates = [Path(name), Path(name) / rundir.MACHINE]
    with suppress(UsageError):
        candidates.append(rundir.find_run(settings.runs, run) / rundir.CELLS / cell / rundir.MACHINE)
    for place in candidates:
        if (place / "machine.json").exists():
            return place
    raise UsageError(
        f"There is no guest `{name}`: neither a directory with machine.json nor a run and its cell.",
        hint="`harness boot CELL` prints the directory of its guest; those of a run are runs/RUN/cells/CELL/machine.",
    )


@contextmanager
def _set_raw(descriptor: int) -> Iterator[None]:
    """Pass on the user's keys as they are typed, while the context lasts; nothing where there is no terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _bridge(line: socket.socket, deadline: Deadline) -> None:
    """Carry bytes between the user and the guest until one of them leaves."""
    keys, screen = sys.stdin.fileno(), sys.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(line, selectors.EVENT_READ)
        with suppress(PermissionError):  # a file is always ready, and epoll refuses it
            selector.register(keys, selectors.EVENT_READ)
        while True:
            deadline.check()
            for ready_now, _ in selector.select(timeout=0.1):
                if ready_now.fileobj is line:
                    data = line.recv(4096)
                    os.write(screen, data)
                    if not data:
                        return
                else:
                    typed = os.read(keys, 4096)
                    before, leave, _ = typed.partition(LEAVE)
                    line.sendall(before)
                    if leave or not typed:
                        return
