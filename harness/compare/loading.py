"""What a user names, as a side: a run, its result.json, a JUnit file, or a baseline, by path or by name."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compare.baseline import KIND, find_baseline, load_baseline
from harness.compare.junit import load_junit
from harness.compare.outcomes import RunOutcomes, drop_axes, join
from harness.compare.runs import load_run
from harness.errors import InfrastructureError, UsageError
from harness.model import Cell
from harness.rundir import LAST, RESULT, find_run, is_run
from harness.text import escape

__all__ = ["Places", "open_all", "open_part", "open_side"]

HEAD = 4096
"""Bytes by which a file is known."""
UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where names are looked for."""

    runs: Path
    baselines: Path


def open_side(text: str, places: Places) -> RunOutcomes:
    """Read what a user named.

    `text` is a path, or the name of a run (which `rundir.find_run` finds) or of a baseline.

    Raises:
        UsageError: There is nothing of that name, or a run and a baseline have it both.
        InfrastructureError: It is there, and cannot be read.
    """
    path = _find(text, places)
    if os.sep not in text and path.parent == places.baselines:
        return load_baseline(path, name=text)
    return load_run(path, name=text) if path.is_dir() else _open_file(path, text)


def _find(text: str, places: Places) -> Path:
    """Return the run's directory or the file that a user named; raises UsageError as `open_side` does."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        return path
    if os.sep in text:
        if not path.exists():
            raise UsageError(f"{text}: there is no such file or directory.", hint="A run is named by its directory.")
    elif text != LAST and not is_run(path):
        run, saved = places.runs / text, find_baseline(places.baselines, text)
        if run.exists() and saved.exists():
            raise UsageError(f"`{text}` is a run and a baseline; write the path: {run} or {saved}.")
        if saved.exists():
            return saved
        if not run.exists():
            raise UsageError(
                f"There is no run and no baseline `{text}`, and no such file.",
                hint="`harness baseline list` prints the baselines; a run is named as below runs/.",
            )
    return find_run(places.runs, text)


def _open_file(path: Path, name: str) -> RunOutcomes:
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise InfrastructureError(f"{name} cannot be read: {error.strerror}.") from error
    if KIND.encode() in head:
        return load_baseline(path, name=name)
    if path.suffix == ".json" or head.lstrip()[:1] == b"{":
        return load_run(path, name=name)
    if path.suffix == ".xml" or head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" or head[:2] in UTF16:
        return load_junit(path, name=name)
    raise InfrastructureError(
        f"{name}:1:1: this is neither the {RESULT} of a run, nor a JUnit file, nor a baseline.",
        hint="Name a run's directory, a file that begins with <testsuites>, or a baseline.",
    )


def open_all(texts: Sequence[str], places: Places) -> tuple[RunOutcomes, tuple[str, ...]]:
    """Read the shards of a run as one side, and what speaks against taking them together, see `join`.

    Raises:
        UsageError: There is nothing of a name, or one is named twice.
        InfrastructureError: One cannot be read.
    """
    paths = [_find(text, places).resolve() for text in texts]
    if len(set(paths)) < len(paths):
        twice = next(text for index, text in enumerate(texts) if paths[index] in paths[:index])
        raise UsageError(f"The run {twice} is named twice.")
    return join([open_side(text, places) for text in texts])


def open_part(text: str, places: Places, holds: Sequence[Callable[[Cell], bool]], axes: Sequence[str]) -> RunOutcomes:
    """Read one side of a comparison, or a part of it.

    `text` is what a user named, shards with commas between. `holds` must hold for each of its cells, which are named
    without `axes`, see `drop_axes`.

    Raises:
        UsageError: There is nothing of a name, or shards do not fit together.
        InfrastructureError: One cannot be read.
    """
    side, conflicts = open_all([part for part in text.split(",") if part], places)
    if conflicts:
        raise UsageError("\n".join(map(escape, conflicts)))
    if holds:
        cells = {name: cell for name, item in side.cells.items() if (cell := item.cell) is not None}
        kept = [name for name, cell in cells.items() if all(hold(cell) for hold in holds)]
        side = replace(side, cells={name: side.cells[name] for name in kept})
    return drop_axes(side, axes) if axes else side
