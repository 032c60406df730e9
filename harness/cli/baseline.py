"""`harness baseline`: keep what a run found, to compare later runs with it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.app.settings import show_path
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.compare import (
    SUFFIX,
    ChangeKind,
    Places,
    compare,
    find_baseline,
    load_baseline,
    open_all,
    write_baseline,
)
from harness.errors import ExitCode, NothingRanError, UsageError
from harness.report.comparison import format_summary
from harness.text import escape

__all__ = ["verbs"]

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the baseline.")]
RunsArgument = Annotated[list[str], typer.Argument(metavar="RUN...", help="A run, or all shards of one.")]

verbs = typer.Typer(no_args_is_help=True)


@verbs.command("save")
def save_baseline(
    context: typer.Context,
    name: NameArgument,
    runs: RunsArgument,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the baseline of that name.")] = False,
) -> None:
    """Save what a run found; the file is small, sorted and the same for the same results."""
    settings = get_settings(context)
    path = find_baseline(settings.baselines, name)
    if path.exists() and not replace:
        raise UsageError(
            f"There is a baseline {name} already: {show_path(path)}.",
            hint="Save it again with --replace, or `harness baseline promote` another that compares well with it.",
        )
    side, conflicts = open_all(runs, Places(runs=settings.runs, baselines=settings.baselines))
    if problems := (*conflicts, *side.problems):
        raise UsageError("\n".join(map(escape, problems)), hint="A baseline is of a run that is whole.")
    if not side.counts["ran"]:
        raise NothingRanError(f"Nothing ran in {side.name}, so that nothing could be compared with it.")
    write_baseline(side, path)
    output.say(f"{show_path(path)}: {', '.join(f'{count} {what}' for what, count in side.counts.items())}.")


@verbs.command("list")
def list_baselines(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Print the baselines."""
    directory = get_settings(context).baselines
    paths = sorted(path for path in directory.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    output.show(
        form,
        ids=(path.stem for path in paths),
        data=lambda: [_describe(path) for path in paths],
        lines=_format_rows(paths) if paths else [f"There is no baseline in {show_path(directory)}."],
    )


@verbs.command()
def promote(
    context: typer.Context,
    name: NameArgument,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Name of the baseline that it becomes.")],
    *,
    accept: Annotated[
        bool, typer.Option("--accept-regressions", help="Even if cases that pass in the target fail or are gone.")
    ] = False,
) -> None:
    """Make a baseline the one that a gate compares with, unless something is worse in it."""
    where = get_settings(context).baselines
    path, goal = find_baseline(where, name), find_baseline(where, target)
    if not path.is_file():
        raise UsageError(f"There is no baseline {name}: {show_path(path)} does not exist.")
    side = load_baseline(path, name=name)
    if goal.is_file():
        found = compare(load_baseline(goal, name=target), side)
        worse = {ChangeKind.REGRESSED, ChangeKind.BROKEN, ChangeKind.GONE} & found.changes
        output.say(f"{target} -> {name}: {format_summary(found)}")
        if worse and not accept:
            for case in found.of(*worse)[:20]:
                output.say(f"  {case.change}: {escape(case.cell)} {escape(case.nodeid)}")
            output.say(f"{target} stays as it is; --accept-regressions replaces it nevertheless.")
            raise typer.Exit(ExitCode.FAILED)
    write_baseline(side, goal)
    output.say(f"{show_path(goal)}: is now as {name}.")


def _describe(path: Path) -> dict[str, object]:
    side = load_baseline(path, name=show_path(path))
    return {"name": path.stem, **side.counts, "started": side.started, "harness": side.facts.get("harness", "")}


def _format_rows(paths: Sequence[Path]) -> Iterator[str]:
    rows = [_describe(path) for path in paths]
    yield from output.format_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
