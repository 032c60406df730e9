"""Outcomes as single letters, which the page's data and its script share with the terminal's marks."""

from harness.model import Outcome

__all__ = ["BAD", "CODES", "HARMLESS"]

CODES = {
    Outcome.PASSED: ".",
    Outcome.FAILED: "F",
    Outcome.ERROR: "E",
    Outcome.SKIPPED: "s",
    Outcome.XFAILED: "x",
    Outcome.XPASSED: "X",
    Outcome.FLAKY: "~",
}

BAD = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.XPASSED, Outcome.FLAKY})
"""Outcomes that a person has to look at."""

HARMLESS = frozenset({Outcome.PASSED, Outcome.SKIPPED})
"""Outcomes of which the page only counts the cases where there are too many."""
