"""What a gate has against a release, where people look at the change: annotations of GitHub, and GitLab's Code Quality.

GitHub reads workflow commands in a job's log, in which `%`, line ends, and in properties `:` and `,` are written as
%XX (docs.github.com, "Workflow commands"); GitLab reads a JSON artifact (docs.gitlab.com, "Code Quality").
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare import REGRESSIONS, CaseChange, ChangeKind, group_changes
from harness.gate import Decision, find_confirmed
from harness.text import escape, pluralize
from harness.writing import write_text

__all__ = ["write_annotations"]

BAD = (*REGRESSIONS, ChangeKind.NEW_FAILING, ChangeKind.BROKEN)
"""Changes that are worth an annotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One case of which something is to be said.

    Attributes:
        refuses: Whether it is something that speaks against the release; otherwise people should know of it.
        path: The file that has the case.
    """

    case: str
    title: str
    text: str
    refuses: bool
    path: str


def write_annotations(decision: Decision, path: Path) -> None:
    """Write what a decision has to say of cases: for GitLab if the file's name ends with .json, else for GitHub.

    Raises as `write_text` does.
    """
    found = list(list_annotations(decision))
    text = format_code_quality(found) if path.suffix == ".json" else "".join(map(format_command, found))
    write_text(path, text)


def list_annotations(decision: Decision) -> Iterator[Annotation]:
    """Yield an annotation for each case that is worse, and for each that is intermittent."""
    quiet = decision.trials.keys() - find_confirmed(decision.trials)
    worse = [case for case in decision.comparison.of(*BAD) if (case.cell, case.nodeid) not in quiet]
    for nodeid, cases in group_changes(worse, "case").items():
        yield _make_annotation(nodeid, cases)
    for cell, nodeid in sorted(quiet):
        text = f"{escape(cell)}: {decision.trials[cell, nodeid].text}"
        yield Annotation(case=nodeid, title="intermittent", text=text, refuses=False, path=_find_path(nodeid))


def _make_annotation(nodeid: str, cases: Sequence[CaseChange]) -> Annotation:
    first = cases[0]
    message = f": {escape(first.message)}" if first.message else ""
    text = f"{escape(nodeid)} in {pluralize(len(cases), 'cell')}, {escape(first.cell)} first{message}"
    return Annotation(case=nodeid, title=first.change.value, text=text, refuses=True, path=_find_path(nodeid))


def _find_path(nodeid: str) -> str:
    """Return the file of a case of ours in the project; the policy's where it is a case of another tool."""
    place = nodeid.partition("::")[0]
    return f"suites/{escape(place)}" if place.endswith(".py") else "ci/release-policy.yaml"


def format_command(item: Annotation) -> str:
    """Return GitHub's command for an annotation, one line."""
    kind = "error" if item.refuses else "warning"
    return f"::{kind} file={_quote(item.path, ':,')},title={_quote(item.title, ':,')}::{_quote(item.text)}\n"


def _quote(text: str, more: str = "") -> str:
    return "".join(f"%{ord(char):02X}" if char in f"%\r\n{more}" else char for char in text)


def format_code_quality(found: Sequence[Annotation]) -> str:
    """Return GitLab's Code Quality report."""
    return json.dumps(
        [
            {
                "description": f"{item.title}: {item.text}",
                "check_name": item.title,
                "fingerprint": hashlib.sha256(f"{item.title}\0{item.case}\0{item.refuses}".encode()).hexdigest(),
                "severity": "critical" if item.refuses else "minor",
                "location": {"path": item.path, "lines": {"begin": 1}},
            }
            for item in found
        ],
        indent=1,
    )
