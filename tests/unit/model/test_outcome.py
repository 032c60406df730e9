"""Tests of what follows from an outcome."""

import pytest

from harness.model import Outcome, Statement


@pytest.mark.parametrize(
    ("outcome", "letter", "said"),
    [
        (Outcome.SKIPPED, "s", ""),
        (Outcome.XFAILED, "x", "ran fails"),
        (Outcome.PASSED, ".", "ran passes"),
        (Outcome.FLAKY, "~", "ran passes wants_a_look"),
        (Outcome.XPASSED, "X", "ran passes unexpected wants_a_look"),
        (Outcome.FAILED, "F", "ran fails unexpected wants_a_look"),
        (Outcome.ERROR, "E", "unexpected wants_a_look"),
    ],
)
def test_what_an_outcome_says(outcome: Outcome, letter: str, said: str) -> None:
    """One table answers for all that read outcomes."""
    flags = ("ran", "passes", "fails", "unexpected", "wants_a_look")
    assert outcome.letter == letter
    assert " ".join(flag for flag in flags if getattr(outcome, flag)) == said


def test_every_outcome_is_in_the_table() -> None:
    """Each has a letter of its own and a place in the order from harmless to worst."""
    assert len({outcome.letter for outcome in Outcome}) == len(Outcome)
    assert [outcome.value for outcome in sorted(Outcome, key=lambda outcome: outcome.badness)] == [
        "skipped", "xfailed", "passed", "flaky", "xpassed", "failed", "error",
    ]  # fmt: skip
    assert {outcome.statement for outcome in Outcome} == set(Statement)
