"""What a user names, as a side: a run, its result.json, a JUnit file, or a baseline, by path or by name."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.compare.baseline import KIND, find_baseline, load_baseline
from harness.compare.junit import load_foreign
from harness.compare.outcomes import CellOutcomes, RunOutcomes, drop_axes, find_common, join
from harness.compare.runs import load_run
from harness.errors import InfrastructureError, UsageError
from harness.foreign import HEAD, detect_format
from harness.model import Cell, Outcome, count_runs, fold_outcomes
from harness.rundir import LAST, RESULT, find_run, is_run
from harness.text import escape, pluralize

__all__ = ["Places", "open_all", "open_part", "open_side", "pool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where names are looked for."""

    runs: Path
    baselines: Path


def open_side(text: str, places: Places) -> RunOutcomes:
    """Read what a user named.

    `text` is a path, or the name of a run (which `rundir.find_run` finds) or of a baseline. A directory of result files
    of another tool is one side.

    Raises:
        UsageError: There is nothing of that name, or a run and a baseline have it both.
        InfrastructureError: It is there, and cannot be read.
    """
    path = _find(text, places)
    if os.sep not in text and path.parent == places.baselines:
        return load_baseline(path, name=text)
    if path.is_dir():
        found = _list_foreign(path)
        if not found:
            return load_run(path, name=text)
        return join([_open_file(file, f"{text.rstrip(os.sep)}/{file.name}") for file in found], name=text)[0]
    return _open_file(path, text)


def _find(text: str, places: Places) -> Path:
    """Return the run's directory or the file that a user named; raises UsageError as `open_side` does."""
    try:
        return _find_path(text, places)
    except (OSError, ValueError) as error:  # a name that is too long, or with a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"`{escape(text)}` cannot be looked for: {reason}.") from error


def _find_path(text: str, places: Places) -> Path:
    if not text.strip():
        raise UsageError("The name of a run is empty.", hint="Is a shell variable unset?")
    path = Path(text)
    if path.exists() and not path.is_dir():
        return path
    if path.is_dir() and _list_foreign(path):
        return path
    if os.sep in text:
        if not path.exists():
            raise UsageError(
                f"{escape(text)}: there is no such file or directory.", hint="A run is named by its directory."
            )
    elif text != LAST and not is_run(path):
        run, saved = places.runs / text, find_baseline(places.baselines, text)
        if run.exists() and saved.exists():
            raise UsageError(f"`{text}` is a run and a baseline; write the path: {run} or {saved}.")
        if saved.exists():
            return saved
        if not run.exists():
            raise UsageError(
                f"There is no run and no baseline `{escape(text)}`, and no such file.",
                hint="`harness baseline list` prints the baselines; a run has the name of its directory below runs/.",
            )
    return find_run(places.runs, text)


def _list_foreign(directory: Path) -> list[Path]:
    """Return the result files of other tools in a directory that is none of a run; empty XML is one that was cut off."""
    if is_run(directory):
        return []
    return [
        path
        for path in sorted(directory.iterdir())
        if path.suffix in {".xml", ".tap", ".json"} and path.is_file() and _is_foreign(path)
    ]


def _is_foreign(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    form = detect_format(head)
    # Build tools have other XML next to it: failsafe-summary.xml.
    return (
        (b"<testsuite" in head.replace(b"\0", b""))
        if form == "junit"
        else form is not None or (path.suffix == ".xml" and not head.strip())
    )


def _open_file(path: Path, name: str) -> RunOutcomes:
    try:
        with _hold(path) as file:
            with file.open("rb") as stream:
                head = stream.read(HEAD)
            return _read_file(file, head, name)
    except OSError as error:
        raise InfrastructureError(f"{name} cannot be read: {error.strerror}.") from error


@contextmanager
def _hold(path: Path) -> Iterator[Path]:
    """Provide a file that can be read twice: a pipe (`<(git show HEAD:junit.xml)`, /dev/stdin) is copied."""
    if path.is_file():
        yield path
        return
    with TemporaryDirectory() as directory:
        copy = Path(directory) / "pipe"
        with path.open("rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield copy


def _read_file(path: Path, head: bytes, name: str) -> RunOutcomes:
    """Read a file whose beginning is known."""
    if KIND.encode() in head:
        return load_baseline(path, name=name)
    form = detect_format(head)
    if form is not None:
        return load_foreign(path, name=name, form=form)
    if path.suffix == ".json" or head.lstrip()[:1] == b"{":
        return load_run(path, name=name)
    if path.suffix == ".xml" or not head.strip():
        return load_foreign(path, name=name, form="junit")
    raise InfrastructureError(
        f"{name}:1:1: this is neither the {RESULT} of a run, nor a baseline, nor a result file of a known tool.",
        hint="Name a run's directory, a baseline, JUnit, TAP, CTRF, the output of `go test -json`, or meson's testlog.json.",
    )


def open_all(
    texts: Sequence[str], places: Places, *, pooled: bool = False, strict: bool = False
) -> tuple[RunOutcomes, tuple[str, ...]]:
    """Read the shards of a run as one side, and what speaks against taking them together, see `join`.

    If `pooled`, they are runs of the same, of which each counts, see `pool`.

    Raises:
        UsageError: There is nothing of a name, one is named twice, or two to be pooled are copies of one run.
        InfrastructureError: One cannot be read.
    """
    paths = [_find(text, places).resolve() for text in texts]
    if len(set(paths)) < len(paths):
        twice = next(text for index, text in enumerate(texts) if paths[index] in paths[:index])
        raise UsageError(f"The run {twice} is named twice.")
    sides = [open_side(text, places) for text in texts]
    if not pooled:
        return join(sides)
    contents = [_read_content(path) for path in paths]
    for index, content in enumerate(contents):
        if content is not None and content in contents[:index]:
            first = texts[contents.index(content)]
            raise UsageError(f"{texts[index]} is a copy of {first}; each run counts once.")
    return pool(sides, strict=strict)


def _read_content(path: Path) -> bytes | None:
    """Return the content of a run's result, or of a file; None for what is neither."""
    file = path / RESULT if path.is_dir() else path
    return file.read_bytes() if file.is_file() else None


def pool(
    sides: Sequence[RunOutcomes], name: str | None = None, *, strict: bool = False
) -> tuple[RunOutcomes, tuple[str, ...]]:
    """Return runs of the same as one side, with what speaks against taking them together; see `join`.

    Every run counts, whichever attempt it was. A run in which a cell or a case broke says nothing about it: it is
    broken where it broke in all of them; if `strict`, where it broke in any, as a guest that boots only sometimes is no
    release to be shipped.
    """
    found: dict[str, list[CellOutcomes]] = {}
    for side in sides:
        for cell in side.cells.values():
            found.setdefault(cell.id, []).append(cell)
    pooled = {identifier: _pool_cells(cells, strict=strict) for identifier, cells in found.items()}
    broken = tuple(line for side in sides for line in _list_broken(side, pooled)) if len(sides) > 1 else ()
    parts = []
    for side in sides:
        first = {identifier: pooled.pop(identifier) for identifier in side.cells if identifier in pooled}
        parts.append(replace(side, cells=first, attempt=0))
    whole, conflicts = join(parts, name)
    attempt = max(side.attempt for side in sides)
    return replace(whole, attempt=attempt, older=(*whole.older, *broken)), conflicts


def _list_broken(side: RunOutcomes, pooled: Mapping[str, CellOutcomes]) -> Iterator[str]:
    """Yield what of a run does not count, as it broke there and not in all runs."""
    for cell in side.cells.values():
        whole = pooled[cell.id]
        if cell.error and not whole.error:
            yield f"{side.name}: the cell {cell.id} broke, and counts for nothing there: {cell.error.splitlines()[0]}"
        lost = [
            name
            for name, outcome in cell.cases.items()
            if outcome is Outcome.ERROR and whole.cases[name] is not Outcome.ERROR
        ]
        if lost:
            yield f"{side.name}: {pluralize(len(lost), 'case')} of {cell.id} broke, {lost[0]} first, which counts for nothing."


def _pool_cells(cells: Sequence[CellOutcomes], *, strict: bool) -> CellOutcomes:
    """Return what several results of a cell say together."""
    if len(cells) == 1:
        return cells[0]
    cases: dict[str, Outcome] = {}
    counts: dict[str, tuple[int, int]] = {}
    messages: dict[str, str] = {}
    for nodeid in dict.fromkeys(name for cell in cells for name in cell.cases):
        outcomes = [cell.cases[nodeid] for cell in cells if nodeid in cell.cases]
        seen = [cell.counts.get(nodeid) or count_runs([cell.cases[nodeid]]) for cell in cells if nodeid in cell.cases]
        counts[nodeid] = (sum(failed for failed, _ in seen), sum(runs for _, runs in seen))
        ran = [outcome for outcome in outcomes if outcome.ran]
        cases[nodeid] = fold_outcomes(ran or outcomes, counts[nodeid])
        if strict and Outcome.ERROR in outcomes:
            cases[nodeid] = Outcome.ERROR
        message = next((text for cell in cells if (text := cell.messages.get(nodeid))), "")
        if message and cases[nodeid].wants_a_look:
            messages[nodeid] = message
    errors = [cell.error for cell in cells if cell.error]
    broke = bool(errors) and (strict or len(errors) == len(cells))
    return CellOutcomes(
        id=cells[0].id,
        axes=cells[0].axes,
        facts=find_common([cell.facts for cell in cells]),
        cases=cases,
        messages=messages,
        error=errors[0] if broke else None,
        pid1_crash=next((cell.pid1_crash for cell in cells if cell.pid1_crash), None),
        place=", ".join(cell.place for cell in cells),
        counts={nodeid: found for nodeid, found in counts.items() if found[1] > 1},
    )


def open_part(
    text: str, places: Places, holds: Sequence[Callable[[Cell], bool]], axes: Sequence[str], *, pooled: bool = False
) -> RunOutcomes:
    """Read one side of a comparison, or a part of it.

    `text` is what a user named: with commas between shards, or, if `pooled`, runs of the same. `holds` must hold for each of its cells, which are named
    without `axes`, see `drop_axes`.

    Raises:
        UsageError: There is nothing of a name, or shards do not fit together.
        InfrastructureError: One cannot be read.
    """
    parts = [part for part in text.split(",") if part.strip()]
    side, conflicts = open_all(parts or [""], places, pooled=pooled)
    if conflicts:
        raise UsageError("\n".join(map(escape, conflicts)))
    if holds:
        cells = {name: cell for name, item in side.cells.items() if (cell := item.cell) is not None}
        kept = [name for name, cell in cells.items() if all(hold(cell) for hold in holds)]
        side = replace(side, cells={name: side.cells[name] for name in kept})
    return drop_axes(side, axes) if axes else side
