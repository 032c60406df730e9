"""What became of a run's cases in the other runs next to it."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import results
from harness.errors import HarnessError
from harness.report.run_page.excerpts import read_size
from harness.results import RunResult
from harness.rundir import PAGE, RESULT

__all__ = ["Past", "PastRun", "collect_past", "make_empty"]

logger = logging.getLogger(__name__)

MOST_RUNS = 20
"""Other runs that are shown."""

MOST_LOOKED_AT = 60
"""Other runs that are read, to find those that have cells of this one."""

MOST_BYTES = 64 * 1024 * 1024
"""Size of a result.json up to which it is read."""

MOST_TOGETHER = 4 * MOST_BYTES
"""Bytes that are read of all; a run should not wait for the history of large ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run, as a column of the history.

    Attributes:
        started: Time of its start, ISO 8601.
        page: Whether it has a page to go to.
    """

    id: str
    started: str
    page: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The history of cases.

    Attributes:
        runs: Other runs, the oldest first.
        outcomes: By cell and node id, the letter of the outcome in each run; a blank where it did not run.
    """

    runs: tuple[PastRun, ...]
    outcomes: Mapping[tuple[str, str], str]


def make_empty() -> Past:
    """Return the history of the first run."""
    return Past(runs=(), outcomes={})


def collect_past(run: RunResult, directory: Path) -> Past:
    """Return the history of a run's cases over the runs next to it: the newest that have cells of it, up to a number."""
    cells = frozenset(cell.id for cell in run.cells)
    found: list[tuple[PastRun, dict[tuple[str, str], str]]] = []
    for path, other in _find_others(directory):
        codes = {
            (cell.id, case.nodeid): case.outcome.letter
            for cell in other.cells
            if cell.id in cells
            for case in cell.cases
        }
        if codes:
            page = read_size(path / PAGE) is not None
            found.append((PastRun(id=path.name, started=other.started, page=page), codes))
        if len(found) == MOST_RUNS:
            break
    found.sort(key=lambda item: (item[0].started, item[0].id))
    outcomes = {}
    for cell in run.cells:
        for case in cell.cases:
            name = cell.id, case.nodeid
            outcomes[name] = "".join(codes.get(name, " ") for _, codes in found)
    return Past(runs=tuple(item for item, _ in found), outcomes=outcomes)


def _find_others(directory: Path) -> Iterator[tuple[Path, RunResult]]:
    """Yield the runs next to a run, those that were written last first."""
    here = directory.resolve()
    try:
        paths = [path for path in here.parent.iterdir() if path.name != here.name]
    except OSError:
        return
    written = [(path.stat().st_mtime, path) for path in paths if read_size(path / RESULT) is not None]
    left = MOST_TOGETHER
    for _, path in sorted(written, reverse=True)[:MOST_LOOKED_AT]:
        size = read_size(path / RESULT) or 0
        if size > min(MOST_BYTES, left):
            continue
        left -= size
        try:
            yield path, results.read(path / RESULT)
        except HarnessError as error:
            logger.info("The history leaves out %s: %s", path.name, error)
