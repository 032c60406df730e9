"""After a culprit is found: the evidence of both sides is put together."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from harness.bisect import question
from harness.bisect.journal import JournalState
from harness.bisect.records import Begun, Record, Sample
from harness.bisect.repository import Range
from harness.bisect.terms import Answer
from harness.bisect.witness_file import WITNESS
from harness.model import Verdict
from harness.results import CaseResult, CellResult
from harness.rundir import RESULT
from harness.suite import is_named

__all__ = ["Evidence", "choose_samples", "read_evidence"]

EXCERPT = 80
"""Lines of a log that are shown."""

MOST_CHARACTERS = 20_000
"""Characters of them, whatever a line is."""


class Evidence(Record):
    """What the test left at one revision.

    Attributes:
        revision: Full name.
        directory: Where all of it is, relative to the bisection's directory.
        log: Excerpt of its log.
        properties: Properties of the container's scope, by name.
        cgroups: The cgroups below machine.slice, as text.
        facts: What the guest proved, and what it ran under; only where cases were asked.
    """

    revision: str
    verdict: Verdict
    directory: str
    log: str = ""
    properties: Mapping[str, str] = Field(default_factory=dict)
    cgroups: str = ""
    facts: Mapping[str, str] = Field(default_factory=dict)


def choose_samples(state: JournalState[Begun], commits: Range, answer: Answer) -> tuple[Sample | None, Sample | None]:
    """Choose the samples that show the change best: one before it, one from it on; fresh builds first, the last of them."""
    old, new = state.begun.verdicts
    if answer.culprit is None:
        before, after = [state.begun.old], [state.begun.new]
    else:
        before, after = [*commits.commits[answer.culprit].parents, state.begun.old], [answer.culprit]
    samples = sorted((record for record in state.samples if record.evidence), key=lambda record: record.fresh)

    def last(revisions: list[str], verdict: Verdict) -> Sample | None:
        latest = {record.revision: record for record in samples if record.verdict is verdict}
        return next((latest[name] for name in revisions if name in latest), None)

    return last(before, old), last(after, new)


def read_evidence(root: Path, sample: Sample, tests: Sequence[str]) -> Evidence:
    """Read what a sample left.

    `tests` are node ids of the cases that decide; none where a command does.
    """
    directory = root / sample.evidence
    output, result = directory / question.OUTPUT, _read_result(directory)
    properties, cgroups = _read_witness(directory / WITNESS)
    log = _cut_tail(output.read_text(encoding="utf-8", errors="replace")) if output.exists() else ""
    if result is not None:
        cases = [case for case in result.cases if any(is_named(case.nodeid, test) for test in tests)]
        log = "\n\n".join(_format_case(case) for case in cases)
    return Evidence(
        revision=sample.revision,
        verdict=sample.verdict,
        directory=sample.evidence,
        log=log or sample.message,
        properties=properties,
        cgroups=cgroups,
        facts=result.facts if result else {},
    )


def _read_result(directory: Path) -> CellResult | None:
    try:
        return CellResult.model_validate_json((directory / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None


def _format_case(case: CaseResult) -> str:
    return _cut_tail(f"{case.nodeid} {case.outcome} in {case.seconds:.1f} s\n{case.details or case.message}").strip()


def _read_witness(path: Path) -> tuple[Mapping[str, str], str]:
    """Read properties and cgroups of the last case that left some."""
    try:
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        return dict(last["properties"]), str(last["cgroups"])
    except (OSError, ValueError, LookupError, TypeError):
        return {}, ""


def _cut_tail(text: str) -> str:
    lines = text.rstrip().splitlines()
    cut = [f"[{len(lines) - EXCERPT} lines above]"] if len(lines) > EXCERPT else []
    shown = "\n".join(lines[-EXCERPT:])
    cut += ["[the beginning is left out]"] if len(shown) > MOST_CHARACTERS else []
    return "\n".join([*cut, shown[-MOST_CHARACTERS:]])
