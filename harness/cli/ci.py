"""`harness ci`: the files of CI systems from the matrix, and what their jobs need: shards, merging, durations."""

from pathlib import Path
from typing import Annotated

import typer

from harness import ci, results, rundir
from harness.app.ci import assign_shards, collect_durations, find_drift
from harness.app.project import load_project
from harness.app.settings import show_path
from harness.ci import DriftState
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import ExitCode, NothingRanError
from harness.report import junit
from harness.text import format_duration, pluralize
from harness.writing import write_text

__all__ = ["verbs"]

ProfileArgument = Annotated[str, typer.Option("--profile", metavar="NAME", help="A profile of the matrix.")]
DurationsOption = Annotated[
    Path | None,
    typer.Option("--durations", metavar="FILE", help=f"How long cells take; by default, the project's {ci.DURATIONS}."),
]

verbs = typer.Typer(no_args_is_help=True)


@verbs.command()
def generate(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Write the files of all CI systems; those that are up to date are not touched."""
    settings = get_settings(context)
    found = find_drift(settings)
    for item in found:
        if item.state is not DriftState.SAME:
            write_text(settings.root / item.file.path, item.file.text)
    done = {DriftState.SAME: "unchanged", DriftState.DIFFERS: "updated", DriftState.MISSING: "created"}
    rows = [(item.file.system, item.file.path, done[item.state]) for item in found]
    output.show(
        form,
        ids=(item.file.path for item in found),
        data=lambda: [dict(zip(("system", "path", "done"), row, strict=True)) for row in rows],
        lines=output.format_table(("system", "file", ""), rows),
    )


@verbs.command()
def check(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Print how the files of the CI systems differ from the matrix; exit code 1 if any does."""
    found = find_drift(get_settings(context))
    drifted = [item for item in found if item.state is not DriftState.SAME]
    verdict = f"{len(drifted)} of {len(found)} CI files do not match the matrix; `harness ci generate` updates them."
    output.show(
        form,
        ids=(item.file.path for item in drifted),
        data=lambda: [
            {"system": item.file.system, "path": item.file.path, "state": item.state, "diff": item.diff}
            for item in found
        ],
        lines=(
            *(item.diff.rstrip("\n") for item in drifted),
            verdict if drifted else f"{len(found)} CI files match the matrix.",
        ),
    )
    if drifted:
        raise typer.Exit(ExitCode.FAILED)


@verbs.command()
def shard(
    context: typer.Context,
    part: Annotated[str, typer.Argument(metavar="I/N", help="Which part: 2/3 for the second of three.")],
    *,
    profile: ProfileArgument,
    durations: DurationsOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print the cells of one of N equally long parts of a profile; the same on every machine with the same files."""
    settings = get_settings(context)
    index, count = rundir.parse_shard(part)
    project = load_project(settings)
    seconds = ci.read(durations or settings.root / ci.DURATIONS)
    mine = [cell for cell, owner in assign_shards(project, profile, count, seconds).items() if owner == index]
    if not mine:
        raise NothingRanError(f"The profile `{profile}` has fewer cells than {count}; shard {index} has none.")
    rows = [(cell, format_duration(seconds[cell]) if cell in seconds else "unknown") for cell in mine]
    output.show(
        form,
        ids=mine,
        data=lambda: [{"id": cell, "seconds": seconds.get(cell)} for cell in mine],
        lines=output.format_table(("cell", "expected"), rows),
    )


@verbs.command()
def merge(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where the shards' results are, each in I-of-N.")
    ],
    *,
    shards: Annotated[int, typer.Option("--shards", metavar="N", min=1, help="How many there should be.")],
    profile: ProfileArgument,
    into: Annotated[Path, typer.Option("--into", metavar="DIRECTORY", help="Where the merged result goes.")],
    durations: DurationsOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Merge the results of shards into one run; exit code 1 if something is missing or appears twice."""
    settings = get_settings(context)
    project = load_project(settings)
    seconds = ci.read(durations or settings.root / ci.DURATIONS)
    merged = ci.merge(
        ci.collect(directory, shards), assign_shards(project, profile, shards, seconds), shards,
        name=into.name, command=f"harness run --profile {profile}",
    )  # fmt: skip
    results.write(merged.result, into / rundir.RESULT)
    junit.write(merged.result, into / rundir.JUNIT)
    cells = merged.result.cells
    what = f"{pluralize(len(cells), 'cell')} of {pluralize(shards, 'shard')}"
    output.show(
        form,
        ids=(cell.id for cell in cells),
        data=lambda: {"cells": len(cells), "problems": merged.problems, "older": merged.older},
        lines=(*merged.older, *merged.problems, f"{what} merged in {show_path(into.absolute())}."),
    )
    if merged.problems:
        raise typer.Exit(ExitCode.FAILED)


@verbs.command("durations")
def write_durations(
    context: typer.Context,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", help="Runs, by name below runs/ or by path; without any, this computer's history."
        ),
    ] = None,
    *,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="FILE", help=f"The file to write; by default, the project's {ci.DURATIONS}."),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Record how long the matrix's cells take, so that shards are equally long: from runs, or from the history."""
    settings = get_settings(context)
    project = load_project(settings)
    seconds = collect_durations(runs or (), project, settings)
    path = into or settings.root / ci.DURATIONS
    write_text(path, ci.format_durations(seconds))
    of = f"{len(seconds)} of {pluralize(len(project.expansion.cells), 'cell')}"
    output.show(form, ids=seconds, data=lambda: seconds, lines=[f"{show_path(path.absolute())}: the times of {of}."])
