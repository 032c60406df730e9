"""`harness plan` prints what would be done for a cell."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from harness.app.plan import plan_cells
from harness.app.project import load_project
from harness.app.settings import Settings
from harness.app.sources import change_project
from harness.cli import output
from harness.cli.distro_options import take_distro_options
from harness.cli.options import ProfileOption, SetOption
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.plan import Plan
from harness.resolve import PlannedPhase, explain_plan
from harness.schedule import DurationHistory
from harness.store import Store
from harness.text import format_duration

__all__ = ["print_plans", "show"]

SECONDS = 120.0
"""Time for looking at the store and asking where sources are."""


@take_distro_options
def show(
    context: typer.Context,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="The cell's identifier.")],
    *,
    profile: ProfileOption = None,
    sets: SetOption = None,
    distro_options: Mapping[str, str],
    form: FormatOption = Format.TABLE,
) -> None:
    """Print what would be done for a cell, what of it is in the store, and how long it took last time."""
    settings = get_settings(context)
    project = change_project(load_project(settings), sets=sets or ())
    named = project.matrix.find_profile(profile) if profile else None
    suites = project.matrix.list_suite_names(named, project.catalog)
    print_plans(plan_cells(project, (cell,), suites, distro_options), settings, form)


def print_plans(plans: Sequence[Plan], settings: Settings, form: Format) -> None:
    """Print plans on stdout."""
    store, took = Store(settings.store), DurationHistory(settings.history).read()
    deadline = settings.make_deadline(SECONDS, "look at the store")
    explained = ((item.cell.id, explain_plan(item, store, deadline)) for item in plans)
    output.show(
        form,
        ids=(item.cell.id for item in plans),
        data=lambda: [
            {"cell": name, "seconds": took.get(name), "steps": [asdict(step) for step in steps]}
            for name, steps in explained
        ],
        lines=(line for name, steps in explained for line in _format_steps(name, steps, took.get(name))),
    )


def _format_steps(cell: str, steps: Iterable[PlannedPhase], seconds: float | None) -> Iterator[str]:
    yield f"{cell}: {'never run here' if seconds is None else f'last time {format_duration(seconds)}'}"
    rows = [(f"  {step.phase}", step.state, (step.key or "-")[:12], step.text) for step in steps]
    yield from output.format_table(("  phase", "state", "key", "what"), rows)
