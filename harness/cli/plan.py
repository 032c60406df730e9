"""`harness plan` prints what would be done for a cell."""

from collections.abc import Mapping, Sequence
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
from harness.resolve import explain_plan
from harness.schedule import DurationHistory
from harness.store import Store
from harness.text import format_duration

__all__ = ["print_plans", "register"]

SECONDS = 120.0
"""Time for looking at the store and asking where sources are."""


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("plan")(take_distro_options(show))


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
    if form is Format.IDS:
        output.say("\n".join(item.cell.id for item in plans))
        return
    store, took = Store(settings.store), DurationHistory(settings.history).read()
    deadline = settings.make_deadline(SECONDS, "look at the store")
    explained = [(item.cell.id, explain_plan(item, store, deadline)) for item in plans]
    if form is Format.JSON:
        output.as_json(
            [
                {
                    "cell": name,
                    "seconds": took.get(name),
                    "steps": [
                        {"phase": step.phase, "state": step.state, "text": step.text, "key": step.key} for step in steps
                    ],
                }
                for name, steps in explained
            ]
        )
        return
    for name, steps in explained:
        last = f"last time {format_duration(took[name])}" if name in took else "never run here"
        output.say(f"{name}: {last}")
        rows = [(f"  {step.phase}", step.state, (step.key or "-")[:12], step.text) for step in steps]
        output.table(("  phase", "state", "key", "what"), rows)
