"""What becomes of a case, one table for all that read outcomes; and how the work for its cell goes meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Event", "Outcome", "Phase", "State", "Statement", "Verdict", "count_runs", "find_worst", "fold_outcomes"]


class Statement(StrEnum):
    """What an outcome says about the runtime."""

    NOTHING = "nothing"
    SUCCESS = "success"
    UNSTABLE = "unstable"
    """It passes, and not each time."""
    KNOWN_FAILURE = "known failure"
    FAILURE = "failure"
    BREAKAGE = "breakage"
    """The guest or the harness broke, so that nobody knows."""


class Outcome(StrEnum):
    """What became of one case; what else there is to say of each is in `TRAITS`."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """The harness or the guest broke: no statement about the runtime."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    """Failed as an expectation says."""
    XPASSED = "xpassed"
    """Passed although an expectation says that it fails."""
    FLAKY = "flaky"
    """Failed first and passed in a rerun."""

    @property
    def badness(self) -> int:
        """Place in the order from harmless to worst, for "worst of"."""
        return BADNESS[self]

    @property
    def letter(self) -> str:
        """The one character that tables and pages show."""
        return TRAITS[self].letter

    @property
    def statement(self) -> Statement:
        """What it says about the runtime."""
        return TRAITS[self].statement

    @property
    def ran(self) -> bool:
        """Whether the case was executed and has an answer: neither skipped nor broken."""
        return self.statement not in {Statement.NOTHING, Statement.BREAKAGE}

    @property
    def passes(self) -> bool:
        """Whether the last attempt passed, expected or not."""
        return self.statement in {Statement.SUCCESS, Statement.UNSTABLE}

    @property
    def fails(self) -> bool:
        """Whether all attempts failed, expected or not."""
        return self.statement in {Statement.FAILURE, Statement.KNOWN_FAILURE}

    @property
    def unexpected(self) -> bool:
        """Whether a run with it does not end with exit code 0."""
        return TRAITS[self].unexpected

    @property
    def wants_a_look(self) -> bool:
        """Whether a person has to look at the case: it is unexpected, or passed only in a rerun."""
        return self.unexpected or self.statement is Statement.UNSTABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traits:
    """What there is to say of an outcome.

    Attributes:
        letter: The one character that tables and pages show.
        statement: What it says about the runtime.
        unexpected: Whether a run with it does not end with exit code 0.
    """

    letter: str
    statement: Statement
    unexpected: bool = False


TRAITS = {
    Outcome.SKIPPED: _Traits(letter="s", statement=Statement.NOTHING),
    Outcome.XFAILED: _Traits(letter="x", statement=Statement.KNOWN_FAILURE),
    Outcome.PASSED: _Traits(letter=".", statement=Statement.SUCCESS),
    Outcome.FLAKY: _Traits(letter="~", statement=Statement.UNSTABLE),
    Outcome.XPASSED: _Traits(letter="X", statement=Statement.SUCCESS, unexpected=True),
    Outcome.FAILED: _Traits(letter="F", statement=Statement.FAILURE, unexpected=True),
    Outcome.ERROR: _Traits(letter="E", statement=Statement.BREAKAGE, unexpected=True),
}
"""From harmless to worst."""

BADNESS = {outcome: place for place, outcome in enumerate(TRAITS)}


def find_worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of some outcomes; `skipped` for none, since nothing ran."""
    return max(outcomes, key=lambda outcome: outcome.badness, default=Outcome.SKIPPED)


def count_runs(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many runs of a case failed, also only at first, and how many said something."""
    ran = [outcome for outcome in outcomes if outcome.ran]
    return sum(outcome.statement in {Statement.FAILURE, Statement.UNSTABLE} for outcome in ran), len(ran)


def fold_outcomes(outcomes: Sequence[Outcome], counts: tuple[int, int]) -> Outcome:
    """Return one outcome for several runs of a case, of which so many failed: flaky where some did, and not all."""
    worst = find_worst(outcomes)
    return Outcome.FLAKY if worst is Outcome.FAILED and 0 < counts[0] < counts[1] else worst


class Verdict(StrEnum):
    """What a bisection learns at one revision."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"
    """Could not be tested: no build, no boot, or broken infrastructure."""


class Phase(StrEnum):
    """A part of the work for one cell, in the order in which a plan has them."""

    BUILD = "build"
    IMAGE = "image"
    BOOT = "boot"
    SUITES = "suites"
    COLLECT = "collect"


class State(StrEnum):
    """Where a phase stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Ended by the user, which says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened that a user who watches wants to see.

    Attributes:
        cell: Identifier of the cell.
        phase: Which part of its plan.
        state: Where that part stands now.
        text: One short line, or empty.
    """

    cell: str
    phase: Phase
    state: State
    text: str = ""
