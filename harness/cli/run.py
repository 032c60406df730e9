"""`harness run` builds, boots and tests cells, and says what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import rundir
from harness.app.plan import plan_cells
from harness.app.project import load_project
from harness.app.request import RunOptions, choose_request
from harness.app.run import RunHooks, make_slots, open_directory, run_request
from harness.app.settings import show_path
from harness.app.sources import change_project
from harness.cli import output
from harness.cli.console import make_console
from harness.cli.distro_options import take_distro_options
from harness.cli.options import ProfileOption, SelectOption, SetOption
from harness.cli.output import Format, FormatOption
from harness.cli.plan import print_plans
from harness.cli.progress import watch
from harness.cli.settings import get_settings
from harness.errors import UsageError
from harness.machine import Machine
from harness.report import terminal
from harness.results import RunResult

__all__ = ["run"]

SECONDS = 24 * 3600.0
"""A run that takes longer than a day is stuck."""

CellOption = Annotated[str | None, typer.Option("--cell", metavar="ID", help="One cell, by its identifier.")]
BuilderOption = Annotated[
    str | None,
    typer.Option(
        "--builder", metavar="docker|host", help="Where runtimes are built, in place of what the matrix says."
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, help="Cells at a time; by default, as many as there are processors."),
]
MemoryOption = Annotated[
    int | None,
    typer.Option("--memory", min=1, help="MiB that guests may have together; by default, 80 % of what is free."),
]
ShardOption = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="The I-th of N parts of the cells, for parallel CI jobs.")
]
SuitesOption = Annotated[
    str | None,
    typer.Option("--suites", metavar="NAME,NAME", help="Suites that run, in place of the profile's or the matrix's."),
]
CaseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--case", metavar="NODEID", help="Run only this case: cgroup/test_limits.py::test_x; may be repeated."
    ),
]
FailedOption = Annotated[
    str | None, typer.Option("--failed", metavar="RUN", help="Run again, as a new run, what failed in a run.")
]
MultiplyOption = Annotated[
    int, typer.Option("--multiply", min=1, metavar="N", help="Run each case N times, and print how often it fails.")
]
ResumeOption = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Continue a run that was interrupted or killed.")
]
CommitOption = Annotated[
    str | None,
    typer.Option(
        "--commit",
        envvar="HARNESS_COMMIT",
        metavar="HASH",
        help="The commit that is run; by default, that of the checkout.",
    ),
]
AttemptOption = Annotated[
    int | None,
    typer.Option(
        "--attempt",
        envvar="HARNESS_ATTEMPT",
        min=1,
        metavar="N",
        help="Which attempt at it this is; the newest counts.",
    ),
]


@take_distro_options
def run(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PYTEST ARGUMENTS]", help="Passed on to pytest.")
    ] = None,
    *,
    profile: ProfileOption = None,
    select: SelectOption = None,
    cell: CellOption = None,
    shard: ShardOption = None,
    suites: SuitesOption = None,
    case: CaseOption = None,
    builder: BuilderOption = None,
    sets: SetOption = None,
    distro_options: Mapping[str, str],
    jobs: JobsOption = None,
    memory: MemoryOption = None,
    resume: ResumeOption = None,
    failed: FailedOption = None,
    multiply: MultiplyOption = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plans and do nothing.")] = False,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Keep the guest of a cell that did not pass until Ctrl-C.")
    ] = False,
    commit: CommitOption = None,
    attempt: AttemptOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Boot every guest, where it could start from a saved memory.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Build, boot and test the cells, and say what came out."""
    settings = get_settings(context)
    project = load_project(settings)
    if arguments and not arguments[0].startswith("-"):
        raise UsageError(
            f"`{arguments[0]}` is taken for an argument of pytest, and those begin with an option.",
            hint="--profile, --cell and --select choose cells, --suites and --case what runs in them.",
        )
    options = RunOptions(
        cell=cell, profile=profile, select=tuple(select or ()), shard=shard, suites=suites, cases=tuple(case or ()),
        builder=builder, multiply=multiply, fresh=fresh, sets=tuple(sets or ()), distro_options=distro_options,
        arguments=tuple(arguments or ()), commit=commit, attempt=attempt,
    )  # fmt: skip
    request = choose_request(options, project, settings, resume=resume, failed=failed)
    # Before the run has a directory: what is said about a wrong source is no result.
    changed = change_project(project, builder=request.builder, sets=request.sets)
    if dry_run:
        print_plans(plan_cells(changed, request.cells, request.suites, request.distro_options), settings, form)
        return
    slots = make_slots(jobs, memory)
    deadline = settings.make_deadline(SECONDS, "run")
    console = make_console(form)

    def keep(guest: Machine) -> None:
        login = f"ssh -F {show_path(guest.ssh_config)} guest"
        console.print(f"The guest of {guest.name} is kept until Ctrl-C; log in with: {login}", soft_wrap=True)
        deadline.pause(SECONDS)

    with open_directory(settings, resume) as directory:
        with watch(console, request.cells) as progress:
            hooks = RunHooks(
                emit=progress, ended=lambda cell: progress.end(cell.id), keep=keep if keep_failed else None
            )
            result = run_request(request, project, settings, directory, slots=slots, deadline=deadline, hooks=hooks)
        _print_result(result, directory, console, form, rates=request.multiply > 1)
    raise typer.Exit(result.exit_code)


def _print_result(result: RunResult, directory: Path, console: Console, form: Format, *, rates: bool) -> None:
    """Print what came out; `render_rates` for how often each case failed."""
    if form is Format.TABLE:
        if rates:
            console.print(terminal.render_rates(result), soft_wrap=True)
        console.print(terminal.run_summary(result, Path(show_path(directory))), soft_wrap=True)
    output.show(
        form,
        ids=(f"{item.id} {item.outcome}" for item in result.cells),
        data=lambda: result.model_dump(mode="json"),
        lines=[f"report: {show_path(directory / rundir.PAGE)}"],
    )
