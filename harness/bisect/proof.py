"""After a culprit is found: the evidence of both sides is put together."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from harness.bisect import question
from harness.bisect.engine import Answer
from harness.bisect.journal import State
from harness.bisect.records import Begun, Observed
from harness.bisect.repository import Range
from harness.bisect.witness_file import WITNESS
from harness.results import CaseResult, CellResult
from harness.rundir import RESULT

__all__ = ["Evidence", "choose_samples", "read_evidence"]

EXCERPT = 80
"""Lines of a log that are shown."""


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


def choose_samples(state: State, known: Range, answer: Answer) -> tuple[Observed | None, Observed | None]:
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


def read_evidence(directory: Path, begun: Begun) -> Evidence:
    """What a sample left in its directory."""
    output, result = directory / question.OUTPUT, _read_result(directory)
    properties, cgroups = _read_witness(directory / WITNESS)
    log = _cut_tail(output.read_text(encoding="utf-8", errors="replace")) if output.exists() else ""
    if result is not None:
        cases = [case for case in result.cases if any(question.is_named(case.nodeid, test) for test in begun.tests)]
        log = "\n\n".join(_format_case(case) for case in cases)
    return Evidence(log=log, properties=properties, cgroups=cgroups, facts=result.facts if result else {})


def _read_result(directory: Path) -> CellResult | None:
    try:
        return CellResult.model_validate_json((directory / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None


def _format_case(case: CaseResult) -> str:
    return _cut_tail(f"{case.nodeid} {case.outcome} in {case.seconds:.1f} s\n{case.details or case.message}").strip()


def _read_witness(path: Path) -> tuple[Mapping[str, str], str]:
    """Properties and cgroups of the last case that left some."""
    try:
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        return dict(last["properties"]), str(last["cgroups"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}, ""


def _cut_tail(text: str) -> str:
    lines = text.rstrip().splitlines()
    cut = [f"[{len(lines) - EXCERPT} lines above]"] if len(lines) > EXCERPT else []
    return "\n".join([*cut, *lines[-EXCERPT:]])
