"""`harness matrix`: which cells there are, and whether matrix.yaml is right."""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from harness import matrix
from harness.app.cases import list_cases
from harness.app.project import Project, load_project
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.options import ProfileOption, SelectOption
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import NothingRanError
from harness.model import OUTER_AXES, Axis, Cell
from harness.selection.fields import FIELDS
from harness.text import pluralize

__all__ = ["register"]

ExcludedOption = Annotated[
    bool, typer.Option("--excluded", help="The cells that are left out instead, each with the reason.")
]

COLUMNS = tuple(axis for axis in OUTER_AXES if not axis.is_place)
HEADS = ("cell", *(axis.name for axis in COLUMNS))

verbs = typer.Typer(no_args_is_help=True, help="Which cells there are, and whether matrix.yaml is right.")


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.add_typer(verbs, name="matrix")


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
    if excluded:
        _print(_excluded(project, select=select or (), profile=profile), form)
    else:
        _print(((cell, None) for cell in project.choose(profile=profile, select=select or ()).cells), form)


def _excluded(project: Project, *, select: Sequence[str], profile: str | None) -> Iterable[tuple[Cell, str]]:
    reasons = dict(project.expansion.excluded)
    if not reasons:
        raise NothingRanError("No cell of the matrix is excluded.")
    # Here the excluded cells are those that are chosen from.
    only = matrix.Expansion(cells=tuple(reasons), excluded=())
    try:
        chosen = matrix.choose(only, project.matrix, project.catalog, profile=profile, select=select)
    except NothingRanError as error:
        raise NothingRanError("No cell that fits the selection is excluded.") from error
    return ((cell, reasons[cell]) for cell in chosen.cells)


def _print(pairs: Iterable[tuple[Cell, str | None]], form: Format) -> None:
    cells = list(pairs)
    match form:
        case Format.IDS:
            output.say("\n".join(cell.id for cell, _ in cells))
        case Format.JSON:
            output.as_json([_plain(cell) | ({"reason": reason} if reason else {}) for cell, reason in cells])
        case Format.TABLE:
            reasons = any(reason for _, reason in cells)
            heads = (*HEADS, "reason") if reasons else HEADS
            output.table(heads, [(*_make_row(cell), *([reason or ""] if reasons else [])) for cell, reason in cells])


def _plain(cell: Cell) -> dict[str, Any]:
    return {"id": cell.id} | dataclasses.asdict(cell)


def _make_row(cell: Cell) -> tuple[str, ...]:
    return cell.id, *(_format_value(axis, cell) for axis in COLUMNS)


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
    report = {
        "file": show_path(settings.matrix),
        "cells": len(project.expansion.cells),
        "excluded": len(project.expansion.excluded),
        "profiles": profiles,
        "expectations": len(project.matrix.expectations),
        "expired": [{"cases": item.cases, "issue": item.issue, "expires": str(item.expires)} for item in late],
    }
    if form is Format.JSON:
        output.as_json(report)
        return
    output.say(f"{report['file']}: {pluralize(len(project.expansion.cells), 'cell')}, {report['excluded']} excluded.")
    for name, count in profiles.items():
        output.say(f"  profile {name}: {pluralize(count, 'cell')}")
    for item in late:
        output.say(f"  expired on {item.expires}: the expectation of {item.cases} ({item.issue})")


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
    names = [name for name in suites or project.catalog.suites if project.catalog.suite(name)]
    found = list_cases(project.catalog, settings, names)
    if form is Format.JSON:
        output.as_json(found)
    else:
        output.say("\n".join(found))


@verbs.command()
def schema() -> None:
    """Print the JSON schema of matrix.yaml, for editors."""
    output.as_json(matrix.make_schema())


@verbs.command()
def fields() -> None:
    """Print what --select can ask for: the fields of a cell, and how their values are written."""
    output.table(("field", "value"), [(name, field.about) for name, field in FIELDS.items()])
