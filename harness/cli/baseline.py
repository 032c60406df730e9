"""`harness baseline`: keep what a run found, to compare later runs with it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.app.baseline import WORSE, promote_baseline, save_baseline
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.cli.verbs import load_part
from harness.compare import SUFFIX, load_baseline
from harness.errors import ExitCode, HarnessError
from harness.report.comparison import format_summary
from harness.text import escape

__all__ = ["verbs"]

COUNTS = ("cells", "cases", "ran", "failed")
"""What is counted, see `RunOutcomes.counts`."""

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the baseline.")]
RunsArgument = Annotated[list[str], typer.Argument(metavar="RUN...", help="A run, or all shards of one.")]

PoolOption = Annotated[
    bool, typer.Option("--pool", help="The runs are runs of the same, and no shards: count each case over all of them.")
]

verbs = typer.Typer(no_args_is_help=True)


@verbs.command()
def save(
    context: typer.Context,
    name: NameArgument,
    runs: RunsArgument,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the baseline of that name.")] = False,
    pool: PoolOption = False,
) -> None:
    """Save what a run found; the file is small, sorted and the same for the same results."""
    path, counts = save_baseline(name, runs, get_settings(context), replace=replace, pooled=pool)
    output.say(f"{show_path(path)}: {', '.join(f'{count} {what}' for what, count in counts.items())}.")


@verbs.command("list")
def list_baselines(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Print the baselines."""
    directory = get_settings(context).baselines
    paths = sorted(path for path in directory.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    rows = [_describe(path) for path in paths]
    output.show(
        form,
        ids=(path.stem for path in paths),
        data=lambda: rows,
        lines=_format_rows(rows) if rows else [f"There is no baseline in {show_path(directory)}."],
    )
    if any("problem" in row for row in rows):
        raise typer.Exit(ExitCode.INFRASTRUCTURE)


@verbs.command()
def promote(
    context: typer.Context,
    name: NameArgument,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Name of the baseline to replace.")],
    *,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-regressions", help="Replace the target even if the release policy would refuse what is worse."
        ),
    ] = False,
) -> None:
    """Replace one baseline with another, unless something is worse in the new one."""
    path, found, replaced = promote_baseline(
        name, target, get_settings(context), accept=accept, judge=load_part("app.gate:list_excess")
    )
    if found is not None:
        output.say(f"{target} -> {name}: {format_summary(found)}")
    if not replaced:
        for case in found.of(*WORSE)[:20] if found else ():
            output.say(f"  {case.change}: {escape(case.cell)} {escape(case.nodeid)}")
        output.say(f"{target} is unchanged; --accept-regressions replaces it anyway.")
        raise typer.Exit(ExitCode.FAILED)
    output.say(f"{show_path(path)} is now the same as {name}.")


def _describe(path: Path) -> dict[str, object]:
    """Return a row of the list; one that cannot be read says why in place of its harness, and hides no other."""
    try:
        side = load_baseline(path, name=show_path(path))
    except HarnessError as error:
        return {"name": path.stem, **dict.fromkeys(COUNTS, ""), "started": "", "harness": "", "problem": str(error)}
    facts = {"started": side.started, "harness": side.facts.get("harness", "")}
    return {"name": path.stem, **side.counts, **facts}


def _format_rows(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    columns = ["name", *COUNTS, "started", "harness"]
    yield from output.format_table(columns, [[str(row[column]) for column in columns] for row in rows])
    yield from (escape(str(row["problem"])) for row in rows if "problem" in row)
