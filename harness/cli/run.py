"""`harness run` builds, boots and tests cells, and says what came out."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import log, results, rundir, schedule
from harness.app import project
from harness.app.project import Project
from harness.app.settings import Settings, show_path
from harness.cli import output, plan
from harness.cli.options import ProfileOption, SelectOption, SetOption
from harness.cli.output import Format, FormatOption
from harness.cli.progress import watching
from harness.cli.settings import KeyOption, MirrorOption, get_settings
from harness.cli.wanted import Wanted, again
from harness.errors import UsageError
from harness.machine import Machine
from harness.pipeline import CellTask, RunContext
from harness.report import junit, run_page, terminal
from harness.results import RunResult
from harness.rundir import Request
from harness.schedule import History, KnownFailure, Slots
from harness.store import Store
from harness.writing import STORE_HINT, translate_os_errors

__all__ = ["register"]

SECONDS = 24 * 3600.0
"""A run that takes longer than a day is stuck."""

LOG_WIDTH = 160
"""Columns of a table in a file or a CI system's log, where no terminal says how wide it is."""

MEMORY_SHARE = 0.8
"""Part of the computer's free memory that guests may have together."""

CellOption = Annotated[str | None, typer.Option("--cell", metavar="ID", help="One cell, by its identifier.")]
BuilderOption = Annotated[
    str | None,
    typer.Option("--builder", metavar="docker|host", help="Where runtimes are built, in place of the matrix's word."),
]
JobsOption = Annotated[
    int | None, typer.Option("-j", "--jobs", min=1, help="Cells at a time; as many as there are processors without it.")
]
MemoryOption = Annotated[
    int | None, typer.Option("--memory", min=1, help="MiB that guests may have together; 80 % of what is free.")
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
    str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was interrupted or killed.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("run")(run)


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
    mirror: MirrorOption = None,
    key: KeyOption = None,
    jobs: JobsOption = None,
    memory: MemoryOption = None,
    resume: ResumeOption = None,
    failed: FailedOption = None,
    multiply: MultiplyOption = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plans and do nothing.")] = False,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Keep the guest of a cell that did not pass until Ctrl-C.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Boot every guest, where it could start from a saved memory.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Build, boot and test the cells, and say what came out."""
    chosen = get_settings(context)
    here = project.load(chosen)
    if arguments and not arguments[0].startswith("-"):
        raise UsageError(
            f"`{arguments[0]}` is taken for an argument of pytest, and those begin with an option.",
            hint="--profile, --cell and --select choose cells, --suites and --case what runs in them.",
        )
    wanted = Wanted(
        cell=cell, profile=profile, select=tuple(select or ()), shard=shard, suites=suites, cases=tuple(case or ()),
        builder=builder, multiply=multiply, fresh=fresh, sets=tuple(sets or ()), mirror=mirror, key=key,
        arguments=tuple(arguments or ()),
    )  # fmt: skip
    request = _request(wanted, here, chosen, resume=resume, failed=failed)
    # Before the run has a directory: what is said about a wrong source is no result.
    built = here.replace_builder(request.builder).replace_sources(request.sets)
    if dry_run:
        plan.print_plans(plan.plans_of(built, request.cells, request.suites, request.source), chosen, form)
        return
    slots = Slots(cores=jobs or os.cpu_count() or 1, memory=memory or _free_memory())
    with translate_os_errors(f"The store {show_path(chosen.store)} cannot be made", hint=STORE_HINT):
        chosen.store.mkdir(parents=True, exist_ok=True)
    place = rundir.find_run(chosen.runs, resume) if resume else rundir.make_directory(chosen.runs)
    try:
        with rundir.lock_directory(place):
            _run(here, chosen, request, place, slots, keep_failed=keep_failed, form=form)
    except UsageError:
        if resume is None and not (place / rundir.CELLS).exists():  # nothing was run, so it is no run
            shutil.rmtree(place)
        raise


def _request(wanted: Wanted, here: Project, chosen: Settings, *, resume: str | None, failed: str | None) -> Request:
    """What is run: what was asked for now, or in an earlier run."""
    earlier = resume or failed
    if earlier is None:
        return wanted.request(here, chosen)
    if (resume and failed) or not wanted.repeats:
        raise UsageError("--resume and --failed repeat what was asked for; they take no other cells or arguments.")
    directory = rundir.find_run(chosen.runs, earlier)
    request = rundir.read_request(directory)
    if failed is not None:
        failures = request.select_failed(results.read(directory / rundir.RESULT))
        return wanted.repeated(failures, directory.name if failed == rundir.LAST else failed, chosen)
    if not wanted.nothing:
        raise UsageError("--resume goes on with a run as it was begun; begin a new one for --multiply or --fresh.")
    return request


def _free_memory() -> int:
    """MiB that guests may have: a part of MemAvailable, see proc_meminfo(5)."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        values = dict(line.split(":", 1) for line in file)
    return int(int(values["MemAvailable"].split()[0]) / 1024 * MEMORY_SHARE)


def _run(
    here: Project, chosen: Settings, request: Request, directory: Path, slots: Slots, *,
    keep_failed: bool, form: Format,
) -> None:  # fmt: skip
    log.add_file(directory / rundir.LOG)
    console = _console(form)
    store = Store(chosen.store)
    deadline = chosen.make_deadline(SECONDS, "run")
    built = here.replace_builder(request.builder).replace_sources(request.sets)
    plans = plan.plans_of(built, request.cells, request.suites, request.source)
    tasks = [
        CellTask(
            plan=item,
            cases=request.cases.get(item.cell.id, ()),
            expectations=here.matrix.expectations_for(item.cell),
            again=again(item.cell.id, request, here, chosen),
        )
        for item in plans
    ]
    # Cells side by side keep the processors busy by themselves; what runs alone may have them all.
    at_a_time = max(1, min(slots.cores, len(tasks)))
    workers = max(1, (os.cpu_count() or 1) // at_a_time)

    def keep(guest: Machine) -> None:
        login = f"ssh -F {show_path(guest.ssh_config)} guest"
        console.print(f"The guest of {guest.name} is kept until Ctrl-C; log in with: {login}", soft_wrap=True)
        deadline.pause(SECONDS)

    with watching(console, request.cells) as progress:
        run_context = RunContext(
            store=store, emit=progress, deadline=deadline, arguments=request.arguments, multiply=request.multiply,
            workers=workers, fresh=request.fresh, keep=keep if keep_failed else None,
        )  # fmt: skip
        result = schedule.run_cells(
            tasks, run_context, directory, request=request, slots=slots, history=History(chosen.history),
            ended=lambda ended: progress.ended(ended.id),
        )  # fmt: skip
    found = schedule.review_expectations(_known(request, here), result.cells, datetime.now(UTC).date())
    result = result.model_copy(update={"expectations": found})
    results.write(result, directory / rundir.RESULT)
    junit.write(result, directory / rundir.JUNIT)
    page = run_page.write(result, directory)
    _show(result, directory, console, form, rates=request.multiply > 1)
    if form is Format.TABLE:
        console.print(f"report: {show_path(page)}", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(result.exit_code)


def _show(result: RunResult, directory: Path, console: Console, form: Format, *, rates: bool) -> None:
    """Say what came out; `rates` for how often each case failed."""
    match form:
        case Format.JSON:
            output.as_json(result.model_dump(mode="json"))
        case Format.IDS:
            output.say("\n".join(f"{item.id} {item.outcome}" for item in result.cells))
        case Format.TABLE:
            if rates:
                console.print(terminal.rates(result), soft_wrap=True)
            console.print(terminal.run_summary(result, Path(show_path(directory))), soft_wrap=True)


def _known(request: Request, here: Project) -> list[KnownFailure]:
    """The matrix's known failures, each with all of its cells."""
    everything = not request.arguments and not request.cases
    known = []
    for item in here.matrix.expectations:
        suite = item.cases.partition("/")[0]
        suites = {suite} if suite in here.catalog.suites else set(here.catalog.suites)
        cells = frozenset(cell.id for cell in here.expansion.by_id.values() if item.cells.holds(cell))
        known.append(KnownFailure(expectation=item, cells=cells, whole=everything and suites <= set(request.suites)))
    return known


def _console(form: Format) -> Console:
    """Where a person looks: stdout, or stderr where a program reads stdout."""
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=form is not Format.TABLE, highlight=False, width=LOG_WIDTH)
