"""`harness bisect-axes`: a case passes in one cell and fails in another; which of their differences does it?"""

import os
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from harness import rundir
from harness.app.bisect_axes import OpenAxesBisection, begin_axes_bisection, resume_axes_bisection
from harness.app.bisect_setup import make_context
from harness.app.permissions import list_decider
from harness.app.settings import show_path
from harness.bisect.records import Inquiry
from harness.cli import output
from harness.cli.bisect import choose_command, print_lines, refuse_acceptance, suggest_resume
from harness.cli.bisect_options import AcceptOption, ResumeOption, RunOption, ShellOption, TestOption
from harness.cli.console import make_console
from harness.cli.options import refuse_search
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import ExitCode, UsageError

__all__ = ["bisect_axes"]

GoodOption = Annotated[str | None, typer.Option("--good", metavar="CELL", help="A cell in which the test passes.")]
BadOption = Annotated[str | None, typer.Option("--bad", metavar="CELL", help="A cell in which it fails.")]
DirectoryArgument = Annotated[list[str] | None, typer.Argument(metavar="[DIRECTORY]", help="What --resume continues.")]


def bisect_axes(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context, paths: DirectoryArgument = None, *, good: GoodOption = None, bad: BadOption = None,
    test: TestOption = None, run: RunOption = None, shell: ShellOption = None, accept_changes: AcceptOption = False,
    resume: ResumeOption = False, form: FormatOption = Format.TABLE,
) -> NoReturn:  # fmt: skip
    """Find the smallest sets of axis values that flip the outcome."""
    console = make_console(form)
    setup = make_context(get_settings(context), None, print_lines(console))
    if resume:
        refuse_search(context)
        command, name = choose_command(run, shell), paths[0] if paths else rundir.LAST
        with resume_axes_bisection(setup, name, command, accept=accept_changes) as work:
            code = _search(work, console, form)
        raise typer.Exit(code)
    if good is None or bad is None:
        raise UsageError("Name both cells with --good and --bad, or continue a bisection with --resume.")
    if paths:
        raise UsageError(f"`{paths[0]}` belongs to --resume, which was not given.")
    refuse_acceptance(accept_changes)
    inquiry = Inquiry(tests=tuple(test or ()), run=choose_command(run, shell))
    with begin_axes_bisection(setup, good, bad, inquiry) as work:
        code = _search(work, console, form)
    raise typer.Exit(code)


def _search(work: OpenAxesBisection, console: Console, form: Format) -> ExitCode:
    """Search to the end, and print what was found."""
    say = print_lines(console)
    with suggest_resume(console, "bisect-axes", work.journal.directory, list_decider(work.journal.state.begun.run)):
        found, files = work.run(lambda sample: say(f"{sample.verdict:<5} {sample.revision}  {sample.message}".rstrip()))
    output.show(
        form,
        ids=(" and ".join(values) for values in found.sets),
        data=lambda: found.model_dump(mode="json"),
        lines=[
            found.sentence,
            f"page: {show_path(files.page)}",
            f"bug report: {show_path(files.bug_report)}",
            f"evidence: {show_path(files.directory)}{os.sep}",
        ],
    )
    return found.exit_code
