"""`harness plan` prints what would be done for a cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.app import project
from harness.app.project import Project
from harness.app.settings import Settings
from harness.cli import output
from harness.cli.options import ProfileOption, SetOption
from harness.cli.output import Format, FormatOption
from harness.cli.settings import KeyOption, MirrorOption, get_settings
from harness.matrix import find
from harness.plan import Plan, make_plans, with_image_options
from harness.report.terminal import duration
from harness.resolve import explain_plan
from harness.schedule import History
from harness.store import Store

__all__ = ["plans_of", "print_plans", "register"]

SECONDS = 120.0
"""Time for looking at the store and asking where sources are."""


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("plan")(show)


def show(
    context: typer.Context,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="The cell's identifier.")],
    *,
    profile: ProfileOption = None,
    sets: SetOption = None,
    mirror: MirrorOption = None,
    key: KeyOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print what would be done for a cell, what of it is in the store, and how long it took last time."""
    chosen = get_settings(context)
    here = project.load(chosen).replace_sources(sets or ())
    named = here.matrix.profile(profile) if profile else None
    suites = here.matrix.suite_names(named, here.catalog)
    print_plans(plans_of(here, (cell,), suites, (mirror, key)), chosen, form)


def plans_of(
    here: Project,
    cells: Sequence[str],
    suites: tuple[str, ...],
    source: tuple[str | None, Path | None] = (None, None),
) -> list[Plan]:
    """The plans of some cells by their identifiers; raises UsageError for a cell that does not exist.

    Args:
        here: The project.
        cells: The cells.
        suites: Names of the suites that run.
        source: Mirror and key for images, options of distros.
    """
    made = make_plans([find(here.expansion, name) for name in cells], here.matrix, here.catalog, suites)
    options = {name: str(value) for name, value in zip(("mirror", "key"), source, strict=True) if value is not None}
    return [with_image_options(item, options) for item in made] if options else made


def print_plans(plans: Sequence[Plan], chosen: Settings, form: Format) -> None:
    """Print plans on stdout."""
    if form is Format.IDS:
        output.say("\n".join(item.cell.id for item in plans))
        return
    store, took = Store(chosen.store), History(chosen.history).read()
    deadline = chosen.make_deadline(SECONDS, "look at the store")
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
        last = f"last time {duration(took[name])}" if name in took else "never run here"
        output.say(f"{name}: {last}")
        rows = [(f"  {step.phase}", step.state, (step.key or "-")[:12], step.text) for step in steps]
        output.table(("  phase", "state", "key", "what"), rows)
