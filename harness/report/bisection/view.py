"""What a bisection looks like to its renderers; whoever has the journal fills it in.

Texts are taken as they come: whatever a guest printed may be in them, the renderers make it harmless.
Words are plain strings, so that the engine's enumerations fit without a translation.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.model import Verdict

__all__ = [
    "Answer", "Belief", "Command", "Commit", "Culprit", "Evidence", "FileChange", "Rate", "Revert", "Settings", "Step",
    "Suspect", "View",
]  # fmt: skip

LEVELS = 255
"""Largest byte of a packed probability; it stands for 1."""

PER_HALF = 12
"""Bytes for a factor of two: packed probabilities are right to 3 %, and less than 4e-7 is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A candidate.

    Attributes:
        revision: Its full name.
        subject: First line of its message.
        author: Name of its author.
        date: When it was written, ISO 8601.
        parents: Full names of all its parents, candidates or not, first parent first.
        weight: Its prior weight relative to the others.
    """

    revision: str
    subject: str
    author: str = ""
    date: str = ""
    parents: tuple[str, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """The posterior after a step.

    Attributes:
        no_culprit: Probability that there is no culprit, in 0..1.
        top: The likeliest candidates, index and exact probability, likeliest first.
        packed: A byte for each candidate, compressed; see `of`.
    """

    no_culprit: float
    top: tuple[tuple[int, float], ...]
    packed: bytes

    @classmethod
    def of(cls, chances: Sequence[float] | NDArray[np.float64], no_culprit: float, *, top: int = 8) -> "Belief":
        """From the probability of each candidate, in the order of `View.commits`."""
        exact = np.asarray(chances, dtype=np.float64)
        with np.errstate(divide="ignore"):
            levels = np.rint(LEVELS + PER_HALF * np.log2(exact))
        packed = zlib.compress(np.clip(levels, 0, LEVELS).astype(np.uint8).tobytes())
        likeliest = np.argsort(-exact, kind="stable")[:top]
        return cls(
            no_culprit=float(no_culprit),
            top=tuple((int(place), float(exact[place])) for place in likeliest),
            packed=packed,
        )

    def expand_chances(self) -> NDArray[np.float64]:
        """Probability of each candidate, right to 3 % of itself; the likeliest are exact."""
        levels = np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8).astype(np.float64)
        found = np.where(levels > 0, np.exp2((levels - LEVELS) / PER_HALF), 0.0)
        for place, chance in self.top:
            found[place] = chance
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One attempt at a revision.

    Attributes:
        number: Counts from 1, in the order in which results came.
        revision: Full name of what was tested.
        purpose: Why: end, search, repeat, confirm.
        verdict: What the test said (good: it passed), skip if it could not be tested, None while it runs.
        reason: For a skip, what failed: "build", "boot".
        seconds: Of each phase, in order: build, boot, test.
        artifact: Digest of what was built, or empty.
        cached: Whether the build came from the cache.
        fresh: Whether the build was made from nothing for this step.
        message: One line: why it failed or was skipped.
        evidence: Directory with its logs.
        belief: The posterior after it, or None if it is not known.
    """

    number: int
    revision: str
    purpose: str
    verdict: Verdict | None
    reason: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    artifact: str = ""
    cached: bool = False
    fresh: bool = False
    message: str = ""
    evidence: str = ""
    belief: Belief | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A commit that can be the culprit, with its probability in 0..1, and whether it could not be tested."""

    revision: str
    probability: float
    untestable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often the test fails on one side: what was counted, the estimate, and its 90 % interval, each in 0..1."""

    failed: int
    samples: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found; the fields are those of the engine's answer.

    Attributes:
        kind: culprit, suspects, good-fails, bad-passes, flaky or untestable.
        sentence: The answer for a person, without markup.
        confidence: Probability that it is right, in 0..1.
        suspects: Likeliest first; one for a culprit.
        fails_before: How often the test fails before the culprit; everywhere, where there is none.
        fails_after: How often from the culprit on, or None.
        tests: Samples that gave a verdict.
        skips: Attempts that gave none.
    """

    kind: str
    sentence: str
    confidence: float
    suspects: tuple[Suspect, ...] = ()
    fails_before: Rate
    fails_after: Rate | None = None
    tests: int
    skips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file that a commit touches, and its lines added and removed; None for a binary file."""

    path: str
    added: int | None = None
    removed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """What only the first bad commit needs: its whole message, and its files."""

    revision: str
    message: str
    files: tuple[FileChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """The culprit taken back on top of the bad end.

    Attributes:
        clean: Whether it could be taken back without a conflict.
        verdict: What the test said then, skip if that did not build or boot, None if it was not tested.
        message: One line: the files in conflict, or why it failed.
    """

    clean: bool
    verdict: Verdict | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the same test left at one revision.

    Attributes:
        revision: Full name.
        verdict: What the test said there.
        log: Excerpt of its log.
        properties: Properties of the container's unit, by name.
        cgroups: The cgroup tree, as text.
        directory: Where all of it is.
    """

    revision: str
    verdict: Verdict
    log: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    cgroups: str = ""
    directory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line that repeats something, and what: "the test at the first bad commit"."""

    what: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How was searched.

    Attributes:
        confidence: Probability at which the search stops, in 0..1.
        find_fix: Whether the first commit at which the test passes is looked for.
        first_parent: Whether only first parents were candidates.
        term_old: The user's word for the older side.
        term_new: The user's word for the newer side.
        others: What else to show, by name: noise, paths, confirmations.
    """

    confidence: float
    find_fix: bool = False
    first_parent: bool = False
    term_old: str = "good"
    term_new: str = "bad"
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A bisection, finished or running.

    Attributes:
        subject: What changes from revision to revision: systemd, or a runtime's name.
        repository: Where its history comes from.
        good: Full name of the older end.
        bad: Full name of the newer end.
        test: Node id of the test, or the command.
        is_command: Whether it is a command.
        settings: How was searched.
        commits: The candidates, parents before children; the last is the newer end.
        steps: What was tested, in order.
        answer: What was found, or None while the search runs.
        culprit: More about the first bad commit, where there is one.
        revert: What became of taking it back, or None if that was not tried.
        before: What the test left on the older side: at the culprit's parent, or at the older end.
        after: What it left on the newer side.
        commands: What repeats it; first the culprit, then its parents.
        method: Whole sentences about how a revision is tested.
        untested: Whole sentences about what the answer does not cover, beside what can be read off the steps.
        facts: Versions and machines by name: host kernel, guest kernel, image, harness.
        seconds: How long all of it took.
        started: Time of its start, ISO 8601 in UTC, or empty.
    """

    subject: str
    repository: str
    good: str
    bad: str
    test: str
    is_command: bool = False
    settings: Settings
    commits: tuple[Commit, ...]
    steps: tuple[Step, ...] = ()
    answer: Answer | None = None
    culprit: Culprit | None = None
    revert: Revert | None = None
    before: Evidence | None = None
    after: Evidence | None = None
    commands: tuple[Command, ...] = ()
    method: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    started: str = ""
