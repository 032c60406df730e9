"""Baselines: what a run found, as a small file that fits into git or any object store.

It is JSON, with one line for each case, sorted; its bytes depend on the results alone, so that saving the same run twice changes
nothing and a diff shows which case changed. Messages, times and what varies from run to run are not in it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.compare.copies import CaseCopy
from harness.compare.outcomes import VARYING_FACTS, CellOutcomes, RunOutcomes
from harness.compare.runs import locate
from harness.errors import InfrastructureError, UsageError
from harness.garbage import pause_garbage_collection
from harness.model import Outcome
from harness.results import find_problem
from harness.rundir import LAST
from harness.text import escape
from harness.writing import write_text

__all__ = [
    "KIND",
    "SUFFIX",
    "carry_history",
    "check_name",
    "find_baseline",
    "format_baseline",
    "load_baseline",
    "write_baseline",
]

FORMAT = 1
"""Version of the file; a change that a reader could stumble over raises it."""
KIND = "rkt-harness baseline"
"""What the file says that it is."""
SUFFIX = ".json"
ENOUGH = 0.6
"""Part of the runs of another baseline that one must have to be the better one: as Component Readiness has it."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Cell(_Model):
    id: str
    axes: dict[str, str | None]
    facts: dict[str, str]
    error: str | None = None
    cases: dict[str, Outcome]
    counts: dict[str, tuple[int, int]] = {}
    since: dict[str, str] = {}
    fixed: tuple[str, ...] = ()
    best: dict[str, tuple[int, int, str]] = {}
    copies: dict[str, tuple[tuple[str, Outcome], ...]] = {}


class _Baseline(_Model):
    kind: Literal["rkt-harness baseline"]
    format: int
    started: str
    facts: dict[str, str]
    cells: tuple[_Cell, ...]


def format_baseline(side: RunOutcomes) -> str:
    """Return the file of a baseline; equal results give equal text."""
    return "".join(_format_lines(side))


def _format_lines(side: RunOutcomes) -> Iterator[str]:
    yield f'{{"kind": {_dump(KIND)}, "format": {FORMAT},\n"started": {_dump(side.started)},\n'
    # The computers that ran the shards say nothing about the runtime; which harness judged does.
    facts = {key: value for key, value in side.facts.items() if not key.startswith("host ")}
    yield f'"facts": {_dump(facts)},\n"cells": ['
    for index, cell in enumerate(sorted(side.cells.values(), key=lambda item: item.id)):
        facts = {key: value for key, value in cell.facts.items() if key not in VARYING_FACTS}
        yield f'{"," if index else ""}\n{{"id": {_dump(cell.id)},\n"axes": {_dump(cell.axes)},\n"facts": {_dump(facts)},\n'
        if cell.error is not None:
            yield f'"error": {_dump(escape(cell.error))},\n'
        yield '"cases": {'
        for place, (nodeid, outcome) in enumerate(sorted(cell.cases.items())):
            yield f"{',' if place else ''}\n{_dump(nodeid)}: {_dump(outcome)}"
        yield "}"
        yield from _format_more("counts", dict(cell.counts))
        yield from _format_more("since", dict(cell.since))
        yield from _format_more("best", dict(cell.best))
        if cell.fixed:
            yield f',\n"fixed": {_dump(sorted(cell.fixed))}'
        # Names of other tools need not be unique.
        several = {nodeid: found for nodeid, found in cell.copies.items() if len(found) > 1}
        yield from _format_more(
            "copies", {nodeid: [(copy.place, copy.outcome) for copy in found] for nodeid, found in several.items()}
        )
        yield "}"
    yield "\n]}\n"


def _format_more(key: str, values: Mapping[str, object]) -> Iterator[str]:
    """Yield what is known of some cases only, one line for each."""
    if values:
        yield f',\n"{key}": {{'
        for place, (nodeid, value) in enumerate(sorted(values.items())):
            yield f"{',' if place else ''}\n{_dump(nodeid)}: {_dump(value)}"
        yield "}"


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def write_baseline(side: RunOutcomes, path: Path) -> None:
    """Write a baseline; raises as `write_text` does."""
    write_text(path, format_baseline(side), inside=True)


def carry_history(side: RunOutcomes, earlier: RunOutcomes) -> RunOutcomes:
    """Return what is saved in place of an earlier baseline.

    It knows since when cases fail, which were fixed meanwhile, and how seldom each failed at best, so that the bar
    does not sink from one baseline to the next.
    """
    return replace(side, cells={name: _carry_cell(cell, side, earlier) for name, cell in side.cells.items()})


def _carry_cell(cell: CellOutcomes, side: RunOutcomes, earlier: RunOutcomes) -> CellOutcomes:
    before = earlier.cells.get(cell.id)
    if before is None:
        return cell
    failed = {nodeid for nodeid, outcome in before.cases.items() if outcome is Outcome.FAILED}
    since = {
        nodeid: before.since.get(nodeid, earlier.started[:10])
        for nodeid, outcome in cell.cases.items()
        if nodeid in failed and outcome is Outcome.FAILED
    }
    fixed = {
        nodeid
        for nodeid, outcome in cell.cases.items()
        if outcome.passes and (nodeid in failed or nodeid in before.fixed)
    }
    best = {nodeid: counts for nodeid in cell.cases if (counts := _find_best(nodeid, cell, side, before, earlier))}
    return replace(cell, since={**cell.since, **since}, fixed=cell.fixed | fixed, best=best)


def _find_best(
    nodeid: str, cell: CellOutcomes, side: RunOutcomes, before: CellOutcomes, earlier: RunOutcomes
) -> tuple[int, int, str] | None:
    """Return the best counts of a case and their day, of what is known and of an earlier baseline; None if now's are.

    The lower failure rate is better, if it is of at least `ENOUGH` as many runs; one run says nothing about a rate.
    """
    found = []
    for counted, when in ((cell, side), (before, earlier)):
        if nodeid in counted.best:
            found.append(counted.best[nodeid])
        if nodeid in counted.counts:
            found.append((*counted.counts[nodeid], when.started[:10]))
    most = max((runs for _, runs, _ in found), default=0)
    known = [counts for counts in found if counts[1] >= ENOUGH * most]
    best = min(known, key=lambda counts: (counts[0] / counts[1], -counts[1]), default=None)
    return None if best is None or best[:2] == cell.counts.get(nodeid) else best


def load_baseline(path: Path, *, name: str) -> RunOutcomes:
    """Read a baseline; raises InfrastructureError if it is not there, broken, or of a newer format."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be read: {error.strerror}.") from error
    with pause_garbage_collection():
        value = locate(data, str(path), "baseline")
    version = value.get("format") if isinstance(value, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise InfrastructureError(
            f"{path}: the baseline has format {version}, and this harness reads up to {FORMAT}.",
            hint="Use the version of the harness that wrote it, or save the baseline again.",
        )
    try:
        with pause_garbage_collection():
            read = _Baseline.model_validate(value)
    except ValidationError as error:
        raise InfrastructureError(
            f"{path}: this is not a baseline of format {FORMAT}: {find_problem(error)}."
        ) from error
    cells: dict[str, CellOutcomes] = {}
    for cell in read.cells:
        if cell.id in cells:
            raise InfrastructureError(f"{path}: the cell `{escape(cell.id)}` appears twice; a merge went wrong.")
        cells[cell.id] = CellOutcomes(
            id=cell.id,
            axes=cell.axes,
            facts=cell.facts,
            cases=cell.cases,
            error=cell.error,
            place=name,
            counts=cell.counts,
            since=cell.since,
            fixed=frozenset(cell.fixed),
            best=cell.best,
            copies={
                nodeid: tuple(CaseCopy(place, outcome) for place, outcome in found)
                for nodeid, found in cell.copies.items()
            },
        )
    return RunOutcomes(name=name, kind="baseline", started=read.started, cells=cells, facts=read.facts)


def check_name(name: str) -> str:
    """Return the name of a baseline; raises UsageError for what is none, or always is a run."""
    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{escape(name)}` cannot be the name of a baseline; use letters, digits, dots, dashes and underscores."
        )
    if name == LAST:
        raise UsageError(f"`{LAST}` always means the last run, so no baseline can have that name.")
    return name


def find_baseline(directory: Path, name: str) -> Path:
    """Return the file of a baseline; raises UsageError for what is no name."""
    return directory / f"{check_name(name)}{SUFFIX}"
