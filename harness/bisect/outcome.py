"""What a bisection leaves for programs: result.json."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from harness.bisect import proof
from harness.bisect.engine import Answer, AnswerKind
from harness.bisect.journal import State
from harness.bisect.known import Known
from harness.bisect.records import Begun, Observed, Record, Reverted
from harness.bisect.repository import Range
from harness.errors import ExitCode
from harness.model import Verdict
from harness.wait import Deadline

__all__ = ["Bisection", "Change", "Side", "make_result"]

FORMAT = 1
"""Version of result.json; a change that a reader could stumble over raises it."""


class Side(Record):
    """What the test left at one revision.

    Attributes:
        revision: Full name.
        verdict: What it said.
        directory: Where its evidence is, relative to the result.
        log: Excerpt of its log.
        properties: Properties of the container's scope, by name.
        cgroups: The cgroups below machine.slice, as text.
        facts: What the guest proved, and what it ran under.
    """

    revision: str
    verdict: Verdict
    directory: str
    log: str = ""
    properties: Mapping[str, str] = Field(default_factory=dict)
    cgroups: str = ""
    facts: Mapping[str, str] = Field(default_factory=dict)


class Change(Record):
    """The culprit: full names of it and its parents, author, date, whole message, files."""

    revision: str
    parents: tuple[str, ...]
    author: str
    date: str
    message: str
    files: tuple[str, ...]


class Skipped(Record):
    """A revision that could not be tested, what failed, and one line about it."""

    revision: str
    subject: str
    reason: str
    message: str


class Repeat(Record):
    """A command line, and what it repeats."""

    what: str
    line: str


class Bisection(Record):
    """result.json of a bisection.

    Attributes:
        format: Version of this model.
        id: The directory's name.
        begun: What was asked for.
        answer: What was found, with its confidence and the failure rates of both sides.
        culprit: More about the commit, where there is exactly one.
        before: What the test left on the older side.
        after: What it left on the newer side.
        revert: What became of taking the culprit back.
        skipped: What could not be tested; those between the suspects leave doubt.
        commands: What repeats it.
        seconds: How long it took.
    """

    format: int = FORMAT
    id: str
    begun: Begun
    answer: Answer
    culprit: Change | None = None
    before: Side | None = None
    after: Side | None = None
    revert: Reverted | None = None
    skipped: tuple[Skipped, ...] = ()
    commands: tuple[Repeat, ...] = ()
    seconds: float

    @property
    def exit_code(self) -> ExitCode:
        """0 for a culprit, 3 where an end could not be tested, else 1."""
        match self.answer.kind:
            case AnswerKind.CULPRIT:
                return ExitCode.OK
            case AnswerKind.UNTESTABLE:
                return ExitCode.INFRASTRUCTURE
            case _:
                return ExitCode.FAILED


def make_result(
    directory: Path, state: State, known: Known, answer: Answer, seconds: float, deadline: Deadline
) -> Bisection:
    """Put together what was found.

    Args:
        directory: Where the journal is.
        state: What the journal says.
        known: The commits.
        answer: What was found.
        seconds: How long it took.
        deadline: For asking git about the culprit.
    """
    before, after = proof.choose_samples(state, known.all, answer)
    culprit = answer.culprit
    return Bisection(
        id=directory.name,
        begun=state.begun,
        answer=answer,
        culprit=_change(known, culprit, deadline) if culprit else None,
        before=_make_side(directory, state.begun, before),
        after=_make_side(directory, state.begun, after),
        revert=state.reverted if culprit and state.reverted and state.reverted.culprit == culprit else None,
        skipped=tuple(_list_skipped(state, known.all)),
        commands=tuple(_list_commands(state.begun, known.all, culprit)),
        seconds=round(seconds, 1),
    )


def _change(known: Known, revision: str, deadline: Deadline) -> Change:
    commit = known.all.commits[revision]
    return Change(
        revision=revision,
        parents=commit.parents,
        author=commit.author,
        date=commit.date,
        message=known.repository.read_message(revision, deadline),
        files=tuple(path for path, _, _ in known.repository.list_changes(revision, deadline)),
    )


def _make_side(directory: Path, begun: Begun, sample: Observed | None) -> Side | None:
    if sample is None:
        return None
    found = proof.read_evidence(directory / sample.evidence, begun)
    return Side(
        revision=sample.revision,
        verdict=sample.verdict,
        directory=sample.evidence,
        log=found.log or sample.message,
        properties=found.properties,
        cgroups=found.cgroups,
        facts=found.facts,
    )


def _list_skipped(state: State, known: Range) -> Iterator[Skipped]:
    decided = {record.revision for record in state.observed if record.verdict is not Verdict.SKIP}
    last = {record.revision: record for record in state.observed if record.revision not in decided}
    for revision, record in last.items():
        subject = known.commits[revision].subject if revision in known.commits else ""
        yield Skipped(revision=revision, subject=subject, reason=record.reason, message=record.message)


def _list_commands(begun: Begun, known: Range, culprit: str | None) -> Iterator[Repeat]:
    if culprit:
        at = [("the test at the culprit", culprit)]
        at += [("the test at its parent", parent) for parent in known.commits[culprit].parents]
    else:
        at = [("the test at the newer end", begun.new), ("the test at the older end", begun.old)]
    for what, revision in at:
        yield Repeat(what=what, line=shlex.join(begun.format_words("--at", revision)))
    yield Repeat(what="the whole bisection", line=shlex.join(begun.format_words()))
