"""After a culprit is found: it is taken back on top of the newer end, and the evidence of both sides is put together."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.bisect import question
from harness.bisect.engine import Answer, Purpose
from harness.bisect.journal import State
from harness.bisect.records import Asked, Begun, Observed, Reverted
from harness.bisect.repository import Range, Repository
from harness.bisect.session import Session
from harness.bisect.witness import WITNESS
from harness.results import CaseResult, CellResult
from harness.wait import Deadline

__all__ = ["Evidence", "evidence", "revert", "sides"]

EXCERPT = 80
"""Lines of a log that are shown."""

CASE_RESULT = "result.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the test left at one revision.

    Attributes:
        log: Excerpt of its log.
        properties: Properties of the container's scope, by name.
        cgroups: The cgroups below machine.slice, as text.
        facts: What the guest proved, and what it ran under; only where cases were asked.
    """

    log: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    cgroups: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def revert(session: Session, repository: Repository, answer: Answer, deadline: Deadline) -> None:
    """Take the culprit back on top of the newer end, and sample that; write down what came out, once.

    Raises:
        CancelledError: It was interrupted.
        AbortError: The user's command ended it.
        InfrastructureError: git failed, or the journal cannot be written.
    """
    state = session.journal.state
    culprit = answer.culprit
    if culprit is None or (state.reverted and state.reverted.culprit == culprit):
        return
    commit = repository.revert(culprit, state.begun.new, deadline)
    if commit is None:
        message = "It does not come off cleanly on top of the newer end."
        session.journal.write(Reverted(culprit=culprit, message=message))
        return
    asked = Asked(number=state.asked + 1, revision=commit, purpose=Purpose.CONFIRM, fresh=True)
    session.journal.write(asked)
    seen = session.oracle.take(session.sample(asked.number, commit, fresh=True), lambda _: None)
    session.journal.write(
        Reverted(
            culprit=culprit,
            commit=commit,
            verdict=seen.verdict,
            reason=seen.reason,
            seconds=dict(seen.seconds),
            evidence=str(seen.directory.relative_to(session.journal.directory)) if seen.directory else "",
            message=seen.message,
        )
    )


def sides(state: State, known: Range, answer: Answer) -> tuple[Observed | None, Observed | None]:
    """The samples that show the change best: one before it, one from it on; fresh builds first, the last of them."""
    old, new = state.begun.verdicts
    if answer.culprit is None:
        before, after = [state.begun.old], [state.begun.new]
    else:
        before, after = [*known.commits[answer.culprit].parents, state.begun.old], [answer.culprit]
    samples = sorted((record for record in state.observed if record.evidence), key=lambda record: record.fresh)

    def last(revisions: list[str], verdict: str) -> Observed | None:
        found = {record.revision: record for record in samples if record.verdict == verdict}
        return next((found[name] for name in revisions if name in found), None)

    return last(before, old), last(after, new)


def evidence(directory: Path, begun: Begun) -> Evidence:
    """What a sample left in its directory."""
    output, result = directory / question.OUTPUT, _result(directory)
    properties, cgroups = _witness(directory / WITNESS)
    log = _tail(output.read_text(encoding="utf-8", errors="replace")) if output.exists() else ""
    if result is not None:
        cases = [case for case in result.cases if any(question.named(case.nodeid, test) for test in begun.tests)]
        log = "\n\n".join(_told(case) for case in cases)
    return Evidence(log=log, properties=properties, cgroups=cgroups, facts=result.facts if result else {})


def _result(directory: Path) -> CellResult | None:
    try:
        return CellResult.model_validate_json((directory / CASE_RESULT).read_bytes())
    except (OSError, ValidationError):
        return None


def _told(case: CaseResult) -> str:
    return _tail(f"{case.nodeid} {case.outcome} in {case.seconds:.1f} s\n{case.details or case.message}").strip()


def _witness(path: Path) -> tuple[Mapping[str, str], str]:
    """Properties and cgroups of the last case that left some."""
    try:
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        return dict(last["properties"]), str(last["cgroups"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}, ""


def _tail(text: str) -> str:
    lines = text.rstrip().splitlines()
    cut = [f"[{len(lines) - EXCERPT} lines above]"] if len(lines) > EXCERPT else []
    return "\n".join([*cut, *lines[-EXCERPT:]])
