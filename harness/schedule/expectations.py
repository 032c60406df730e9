"""Which known failures of the matrix are to be fixed, by what a run found: a pure function, with the day given."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from harness.matrix import Expectation
from harness.model import Outcome
from harness.results import CellResult, ExpectationResult

__all__ = ["KnownFailure", "review_expectations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailure:
    """A known failure of the matrix.

    Attributes:
        expectation: The entry, as the matrix has it.
        cells: Identifiers of all cells of the matrix that it is about, in this run or not.
        whole: Whether all cases of its suites run, so that a pattern that meets none is wrong.
    """

    expectation: Expectation
    cells: frozenset[str]
    whole: bool


def review_expectations(
    known: Sequence[KnownFailure], cells: Sequence[CellResult], today: date
) -> tuple[ExpectationResult, ...]:
    """Return the known failures that a person should look at, in the order of the matrix.

    Those that passed somewhere, those that have expired and are about a cell of the run, and those that are about
    no case: all of their cells ran to the end, and nothing that they cover was more than skipped.

    Args:
        known: The expectations of the matrix.
        cells: What became of the cells of the run so far.
        today: The day to judge at.
    """
    results = ((item, _look(item, [cell for cell in cells if cell.id in item.cells], today)) for item in known)
    return tuple(_make_result(item.expectation, *found) for item, found in results if found is not None)


Finding = Literal["passes", "expired", "unused"]
Cases = tuple[tuple[str, str], ...]


def _look(item: KnownFailure, cells: Sequence[CellResult], today: date) -> tuple[Finding, Cases] | None:
    expectation = item.expectation
    if not cells:
        return None
    if expectation.is_expired(today):
        return "expired", ()
    covered = [(cell.id, case) for cell in cells for case in cell.cases if expectation.is_about(case.nodeid)]
    passed = tuple((name, case.nodeid) for name, case in covered if case.outcome is Outcome.XPASSED)
    if passed:
        return "passes", passed
    ended = {cell.id for cell in cells if not cell.error}
    if item.whole and item.cells <= ended and all(case.outcome is Outcome.SKIPPED for _, case in covered):
        return "unused", ()
    return None


def _make_result(expectation: Expectation, state: Finding, found: Cases) -> ExpectationResult:
    return ExpectationResult(
        state=state,
        cells=str(expectation.cells),
        cases=expectation.cases,
        reason=expectation.reason,
        issue=expectation.issue,
        expires=expectation.expires.isoformat(),
        found=found,
    )
