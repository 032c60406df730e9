"""`harness boot`, `harness shell` and `harness console`: a guest for a person, and what a console says."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness import machine, proc
from harness.app.guest import find_machine, open_guest
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.console import make_error_console
from harness.cli.distro_options import take_distro_options
from harness.cli.output import Format, FormatOption
from harness.cli.process import complain
from harness.cli.progress import watch
from harness.cli.settings import get_settings
from harness.console import Console as ConsoleLog
from harness.errors import ExitCode, InfrastructureError, UsageError
from harness.text import escape, pluralize

__all__ = ["boot", "console", "shell"]

SECONDS = 24 * 3600.0
"""A guest that is kept longer than a day was forgotten."""

CellArgument = Annotated[str, typer.Argument(metavar="CELL", help="The cell's identifier.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Boot, where it could start from a saved memory.")]
NetworkOption = Annotated[
    bool, typer.Option("--network", help="Let the guest reach other computers, and this one's loopback services.")
]


@take_distro_options
def boot(
    context: typer.Context,
    cell: CellArgument,
    *,
    fresh: FreshOption = False,
    network: NetworkOption = False,
    distro_options: Mapping[str, str],
) -> None:
    """Boot a cell's guest with its runtime installed, and keep it until Ctrl-C.

    After the boot the runtime and the packages of all suites are copied into it: some 20 s under emulation.
    """
    settings = get_settings(context)
    deadline = settings.make_deadline(SECONDS, f"guest of {cell}")
    screen = watch(make_error_console(), (cell,))
    with open_guest(
        settings, cell, deadline, screen, fresh=fresh, network=network, distro_options=distro_options
    ) as guest:
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
    network: NetworkOption = False,
    distro_options: Mapping[str, str],
) -> None:
    """Boot a cell's guest with its runtime installed, and log in; the guest ends with the shell.

    After the boot the runtime and the packages of all suites are copied into it: some 20 s under emulation.
    """
    settings = get_settings(context)
    deadline = settings.make_deadline(SECONDS, f"shell in {cell}")
    screen = watch(make_error_console(), (cell,))
    with open_guest(
        settings, cell, deadline, screen, fresh=fresh, network=network, distro_options=distro_options
    ) as guest:
        terminal = ["-t"] if sys.stdin.isatty() else []
        code = proc.interact(["ssh", "-F", str(guest.ssh_config), *terminal, "guest"], deadline=deadline)
        guest.check()
    if code == machine.SSH_FAILED:
        raise InfrastructureError(f"ssh to the guest of {cell} failed; it says why above.")


def console(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="DIRECTORY|RUN/CELL|check", help="A running guest's machine directory, or `check`.")
    ],
    log: Annotated[str | None, typer.Argument(metavar="FILE|-", help="For `check`: a saved log of a console.")] = None,
    *,
    form: FormatOption = Format.TABLE,
) -> None:
    """Attach to the serial console of a running guest, until Ctrl-]; or check a saved log.

    `check FILE` prints what the rules of harness/console.yaml find in the log; exit code 1 if the guest was lost.
    """
    if log is not None:
        if name != "check":
            raise UsageError(f"To check a saved log, write `harness console check {log}`, not `{name}`.")
        _check_log(log, form)
        return
    settings = get_settings(context)
    guest = machine.attach(find_machine(settings, name))
    if not guest.record.alive:
        raise InfrastructureError(f"The guest {guest.name} is no longer running; see {guest.files.console}.")
    deadline = settings.make_deadline(SECONDS, f"console of {guest.name}")
    with machine.connect_console(guest) as line:
        complain(f"Connected to {guest.name}; Ctrl-] leaves.")
        machine.bridge_console(line, sys.stdin.fileno(), sys.stdout.fileno(), deadline)
    complain("\nLeft the console.")


def _check_log(name: str, form: Format) -> None:
    """Print what is found in a saved log, and end with exit code 1 if its guest was lost."""
    log = ConsoleLog(Path(name))
    if name == "-":
        log.read_from(sys.stdin.buffer, ended=True)
    else:
        try:
            with Path(name).open("rb") as file:
                log.read_from(file, ended=True)
        except OSError as error:
            raise UsageError(f"{name}: the log cannot be read: {error.strerror}.") from error
    output.show(
        form,
        ids=(f"{finding.rule}" for finding in log.findings),
        data=lambda: {
            "lost": log.fatal is not None,
            "counts": dict(log.counts),
            "findings": [asdict(finding) for finding in log.findings],
        },
        lines=_format_findings(log, "stdin" if name == "-" else name),
    )
    if log.fatal:
        raise typer.Exit(ExitCode.FAILED)


def _format_findings(log: ConsoleLog, name: str) -> Iterator[str]:
    for finding in log.findings:
        kind = "fatal" if finding.fatal else "warning"
        yield f"{escape(name)}:{finding.line}: {kind}: {finding.rule}: {finding.description} {escape(finding.text)}"
    hidden = log.counts.total() - len(log.findings)
    if hidden:
        yield f"{pluralize(hidden, 'more line')} of these kinds."
    yield "The guest was lost." if log.fatal else "The guest was not lost, as far as the log shows."
