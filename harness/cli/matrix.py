"""`harness matrix`: which cells there are, and whether matrix.yaml is right."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from harness import matrix
from harness.app.cases import list_cases
from harness.app.project import load_project
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.options import ProfileOption, SelectOption
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.model import OUTER_AXES, Axis, Cell
from harness.selection.fields import FIELDS
from harness.text import pluralize

__all__ = ["verbs"]

ExcludedOption = Annotated[
    bool, typer.Option("--excluded", help="The cells that are left out instead, each with the reason.")
]

COLUMNS = tuple(axis for axis in OUTER_AXES if not axis.is_place)

verbs = typer.Typer(no_args_is_help=True)


@verbs.command("list")
def list_cells(
    context: typer.Context,
    *,
    select: SelectOption = None,
    profile: ProfileOption = None,
    excluded: ExcludedOption = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print the cells of the matrix, in the order of its axes."""
    project = load_project(get_settings(context))
    reasons = project.choose_excluded(profile=profile, select=select or ()) if excluded else {}
    cells = list(reasons) or project.choose(profile=profile, select=select or ()).cells
    more = ("reason",) if excluded else ()
    output.show(
        form,
        ids=(cell.id for cell in cells),
        data=lambda: [{"id": cell.id} | asdict(cell) | dict.fromkeys(more, reasons.get(cell)) for cell in cells],
        lines=output.format_table(
            ("cell", *(axis.name for axis in COLUMNS), *more),
            [
                (cell.id, *(_format_value(axis, cell) for axis in COLUMNS), *(reasons[cell] for _ in more))
                for cell in cells
            ],
        ),
    )


def _format_value(axis: Axis, cell: Cell) -> str:
    values = [getattr(cell, field.name) for field in axis.written_fields]
    built = " (built)" if axis.built and getattr(cell, axis.built) else ""
    return " ".join(str(value) for value in values if value is not None) + built or "-"


@verbs.command()
def validate(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Check matrix.yaml and everything that it names, and count its cells."""
    settings = get_settings(context)
    project = load_project(settings, list_cases=list_cases)
    profiles = {name: len(project.choose(profile=name, select=()).cells) for name in project.matrix.profiles}
    late = project.matrix.list_expired(datetime.now(tz=UTC).date())
    file, cells, excluded = show_path(settings.matrix), len(project.expansion.cells), len(project.expansion.excluded)
    lines = [
        f"{file}: {pluralize(cells, 'cell')}, {excluded} excluded.",
        *(f"  profile {name}: {pluralize(count, 'cell')}" for name, count in profiles.items()),
        *(f"  expired on {item.expires}: the expectation of {item.cases} ({item.issue})" for item in late),
    ]
    output.show(
        form,
        ids=lines,
        data=lambda: {
            "file": file,
            "cells": cells,
            "excluded": excluded,
            "profiles": profiles,
            "expectations": len(project.matrix.expectations),
            "expired": [{"cases": item.cases, "issue": item.issue, "expires": str(item.expires)} for item in late],
        },
        lines=lines,
    )


@verbs.command()
def cases(
    context: typer.Context,
    suites: Annotated[
        list[str] | None, typer.Argument(metavar="[SUITE]...", help="Names of suites; all without one.")
    ] = None,
    *,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print the cases of the suites as --case and --test take them."""
    settings = get_settings(context)
    project = load_project(settings)
    names = [name for name in suites or project.catalog.suites if project.catalog.get_suite(name)]
    found = list_cases(project.catalog, settings, names)
    output.show(form, ids=found, data=lambda: found, lines=found)


@verbs.command()
def schema() -> None:
    """Print the JSON schema of matrix.yaml, for editors."""
    output.as_json(matrix.make_schema())


@verbs.command()
def fields() -> None:
    """Print what --select can ask for: the fields of a cell, and how their values are written."""
    for line in output.format_table(("field", "value"), [(name, field.about) for name, field in FIELDS.items()]):
        output.say(line)
