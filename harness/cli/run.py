"""`harness run` evaluates cells; `harness plan` prints what that would be."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import log, schedule
from harness.cli import output, project, settings
from harness.cli.options import ProfileOption, SelectOption
from harness.cli.output import Format, FormatOption
from harness.cli.progress import watching
from harness.cli.project import Project
from harness.cli.settings import Settings
from harness.errors import UsageError
from harness.machine import Machine
from harness.matrix import find
from harness.model import Cell
from harness.pipeline import Workplace
from harness.plan import Plan, explain, plan
from harness.report import junit, terminal
from harness.schedule import Job
from harness.store import Store

__all__ = ["register"]

RUN_SECONDS = 24 * 3600.0
"""A run that takes longer than a day is stuck."""

PLAN_SECONDS = 120.0

LOG_WIDTH = 160
"""Columns of a table in a file or a CI system's log, where no terminal says how wide it is."""

CellOption = Annotated[str | None, typer.Option("--cell", metavar="ID", help="One cell, by its identifier.")]
BuilderOption = Annotated[
    str | None,
    typer.Option("--builder", metavar="docker|host", help="Where runtimes are built, in place of the matrix's word."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    app.command("run")(run)
    app.command("plan")(show_plan)


def run(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PYTEST ARGUMENTS]", help="Passed on to pytest.")
    ] = None,
    *,
    profile: ProfileOption = None,
    select: SelectOption = None,
    cell: CellOption = None,
    builder: BuilderOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plans and do nothing.")] = False,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Keep the guest of a cell that did not pass until Ctrl-C.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Build, boot and test the cells, and say what came out."""
    chosen = settings.of(context)
    here = project.load(chosen).building_by(builder)
    plans = _plans(here, cell=cell, profile=profile, select=select or ())
    words = tuple(arguments or ())
    if dry_run:
        _print_plans(plans, chosen, form)
        return
    tail = [*(("--builder", builder) if builder else ()), *(("--", *words) if words else ())]
    jobs = [
        Job(
            plan=item,
            expectations=here.matrix.expectations_for(item.cell),
            again=shlex.join(["harness", "run", "--cell", item.cell.id, *tail]),
        )
        for item in plans
    ]
    asked = [(name, value) for name, value in (("--cell", cell), ("--profile", profile)) if value]
    asked += [("--select", expression) for expression in select or ()]
    command = shlex.join(["harness", "run", *(word for pair in asked for word in pair), *tail])
    _run(jobs, chosen, command=command, arguments=words, keep_failed=keep_failed, form=form)


def _plans(here: Project, *, cell: str | None, profile: str | None, select: Sequence[str]) -> list[Plan]:
    if cell is not None and select:
        raise UsageError("--cell and --select exclude each other.")
    if cell is not None:
        cells: Sequence[Cell] = [find(here.expansion, cell)]
        named = here.matrix.profile(profile) if profile else None
        suites = here.matrix.suite_names(named, here.catalog)
    else:
        choice = here.choose(profile=profile, select=select)
        cells, suites = choice.cells, choice.suites
    return [plan(item, here.matrix, here.catalog, suites) for item in cells]


def _run(
    jobs: Sequence[Job], chosen: Settings, *, command: str, arguments: tuple[str, ...], keep_failed: bool, form: Format
) -> None:
    directory = schedule.new_directory(chosen.runs)
    log.add_file(directory / "log.txt")
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=console.stderr, highlight=False, width=LOG_WIDTH)
    store = Store(chosen.store)
    deadline = chosen.deadline(RUN_SECONDS, "run")

    def keep(guest: Machine) -> None:
        login = f"ssh -F {settings.shown(guest.ssh_config)} guest"
        console.print(f"The guest of {guest.name} is kept until Ctrl-C; log in with: {login}", soft_wrap=True)
        deadline.pause(RUN_SECONDS)

    with watching(console, len(jobs)) as progress:

        def work(job: Job) -> Workplace:
            return Workplace(
                store=store,
                emit=progress,
                deadline=deadline,
                expectations=job.expectations,
                arguments=arguments,
                again=job.again,
                keep=keep if keep_failed else None,
            )

        result = schedule.run(
            jobs, work, directory, command=command, ended=lambda ended: progress.ended(ended.id)
        )  # fmt: skip
    junit.write(result, directory / "junit.xml")
    if form is Format.JSON:
        output.as_json(result.model_dump(mode="json"))
    elif form is Format.IDS:
        output.say("\n".join(f"{item.id} {item.outcome}" for item in result.cells))
    else:
        console.print(terminal.run_summary(result, Path(settings.shown(directory))), soft_wrap=True)
    raise typer.Exit(result.exit_code)


def show_plan(
    context: typer.Context,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="The cell's identifier.")],
    *,
    profile: ProfileOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print what would be done for a cell, and what of it is in the store."""
    chosen = settings.of(context)
    here = project.load(chosen)
    _print_plans(_plans(here, cell=cell, profile=profile, select=()), chosen, form)


def _print_plans(plans: Sequence[Plan], chosen: Settings, form: Format) -> None:
    store = Store(chosen.store)
    deadline = chosen.deadline(PLAN_SECONDS, "look at the store")
    if form is Format.IDS:
        output.say("\n".join(item.cell.id for item in plans))
        return
    explained = [(item.cell.id, explain(item, store, deadline)) for item in plans]
    if form is Format.JSON:
        output.as_json(
            [
                {
                    "cell": name,
                    "steps": [
                        {"phase": step.phase, "state": step.state, "text": step.text, "key": step.key} for step in steps
                    ],
                }
                for name, steps in explained
            ]
        )
        return
    rows = [
        (name if index == 0 else "", step.phase, step.state, (step.key or "-")[:12], step.text)
        for name, steps in explained
        for index, step in enumerate(steps)
    ]
    output.table(("cell", "phase", "state", "key", "what"), rows)
