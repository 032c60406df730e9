"""The records of a bisection's journal."""

import shlex
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from harness.bisect.surroundings import Surroundings
from harness.bisect.terms import Answer, Goal, Noise, Purpose, SearchSettings
from harness.model import Verdict

__all__ = [
    "CHECKOUT", "CONFIDENCE", "GO", "READER", "RUNTIME", "SHELL", "SYSTEMD", "TERMS", "VERBS", "AnyRecord", "Asked", "AxesBegun", "Begun",
    "Ended", "Inquiry", "Record", "Reverted", "Same", "Sample", "SearchOptions", "format_command",
]  # fmt: skip

CONFIDENCE = SearchSettings().confidence

GO = "go"
"""What a bisection of Go's releases is about."""

SYSTEMD = "systemd"
"""What a bisection of systemd's commits is about."""

RUNTIME = "runtime"
"""What a bisection of a container runtime's commits is asked for; its journal has the runtime's name."""

CHECKOUT = "checkout"
"""What a bisection of any repository is about, by a command in a checkout of each commit and without a guest."""

VERBS = {SYSTEMD: "bisect-systemd", GO: "bisect-go", CHECKOUT: "bisect"}
"""The command by what a bisection is about, where that is no runtime."""

SHELL = ("sh", "-c")
"""The command that runs the text of --shell."""

TERMS = {Goal.BREAK: ("good", "bad"), Goal.FIX: ("broken", "fixed")}
"""Words for the older and the newer side where the user has none."""


def format_command(run: Sequence[str]) -> list[str]:
    """Return the option of the command line that gives these words of a command."""
    is_shell = tuple(run[:2]) == SHELL and len(run) == len(SHELL) + 1
    return ["--shell", run[-1]] if is_shell else ["--run", shlex.join(run)]


class Record(BaseModel):
    """Base of the records: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Inquiry(Record):
    """What decides, and where it runs: what each kind of bisection asks.

    Attributes:
        tests: Node ids of the cases that decide, or none.
        run: Words of the command that decides, or none.
        directory: Where the command runs: where the bisection was begun; empty in journals that do not say it.
        canary: Node id of the case that passes at every revision, or None.
        matching: Regular expression that a failure has to match, or None.
        boot_failure: What a guest that does not boot is.
        pid1_crash: What a revision is with which PID 1 crashes in two guests, one after the other.
        timeout: Seconds that the command may take, or None for the usual.
        hang: What a revision is at which it takes longer.
        surroundings: What the command found around it when the bisection was begun; None where cases decide, and in
            journals that do not say it.
    """

    tests: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    directory: str = ""
    canary: str | None = None
    matching: str | None = None
    boot_failure: Verdict = Verdict.SKIP
    # Left out where nothing was chosen, as in journals of before there was a choice.
    pid1_crash: Verdict = Field(default=Verdict.BAD, exclude_if=lambda value: value is Verdict.BAD)
    timeout: float | None = Field(default=None, exclude_if=lambda value: value is None)
    hang: Verdict = Field(default=Verdict.SKIP, exclude_if=lambda value: value is Verdict.SKIP)
    surroundings: Surroundings | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def test(self) -> str:
        """What decides, as people write it."""
        return shlex.join(self.run) if self.run else " ".join(self.tests)

    @property
    def cases(self) -> tuple[str, ...]:
        """Node ids of all cases that run."""
        return (*((self.canary,) if self.canary else ()), *self.tests)

    def format_decision(self) -> list[str]:
        """Return the options of the command line that say what decides."""
        words = format_command(self.run) if self.run else [w for test in self.tests for w in ("--test", test)]
        words += [w for name in ("canary", "matching") if (value := getattr(self, name)) for w in (f"--{name}", value)]
        words += ["--boot-failure", "bad"] if self.boot_failure is Verdict.BAD else []
        words += ["--timeout", f"{self.timeout:g}"] if self.timeout is not None else []
        words += ["--hang", "bad"] if self.hang is Verdict.BAD else []
        return [*words, *(["--pid1-crash", "skip"] if self.pid1_crash is Verdict.SKIP else [])]


class SearchOptions(Inquiry):
    """How commits are searched, and for what.

    Attributes:
        paths: Paths that the user named.
        first_parent: Whether only first parents are candidates.
        confidence: Probability at which to stop, in 0..1.
        most_tests: Samples after which to give up, or None.
        term_old: The user's word for the older side.
        term_new: The user's word for the newer side.
        trust_ends: Whether both ends are taken to be what they are said to be, without a test.
        reuse: Whether verdicts of earlier bisections by the same command stand for samples; those by cases always do.
    """

    paths: tuple[str, ...] = ()
    first_parent: bool = False
    goal: Goal = Goal.BREAK
    noise: Noise = Noise.LOW
    confidence: float = CONFIDENCE
    most_tests: int | None = None
    term_old: str = "good"
    term_new: str = "bad"
    trust_ends: bool = Field(default=False, exclude_if=lambda value: not value)
    reuse: bool = Field(default=False, exclude_if=lambda value: not value)


class Begun(SearchOptions):
    """The first record of a bisection of commits: what was asked for.

    Attributes:
        started: Time of the start, ISO 8601 in UTC.
        subject: What changes from revision to revision: "systemd", the name of a runtime, "go" for what builds it, or "checkout".
        old: Full name of the older end.
        new: Full name of the newer end.
        others: Full names of further revisions on the older side, which are taken to be as the user said.
        old_name: The older end as the user wrote it.
        other_names: The others as the user wrote them.
        parted: Whether `old` is where the user's older end and the newer one diverge, and not that end itself.
        new_name: The newer end as the user wrote it.
        cell: Identifier of the cell whose guests are asked; empty for a checkout, which needs none.
        builder: Where builds run: docker or host; empty for a checkout.
        skip: Full names of commits that the user knows to be broken.
        notes: Whole sentences about what the answer does not cover.
    """

    record: Literal["begun"] = "begun"
    started: str
    harness: str
    subject: str
    repository: str
    old: str
    new: str
    old_name: str
    new_name: str
    others: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    other_names: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    parted: bool = Field(default=False, exclude_if=lambda value: not value)
    cell: str
    builder: str
    skip: tuple[str, ...] = ()
    facts: dict[str, str] = {}
    notes: tuple[str, ...] = ()

    @property
    def finds_fix(self) -> bool:
        """Whether the commit that fixed it is looked for."""
        return self.goal is Goal.FIX

    @property
    def verdicts(self) -> tuple[Verdict, Verdict]:
        """What the test says on the older and on the newer side."""
        return (Verdict.BAD, Verdict.GOOD) if self.finds_fix else (Verdict.GOOD, Verdict.BAD)

    def format_words(self, *more: str) -> list[str]:
        """Format the command line that asks the same, with further words in place of those about the search."""
        words = ["harness", VERBS.get(self.subject, "bisect-runtime")]
        # The releases of Go are no repository of the user's.
        words += ["--repo", self.repository] if self.subject != GO else []
        words += ["--cell", self.cell, "--builder", self.builder] if self.subject != CHECKOUT else []
        words += self.format_decision()
        return [*words, *(more or self._search())]

    def _search(self) -> list[str]:
        fix = self.finds_fix
        words = ["--good", self.new_name if fix else self.old_name, "--bad", self.old_name if fix else self.new_name]
        words += [word for name in self.other_names for word in ("--bad" if fix else "--good", name)]
        words += ["--find-fix"] if fix else []
        words += ["--first-parent"] if self.first_parent else []
        words += [word for name in self.skip for word in ("--skip", name)]
        terms = zip(("--term-old", "--term-new"), (self.term_old, self.term_new), TERMS[self.goal], strict=True)
        words += [word for option, term, usual in terms if term != usual for word in (option, term)]
        words += ["--noise", self.noise] if self.noise is not Noise.LOW else []
        words += ["--confidence", f"{self.confidence:g}"] if self.confidence != CONFIDENCE else []
        words += ["--most-tests", str(self.most_tests)] if self.most_tests else []
        words += ["--trust-ends"] if self.trust_ends else []
        words += ["--reuse"] if self.reuse else []
        return [*words, *(("--", *self.paths) if self.paths else ())]

    @property
    def known_skips(self) -> "tuple[Sample, ...]":
        """What the user knows without a sample."""
        return tuple(
            Sample(revision=name, verdict=Verdict.SKIP, reason="told", message="It is skipped as --skip says.")
            for name in self.skip
        )

    @property
    def settings(self) -> SearchSettings:
        """How the engine searches."""
        return SearchSettings(
            noise=self.noise, confidence=self.confidence, goal=self.goal, most_tests=self.most_tests,
            verify_ends=not self.trust_ends,
            # An attempt in a checkout costs no build: each commit is tried before one is given up.
            least_testable=0.0 if self.subject == CHECKOUT else SearchSettings().least_testable,
        )  # fmt: skip


class Asked(Record):
    """A sample is about to be taken: what an oracle gets.

    Attributes:
        number: Which; counts from 1, and a number is never used again.
        fresh: Whether the build is made from nothing.
    """

    record: Literal["asked"] = "asked"
    number: int
    revision: str
    purpose: Purpose
    fresh: bool = False

    def conclude(
        self,
        verdict: Verdict,
        *,
        reason: str = "",
        message: str = "",
        artifact: str | None = None,
        cached: bool = False,
    ) -> "Sample":
        """Return the sample with this verdict."""
        return Sample(
            **self.model_dump(exclude={"record"}),
            verdict=verdict, reason=reason, message=message, artifact=artifact, cached=cached,
        )  # fmt: skip


class Sample(Record):
    """A sample was taken: the verdict on a revision, from the oracle to the engine and the reports.

    Attributes:
        number: Of its `Asked`; 0 where none was taken, as the user knows what it would show.
        verdict: What the test said; a skip after the oracle tried again in vain.
        reason: For a skip, what failed, as a key ("build", "boot", "build:mq_getattr"): revisions with the same key
            are taken to fail for the same cause, in stretches.
        cached: Whether the verdict is from an earlier bisection.
        artifact: Digest of what was built, or None if it is not known.
        seconds: Of each phase.
        evidence: Directory with its logs, relative to the journal's.
        message: Why it failed or was skipped, in a line.
    """

    record: Literal["observed"] = "observed"
    number: int = 0
    revision: str
    purpose: Purpose = Purpose.SEARCH
    verdict: Verdict
    reason: str = ""
    fresh: bool = False
    cached: bool = False
    artifact: str | None = None
    seconds: dict[str, float] = {}
    evidence: str = ""
    message: str = ""


class Same(Record):
    """Two revisions have identical built files.

    Attributes:
        first: The one that was sampled before.
        number: The sample that this took the place of, or None.
        seconds: Of each phase of that one.
    """

    record: Literal["same"] = "same"
    first: str
    second: str
    number: int | None = None
    seconds: dict[str, float] = {}


class Reverted(Record):
    """The culprit was taken back on top of the newer end.

    Attributes:
        commit: Full name of the commit without it, in the mirror; None where it does not come off cleanly.
        verdict: What the test said there; None if it was not tested.
    """

    record: Literal["reverted"] = "reverted"
    culprit: str
    commit: str | None = None
    verdict: Verdict | None = None
    reason: str = ""
    seconds: dict[str, float] = {}
    evidence: str = ""
    message: str = ""


class Ended(Record):
    """The search is over, with this answer, after `seconds` of work in all."""

    record: Literal["ended"] = "ended"
    answer: Answer
    seconds: float


class AxesBegun(Inquiry):
    """The first record of a bisection of axes: what was asked for.

    Attributes:
        good: Identifier of the cell in which the test passes.
        bad: Identifier of the cell in which it fails.
    """

    record: Literal["axes-begun"] = "axes-begun"
    started: str
    harness: str
    good: str
    bad: str
    facts: dict[str, str] = {}

    @property
    def known_skips(self) -> "tuple[Sample, ...]":
        """Nothing: no cell is known to be broken."""
        return ()

    def format_words(self) -> list[str]:
        """Return the command line that asks the same."""
        return ["harness", "bisect-axes", "--good", self.good, "--bad", self.bad, *self.format_decision()]


AnyRecord = Annotated[Begun | AxesBegun | Asked | Sample | Same | Reverted | Ended, Field(discriminator="record")]
READER: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord)
