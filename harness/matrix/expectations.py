"""What known failures make of outcomes: pure functions, with the day given."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from harness.matrix.models import Expectation, Matrix
from harness.model import Outcome

__all__ = ["Judgement", "judge", "list_expired"]


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

    Args:
        nodeid: The case, relative to the suites.
        outcome: What pytest and the guest said.
        text: Message, traceback and output of the failure.
        expectations: Those of the cell, see `Matrix.expectations_for`.
        today: The day to judge at.
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


def list_expired(matrix: Matrix, today: date) -> tuple[Expectation, ...]:
    """Return the expectations whose last day is over: to be fixed, or to be renewed with a reason."""
    return tuple(item for item in matrix.expectations if item.is_expired(today))


def _is_match(item: Expectation, text: str) -> bool:
    return item.matching is None or re.search(item.matching, text) is not None
