"""Annotations of a decision: in the forms that GitHub and GitLab read, and nothing of a guest can be a command."""

import json
from pathlib import Path

import pytest

from harness.gate import Decision, SuspectTrial, decide
from harness.model import Outcome
from harness.report.annotations import write_annotations
from tests.helpers.sides import CASE, cell_side, side
from tests.unit.gate.test_gate import CELL, GOOD, OTHER, TODAY, evidence, policy

EVIL = "50%\n::error::pwned, a:b"


@pytest.fixture
def decision() -> Decision:
    """A decision with a regression whose message is hostile, and a case that is intermittent."""
    now = side(cell_side(CELL, {**GOOD, CASE: Outcome.FAILED, OTHER: Outcome.FLAKY}, messages={CASE: EVIL}))
    quiet = SuspectTrial().add((0, 10), (1, 10)).look(1, 30)
    guilty = SuspectTrial().add((5, 5), (0, 5)).look(0, 30)
    return decide(policy(), evidence(now, trials={(CELL.id, OTHER): quiet, (CELL.id, CASE): guilty}), TODAY)


def test_github_gets_one_line_for_each_case(decision: Decision, tmp_path: Path) -> None:
    """An error for what refuses, a warning for what is intermittent; no text begins a command of its own."""
    write_annotations(decision, tmp_path / "annotations.txt")
    lines = (tmp_path / "annotations.txt").read_text(encoding="utf-8").splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning"]
    assert lines[0].startswith("::error file=suites/cgroup/test_x.py,title=regressed::")
    assert "50%25" in lines[0]
    assert "before 1 of 10" in lines[1]


def test_gitlab_gets_a_report_of_code_quality(decision: Decision, tmp_path: Path) -> None:
    """The keys that GitLab requires, each finding with a fingerprint of its own that stays the same."""
    write_annotations(decision, tmp_path / "quality.json")
    found = json.loads((tmp_path / "quality.json").read_text(encoding="utf-8"))
    write_annotations(decision, tmp_path / "again.json")
    assert found == json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert [item["severity"] for item in found] == ["critical", "minor"]
    assert len({item["fingerprint"] for item in found}) == 2
    assert all({"description", "check_name", "location"} <= item.keys() for item in found)
    assert found[0]["location"] == {"path": "suites/cgroup/test_x.py", "lines": {"begin": 1}}
