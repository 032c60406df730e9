"""`harness run` builds, boots and tests cells, and says what came out."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import log, results, schedule
from harness.cli import output, plan, project, settings
from harness.cli.options import ProfileOption, SelectOption
from harness.cli.output import Format, FormatOption
from harness.cli.progress import watching
from harness.cli.project import Project
from harness.cli.settings import Settings
from harness.errors import UsageError
from harness.machine import Machine
from harness.matrix import find
from harness.pipeline import Workplace
from harness.report import junit, terminal
from harness.schedule import History, Job, Request, Slots
from harness.store import Store

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
    builder: BuilderOption = None,
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
    chosen = settings.of(context)
    here = project.load(chosen)
    earlier = resume or failed
    if earlier is not None:
        if any((resume and failed, profile, select, cell, shard, builder, arguments)):
            raise UsageError("--resume and --failed repeat what was asked for; they take no other cells or arguments.")
        directory = _directory_of(chosen, earlier)
        request = schedule.read_request(directory)
        if failed is not None:
            request = request.failed(results.read(directory / schedule.RESULT))
    else:
        request = _request(
            here, chosen, cell=cell, profile=profile, select=select or (), shard=shard, builder=builder,
            arguments=tuple(arguments or ()),
        )  # fmt: skip
    if multiply > 1:
        request = request.model_copy(
            update={"multiply": multiply, "command": f"{request.command} --multiply {multiply}"}
        )
    here = here.building_by(request.builder)
    if dry_run:
        plan.print_plans(plan.plans_of(here, request.cells, request.suites), chosen, form)
        return
    slots = Slots(cores=jobs or os.cpu_count() or 1, memory=memory or _free_memory())
    place = _directory_of(chosen, resume) if resume else schedule.new_directory(chosen.runs)
    _run(here, chosen, request, place, slots, keep_failed=keep_failed, fresh=fresh, form=form)


def _directory_of(chosen: Settings, name: str) -> Path:
    """A run's directory, by its name below runs/ or by its path."""
    return Path(name) if os.sep in name else chosen.runs / name


def _request(  # noqa: PLR0913 - the options that say which cells
    here: Project, chosen: Settings, *, cell: str | None, profile: str | None, select: Sequence[str],
    shard: str | None, builder: str | None, arguments: tuple[str, ...],
) -> Request:  # fmt: skip
    if cell is not None and select:
        raise UsageError("--cell and --select exclude each other.")
    if cell is not None:
        named = here.matrix.profile(profile) if profile else None
        names: tuple[str, ...] = (find(here.expansion, cell).id,)
        suites = here.matrix.suite_names(named, here.catalog)
    else:
        choice = here.choose(profile=profile, select=select)
        names, suites = tuple(item.id for item in choice.cells), choice.suites
    if shard is not None:
        index, count = schedule.parse(shard)
        names = tuple(schedule.shard(names, names, History(chosen.history).read(), index=index, count=count))
    options = [("--cell", cell), ("--profile", profile), *(("--select", text) for text in select), ("--shard", shard)]
    asked = [word for name, value in options if value for word in (name, value)]
    return Request(
        command=shlex.join(["harness", "run", *asked, *_tail(builder, arguments)]),
        cells=names,
        suites=suites,
        builder=builder or here.matrix.defaults.builder,
        arguments=arguments,
    )


def _tail(builder: str | None, arguments: tuple[str, ...]) -> list[str]:
    """The words of a command line that hold for every cell."""
    return [*(("--builder", builder) if builder else ()), *(("--", *arguments) if arguments else ())]


def _free_memory() -> int:
    """MiB that guests may have: a part of MemAvailable, see proc_meminfo(5)."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        values = dict(line.split(":", 1) for line in file)
    return int(int(values["MemAvailable"].split()[0]) / 1024 * MEMORY_SHARE)


def _run(  # noqa: PLR0913 - what was asked for, and how
    here: Project, chosen: Settings, request: Request, directory: Path, slots: Slots, *,
    keep_failed: bool, fresh: bool, form: Format,
) -> None:  # fmt: skip
    log.add_file(directory / "log.txt")
    console = _console(form)
    store = Store(chosen.store)
    deadline = chosen.deadline(SECONDS, "run")
    usual = here.matrix.defaults.builder
    tail = _tail(request.builder if request.builder != usual else None, request.arguments)
    jobs = [
        Job(
            plan=item,
            expectations=here.matrix.expectations_for(item.cell),
            again=shlex.join(["harness", "run", "--cell", item.cell.id, *tail]),
        )
        for item in plan.plans_of(here, request.cells, request.suites)
    ]

    def keep(guest: Machine) -> None:
        login = f"ssh -F {settings.shown(guest.ssh_config)} guest"
        console.print(f"The guest of {guest.name} is kept until Ctrl-C; log in with: {login}", soft_wrap=True)
        deadline.pause(SECONDS)

    with watching(console, request.cells) as progress:

        def work(job: Job) -> Workplace:
            return Workplace(
                store=store,
                emit=progress,
                deadline=deadline,
                expectations=job.expectations,
                arguments=request.arguments,
                cases=request.cases.get(job.plan.cell.id, ()),
                multiply=request.multiply,
                again=job.again,
                fresh=fresh,
                keep=keep if keep_failed else None,
            )

        result = schedule.run(
            jobs, work, directory, request=request, slots=slots, history=History(chosen.history),
            ended=lambda ended: progress.ended(ended.id),
        )  # fmt: skip
    junit.write(result, directory / "junit.xml")
    match form:
        case Format.JSON:
            output.as_json(result.model_dump(mode="json"))
        case Format.IDS:
            output.say("\n".join(f"{item.id} {item.outcome}" for item in result.cells))
        case Format.TABLE:
            if request.multiply > 1:
                console.print(terminal.rates(result), soft_wrap=True)
            console.print(terminal.run_summary(result, Path(settings.shown(directory))), soft_wrap=True)
    raise typer.Exit(result.exit_code)


def _console(form: Format) -> Console:
    """Where a person looks: stdout, or stderr where a program reads stdout."""
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=form is not Format.TABLE, highlight=False, width=LOG_WIDTH)
