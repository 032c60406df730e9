"""`harness compare`: what changed between two runs, and which axis the regressions follow."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from harness.app.catalog import load_catalog
from harness.cli import output
from harness.cli.options import MarkdownOption, PoolOption, SelectOption
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.cli.verbs import load_part
from harness.compare import REGRESSIONS, ChangeKind, Places, compare, find_differences, find_rules, open_part
from harness.report.comparison import format_lines, render_comparison
from harness.selection import parse_option
from harness.text import escape
from harness.writing import write_text

__all__ = ["compare_runs"]


class By(StrEnum):
    """What changes are grouped by."""

    CASE = "case"
    CELL = "cell"
    SUITE = "suite"


SideArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN|FILE|BASELINE",
        help="A run (its directory, its name, or `last`), a result file of any tool, or a baseline; shards of a run are separated by commas.",
    ),
]
AcrossOption = Annotated[
    list[str] | None,
    typer.Option(
        "--across", metavar="AXIS", help="Treat cells that differ only on this axis as the same; may be repeated."
    ),
]
PageOption = Annotated[
    Path | None,
    typer.Option(
        "--page", metavar="FILE", help="Write a page for a browser: both sides, and a heat map of the changes."
    ),
]


def compare_runs(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context,
    old: SideArgument,
    new: SideArgument,
    *,
    by: Annotated[By, typer.Option("--by", help="What changes are grouped by.")] = By.CASE,
    select: SelectOption = None,
    axes: AcrossOption = None,
    pool: PoolOption = False,
    markdown_file: MarkdownOption = None,
    page: PageOption = None,
    form: FormatOption = Format.TABLE,
) -> NoReturn:
    """Show what changed from one run to another, what else differs, and which axis the regressions follow."""
    settings = get_settings(context)
    # Only an expression needs the project, so that files of other tools can be compared outside of one.
    holds = [parse_option(text, load_catalog(settings)).holds for text in select or ()]
    places = Places(runs=settings.runs, baselines=settings.baselines)
    before, now = (open_part(text, places, holds, axes or (), pooled=pool) for text in (old, new))
    found = compare(before, now)
    following = find_rules(found, before, now)
    guilty = frozenset(case.cell for case in found.of(*REGRESSIONS))
    differs = find_differences(before, now, guilty)
    if markdown_file is not None:
        write_text(markdown_file, render_comparison(found, following, differs))
    if page is not None:
        load_part("report.compare_page:write_comparison")(found, (before, now), following, differs, page)
    output.show(
        form,
        ids=(f"{escape(case.cell)} {escape(case.nodeid)}" for case in found.of(*REGRESSIONS, ChangeKind.NEW_FAILING)),
        data=lambda: {
            **asdict(found),
            "follows": asdict(following.overall),
            "follows_by_case": {name: asdict(rule) for name, rule in following.by_case.items()},
            "differs": [asdict(item) for item in differs],
        },
        lines=format_lines(found, following, differs, by=by),
    )
    raise typer.Exit(found.exit_code)
