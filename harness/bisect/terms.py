"""The words between a search and its caller: settings, what to test, the answer."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from harness.errors import UsageError

__all__ = [
    "Answer", "AnswerKind", "Goal", "Noise", "Probe", "Purpose", "RateEstimate", "SearchSettings", "Stage", "Suspect", "TestChange",
]  # fmt: skip


class Noise(StrEnum):
    """What is assumed about a test that fails without cause or passes without reason."""

    NONE = "none"
    """Every result is true; two results that contradict each other end the search."""
    LOW = "low"
    """Taken to be mostly reliable until it shows otherwise; the rates are learned."""
    LEARN = "learn"
    """Taken to be unreliable; the rates are learned."""
    KNOWN = "known"
    """The rates are given in the settings."""


class Goal(StrEnum):
    """What is looked for."""

    BREAK = "break"
    """The first commit at which the test fails."""
    FIX = "fix"
    """The first commit at which the test passes: the good end is then the older one, where it fails."""


class Purpose(StrEnum):
    """Why a revision is to be tested."""

    END = "end"
    """One of the two ends, which are verified first."""
    SEARCH = "search"
    """It splits what is left."""
    REPEAT = "repeat"
    """It was tested before; another sample gives more information than another commit."""
    CONFIRM = "confirm"
    """The culprit or one of its parents, on a fresh build."""


class Stage(StrEnum):
    """How far a search is."""

    ENDS = "ends"
    MAINLINE = "mainline"
    """First parents are tested, to find the merge that brought the change in."""
    DESCENT = "descent"
    """The commits that one merge brought in are tested."""
    CONFIRM = "confirm"
    DONE = "done"


class AnswerKind(StrEnum):
    """How a search ends."""

    CULPRIT = "culprit"
    """One commit, confirmed."""
    SUSPECTS = "suspects"
    """The smallest set that contains the culprit and that no test can split, or what is left when the budget is spent."""
    GOOD_FAILS = "good-fails"
    """The good end fails, and so does all else."""
    BAD_PASSES = "bad-passes"
    """The bad end passes, and so does all else."""
    SWAPPED = "swapped"
    """The good end fails and the bad end passes: the ends, or the meaning of the test's status, are the wrong way round."""
    CHANGES = "changes"
    """Without noise: no commit explains the results, as the test changed more than once; each change is located."""
    FLAKY = "flaky"
    """There is no culprit: the test fails about as often at every revision, or a revision both passes and fails."""
    UNTESTABLE = "untestable"
    """An end, or everything between the ends, could not be tested."""

    @property
    def has_rates(self) -> bool:
        """Whether failure rates, and a probability that is computed from them, mean something in such an answer."""
        return self not in {AnswerKind.UNTESTABLE, AnswerKind.SWAPPED, AnswerKind.CHANGES}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How to search.

    Attributes:
        noise: What is assumed about the test.
        rates: For `Noise.KNOWN`: how often the test fails on the bad and on the good side, each in 0..1.
        confidence: Posterior probability at which to stop, in 0..1.
        no_culprit: Prior probability that there is no culprit and the test is flaky; not used with `Noise.NONE`.
        least_effect: Where rates are learned: the smallest difference between the failure rates before and after
            the culprit that is looked for. A change that shows in fewer samples than that is reported as none.
        always_fails: Where rates are learned: whether every sample of a bad revision fails, so that one pass clears
            a revision; only failures can then be without cause.
        past: Where rates are learned: failed and passed samples of this test at good revisions, from its past.
        goal: What is looked for.
        verify_ends: Whether both ends are tested before anything else.
        confirmations: How often culprit and each parent are to be seen on fresh builds.
        least_testable: A commit that is testable with less probability than this is not probed.
        mainline: A first parent is taken when it gives at least this share of the information of the best commit (per second);
            1 switches the preference off.
        same_factor: What is left of the prior of commits between two revisions whose built files are identical.
        most_tests: Samples after which to give up with what is known, or None.

    Raises:
        UsageError: A chance is out of its range.
    """

    noise: Noise = Noise.LOW
    rates: tuple[float, float] | None = None
    confidence: float = 0.99
    no_culprit: float = 0.05
    least_effect: float = 0.2
    always_fails: bool = False
    past: tuple[int, int] = (0, 0)
    goal: Goal = Goal.BREAK
    verify_ends: bool = True
    confirmations: int = 1
    least_testable: float = 0.2
    mainline: float = 0.8
    same_factor: float = 0.001
    most_tests: int | None = None

    def __post_init__(self) -> None:
        if not 0.5 <= self.confidence < 1:  # noqa: PLR2004 - below one half nothing would be named
            raise UsageError(f"The confidence must be at least 0.5 and less than 1, not {self.confidence}.")
        if not 0 <= self.no_culprit < 1:
            raise UsageError(f"The prior of no culprit must be at least 0 and less than 1, not {self.no_culprit}.")
        if min(self.past) < 0:
            raise UsageError(f"Samples of the past cannot be fewer than none: {self.past}.")
        if not 0 < self.same_factor <= 1:
            raise UsageError(f"What identical builds leave must be more than 0 and at most 1, not {self.same_factor}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Test this revision, in a fresh boot.

    Attributes:
        fresh: Whether the build must not be incremental nor come from the cache.
    """

    revision: str
    purpose: Purpose
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A commit that can be the culprit.

    Attributes:
        probability: Posterior probability, in 0..1.
        untestable: Whether it was tried and could not be tested.
    """

    revision: str
    probability: float
    untestable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TestChange:
    """A place in the history where the result of a test changes.

    Attributes:
        before: The last tested revision with the old result.
        after: The first tested one with the new result, a descendant of it.
        breaks: Whether the test fails from here on, or passes.
        untested: How many commits between the two could not be tested, or were not; 0 where `after` is the one.
    """

    before: str
    after: str
    breaks: bool
    untested: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateEstimate:
    """How often the test fails on one side of the culprit.

    Attributes:
        mean: Posterior mean of the rate.
        low: Lower end of its central 90 % interval.
        high: Upper end.
    """

    failed: int
    samples: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a search found.

    Attributes:
        kind: Which of the fields below mean something.
        confidence: Posterior probability that the answer is right, in 0..1.
        suspects: Likeliest first; one for `AnswerKind.CULPRIT`, none without a culprit.
        changes: For `AnswerKind.CHANGES`, those that were found, oldest first.
        fails_before: Rate of failing samples before the culprit; of all samples where there is none.
        fails_after: Rate from the culprit on, or None where there is none.
        tests: Samples that gave a verdict.
        skips: Attempts that gave none.
    """

    kind: AnswerKind
    sentence: str
    confidence: float
    suspects: tuple[Suspect, ...] = field(default=())
    # Left out where there are none, as in results and journals of before.
    changes: Annotated[tuple[TestChange, ...], Field(exclude_if=lambda value: not value)] = field(default=())
    fails_before: RateEstimate
    fails_after: RateEstimate | None = None
    tests: int
    skips: int

    @property
    def culprit(self) -> str | None:
        """The culprit, where there is exactly one."""
        return self.suspects[0].revision if self.kind is AnswerKind.CULPRIT else None
