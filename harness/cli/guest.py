"""`harness boot`, `harness shell` and `harness console`: a guest for a person."""

import sys
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console

from harness import machine, proc
from harness.app.guest import find_machine, open_guest
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.distro_options import take_distro_options
from harness.cli.progress import watch
from harness.cli.settings import get_settings
from harness.errors import InfrastructureError

__all__ = ["boot", "console", "shell"]

SECONDS = 24 * 3600.0
"""A guest that is kept longer than a day was forgotten."""

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
    screen = watch(Console(stderr=True, highlight=False), (cell,))
    with open_guest(settings, cell, deadline, screen, fresh=fresh, distro_options=distro_options) as guest:
        output.say(
            f"The guest runs until Ctrl-C.\n"
            f"log in:   ssh -F {show_path(guest.ssh_config)} guest\n"
            f"console:  harness console {show_path(guest.files.directory)}"
        )
        sys.stdout.flush()
        while True:
            guest.check()
            deadline.pause(0.5)


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
    screen = watch(Console(stderr=True, highlight=False), (cell,))
    with open_guest(settings, cell, deadline, screen, fresh=fresh, distro_options=distro_options) as guest:
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
    guest = machine.attach(find_machine(settings, name))
    if not guest.record.alive:
        raise InfrastructureError(f"The guest {guest.name} does not run any more; see {guest.files.console}.")
    deadline = settings.make_deadline(SECONDS, f"console of {guest.name}")
    with machine.connect_console(guest) as line:
        sys.stderr.write(f"Connected to {guest.name}; Ctrl-] leaves.\n")
        machine.bridge_console(line, sys.stdin.fileno(), sys.stdout.fileno(), deadline)
    sys.stderr.write("\nLeft the console.\n")
