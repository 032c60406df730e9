"""What known failures make of outcomes, and which of them are to be fixed: pure functions, with the day given."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from harness.matching import search
from harness.matrix import Expectation
from harness.model import Outcome
from harness.results import CellResult, ExpectationResult

__all__ = ["Judgement", "KnownFailure", "judge", "review_expectations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an outcome is in the light of the expectations.

    Attributes:
        outcome: The outcome that counts.
        note: One sentence that says why it is not the raw one, or what to fix; empty if there is nothing to say.
        expectation: The expectation that decided, or None.
    """

    outcome: Outcome
    note: str = ""
    expectation: Expectation | None = None


def judge(nodeid: str, outcome: Outcome, text: str, expectations: Iterable[Expectation], today: date) -> Judgement:
    """Return what became of a case, given what was expected of it.

    A failure is `xfailed` if an expectation covers the case, matches the failure's text and has not expired.
    A pass that an expectation which has not expired speaks against is `xpassed`. Every other outcome stays:
    an error says nothing about the runtime, and a flaky case is a finding of its own.

    `text` is message, traceback and output of the failure. The expectations are those of the cell, see
    `Matrix.expectations_for`.

    Raises:
        InfrastructureError: A pattern takes too long, see `harness.matching`.
    """
    about = [item for item in expectations if item.is_about(nodeid)]
    current = [item for item in about if not item.is_expired(today)]
    if outcome is Outcome.FAILED:
        for item in current:
            if _is_match(item, text):
                return Judgement(
                    outcome=Outcome.XFAILED, note=f"Expected: {item.reason} ({item.issue})", expectation=item
                )
        for item in about:
            if item.is_expired(today) and _is_match(item, text):
                note = f"The expectation of this failure expired on {item.expires}: {item.reason} ({item.issue})"
                return Judgement(outcome=outcome, note=note, expectation=item)
        if current:
            note = f"Another failure than the expected one, which matches `{current[0].matching}`."
            return Judgement(outcome=outcome, note=note, expectation=current[0])
    if outcome is Outcome.PASSED and current:
        note = f"It passes although it was expected to fail: {current[0].reason} ({current[0].issue})"
        return Judgement(outcome=Outcome.XPASSED, note=note, expectation=current[0])
    return Judgement(outcome=outcome)


def _is_match(item: Expectation, text: str) -> bool:
    return item.matching is None or search(item.matching, text)


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
