"""`harness compare`: what changed between two runs, and which axis the regressions follow."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Annotated

import typer

from harness.app.catalog import load_catalog
from harness.app.settings import Settings
from harness.cli import output
from harness.cli.options import MarkdownOption, SelectOption
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.compare import (
    ChangeKind,
    Comparison,
    Difference,
    Following,
    Places,
    RunOutcomes,
    compare,
    drop_axes,
    find_differences,
    find_rules,
    open_all,
)  # fmt: skip
from harness.errors import ExitCode, UsageError
from harness.report.comparison import format_lines, render_comparison
from harness.selection import Selection, parse_option
from harness.text import escape
from harness.writing import write_text

__all__ = ["register"]


class By(StrEnum):
    """What changes are grouped by."""

    CASE = "case"
    CELL = "cell"
    SUITE = "suite"


SideArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN|FILE|BASELINE",
        help="A run (its directory, its name, or `last`), a JUnit file of any tool, or a baseline; shards of a run with commas between.",
    ),
]
AcrossOption = Annotated[
    list[str] | None,
    typer.Option(
        "--across", metavar="AXIS", help="Cells that differ only on this axis are the same; may be given again."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("compare")(compare_runs)


def compare_runs(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    old: SideArgument,
    new: SideArgument,
    *,
    by: Annotated[By, typer.Option("--by", help="What changes are grouped by.")] = By.CASE,
    select: SelectOption = None,
    axes: AcrossOption = None,
    markdown_file: MarkdownOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say what changed from one run to another, what else differs, and which axis the regressions follow."""
    settings = get_settings(context)
    wanted = _selections(select or (), settings)
    before, now = (_side(text, wanted, axes or (), settings) for text in (old, new))
    found = compare(before, now)
    following = find_rules(found, before, now)
    guilty = frozenset(case.cell for case in found.of(ChangeKind.REGRESSED))
    differs = find_differences(before, now, guilty)
    if markdown_file is not None:
        write_text(markdown_file, render_comparison(found, following, differs))
    _show(found, following, differs, by, form)
    raise typer.Exit(_code(found))


def _selections(texts: Sequence[str], settings: Settings) -> list[Selection]:
    # Only an expression needs the project, so that files of other tools can be compared outside of one.
    return [parse_option(text, load_catalog(settings)) for text in texts]


def _side(text: str, wanted: Sequence[Selection], axes: Sequence[str], settings: Settings) -> RunOutcomes:
    """One side as it was asked for; raises UsageError for shards that do not fit together."""
    places = Places(runs=settings.runs, baselines=settings.baselines)
    side, conflicts = open_all([part for part in text.split(",") if part], places)
    if conflicts:
        raise UsageError("\n".join(map(escape, conflicts)))
    if wanted:
        cells = {name: cell for name, item in side.cells.items() if (cell := item.cell) is not None}
        kept = [name for name, cell in cells.items() if all(one.holds(cell) for one in wanted)]
        side = replace(side, cells={name: side.cells[name] for name in kept})
    return drop_axes(side, axes) if axes else side


def _code(found: Comparison) -> ExitCode:
    changes = {*found.counts, *(cell.change for cell in found.cells)}
    if changes & {ChangeKind.REGRESSED, ChangeKind.NEW_FAILING}:
        return ExitCode.FAILED
    if changes & {ChangeKind.BROKEN}:
        return ExitCode.INFRASTRUCTURE
    return ExitCode.OK if found.common and found.ran else ExitCode.NOTHING_RAN


def _show(found: Comparison, following: Following, differs: Sequence[Difference], by: By, form: Format) -> None:
    match form:
        case Format.TABLE:
            output.say("\n".join(format_lines(found, following, differs, by=by)))
        case Format.IDS:
            for case in found.of(ChangeKind.REGRESSED, ChangeKind.NEW_FAILING):
                output.say(f"{escape(case.cell)} {escape(case.nodeid)}")
        case Format.JSON:
            output.as_json(
                {
                    **asdict(found),
                    "follows": asdict(following.overall),
                    "follows_by_case": {name: asdict(rule) for name, rule in following.by_case.items()},
                    "differs": [asdict(item) for item in differs],
                }
            )
