"""What a bisection leaves for programs: result.json."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from harness.bisect import proof
from harness.bisect.candidates import Candidates
from harness.bisect.journal import JournalState
from harness.bisect.local_repository import describe_commit, find_web_address
from harness.bisect.proof import Evidence
from harness.bisect.records import Begun, Record, Reverted
from harness.bisect.repository import Range
from harness.bisect.terms import Answer, AnswerKind
from harness.errors import ExitCode
from harness.model import Verdict
from harness.store import hash_file
from harness.wait import Deadline

__all__ = ["Bisection", "Culprit", "make_result"]

FORMAT = 1
"""Version of result.json; a change that a reader could stumble over raises it."""


LONGEST = 16 << 10
"""Bytes of a script that is shown."""


class Culprit(Record):
    """The culprit: full names of it and its parents, author, date, whole message, files.

    Attributes:
        described: As `git describe` names it, in the user's repository; empty where no tag says it.
        release: The oldest release that has it; empty if none has.
        address: Where people see it in a browser; empty where that is not known.
    """

    revision: str
    parents: tuple[str, ...]
    author: str
    date: str
    message: str
    files: tuple[str, ...]
    described: str = ""
    release: str = ""
    address: str = ""


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
        answer: What was found, with its confidence and the failure rates of both sides.
        culprit: More about the commit, where there is exactly one.
        before: What the test left on the older side.
        after: What it left on the newer side.
        revert: What became of taking the culprit back.
        skipped: What could not be tested; those between the suspects leave doubt.
        commands: What repeats it.
        scripts: The text of the scripts of a command that decided, by path; of those that are as they were and not long.
    """

    format: int = FORMAT
    id: str
    begun: Begun
    answer: Answer
    culprit: Culprit | None = None
    before: Evidence | None = None
    after: Evidence | None = None
    revert: Reverted | None = None
    skipped: tuple[Skipped, ...] = ()
    commands: tuple[Repeat, ...] = ()
    scripts: Mapping[str, str] = Field(default_factory=dict)
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
    directory: Path,
    state: JournalState[Begun],
    candidates: Candidates,
    answer: Answer,
    seconds: float,
    deadline: Deadline,
) -> Bisection:
    """Put together what was found."""
    before, after = (
        proof.read_evidence(directory, sample, state.begun.tests) if sample else None
        for sample in proof.choose_samples(state, candidates.between, answer)
    )
    culprit = answer.culprit
    return Bisection(
        id=directory.name,
        begun=state.begun,
        answer=answer,
        culprit=_describe_culprit(candidates, culprit, deadline) if culprit else None,
        before=before,
        after=after,
        revert=state.reverted if culprit and state.reverted and state.reverted.culprit == culprit else None,
        skipped=tuple(_list_skipped(state, candidates.between)),
        commands=tuple(_list_commands(state.begun, candidates.between, culprit)),
        scripts=_read_scripts(state.begun),
        seconds=round(seconds, 1),
    )


def _describe_culprit(candidates: Candidates, revision: str, deadline: Deadline) -> Culprit:
    commit, repository = candidates.between.commits[revision], candidates.repository
    described, release = (
        describe_commit(repository.address, revision, deadline) if repository.is_reachable() else ("", "")
    )
    return Culprit(
        revision=revision,
        parents=commit.parents,
        author=commit.author,
        date=commit.date,
        message=repository.read_message(revision, deadline),
        files=tuple(file.path for file in repository.list_changes(revision, deadline)),
        described=described,
        release=release,
        address=find_web_address(repository.address, revision, deadline),
    )


def _read_scripts(begun: Begun) -> dict[str, str]:
    """Read the scripts that decided, those that are still what they were; other files may be nobody's business."""
    found: dict[str, str] = {}
    for name, digest in (begun.surroundings.files if begun.surroundings else {}).items():
        path = Path(name)
        try:
            if path.stat().st_size > LONGEST or hash_file(path) != digest:
                continue
            text = path.read_text(encoding="utf-8")
            if text.startswith("#!") or name in begun.run:
                found[name] = text
        except (OSError, UnicodeDecodeError):
            continue
    return found


def _list_skipped(state: JournalState[Begun], known: Range) -> Iterator[Skipped]:
    decided = {record.revision for record in state.samples if record.verdict is not Verdict.SKIP}
    last = {record.revision: record for record in state.samples if record.revision not in decided}
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
