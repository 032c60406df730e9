"""What a child pytest reports becomes cases: real pytest processes on small trees."""

import json
import sys
from pathlib import Path

import pytest

from harness import proc
from harness.model import Outcome
from harness.results import CaseResult
from harness.suite import parse_cases, read_report
from harness.wait import Deadline

TREE = """
import pathlib
import pytest

COUNT = pathlib.Path(__file__).with_name("count")


def test_passes():
    pass


def test_fails():
    print("said before")
    assert 1 == 2, "one is not two"


@pytest.mark.skip(reason="needs a thing")
def test_skipped():
    pass


@pytest.mark.xfail(reason="known")
def test_known():
    raise ValueError


@pytest.mark.flaky(reruns=2)
def test_second_try_passes():
    tries = int(COUNT.read_text()) if COUNT.exists() else 0
    COUNT.write_text(str(tries + 1))
    assert tries == 1, f"try {tries}"


@pytest.mark.flaky(reruns=1)
def test_no_try_passes():
    assert False, "never"


@pytest.fixture
def broken():
    raise RuntimeError("the container does not start")


def test_set_up_fails(broken):
    pass


@pytest.fixture
def leaky():
    yield
    pytest.fail("left behind: machine-x.scope")


def test_tear_down_fails(leaky):
    pass


def test_guest_died(record_property):
    record_property("harness_outcome", "error")
    record_property("harness_cause", "The guest is gone: killed.")
    assert False
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CaseResult]:
    """The cases of a tree with one of each outcome, by name."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tree / "test_all.py").write_text(TREE, encoding="utf-8")
    report = tree / "report.jsonl"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--report-log={report}", str(tree)]
    proc.run(argv, deadline=Deadline.after(120, "child pytest"), cwd=tree, expect=(1,))
    return {item.nodeid.partition("::")[2]: item for item in parse_cases(read_report(report))}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "outcome", "raw", "message"),
    [
        ("test_passes", Outcome.PASSED, Outcome.PASSED, ""),
        ("test_fails", Outcome.FAILED, Outcome.FAILED, "AssertionError: one is not two"),
        ("test_skipped", Outcome.SKIPPED, Outcome.SKIPPED, "needs a thing"),
        ("test_known", Outcome.XFAILED, Outcome.XFAILED, "ValueError"),
        ("test_second_try_passes", Outcome.FLAKY, Outcome.PASSED, "AssertionError: try 0"),
        ("test_no_try_passes", Outcome.FAILED, Outcome.FAILED, "AssertionError: never"),
        ("test_set_up_fails", Outcome.FAILED, Outcome.FAILED, "RuntimeError: the container does not start"),
        ("test_tear_down_fails", Outcome.FAILED, Outcome.FAILED, "Failed: left behind: machine-x.scope"),
        ("test_guest_died", Outcome.ERROR, Outcome.FAILED, "The guest is gone: killed."),
    ],
)
def test_outcome_is_read_from_all_phases_and_attempts(
    cases: dict[str, CaseResult], name: str, outcome: Outcome, raw: Outcome, message: str
) -> None:
    """Set-up and tear-down count, a pass after a rerun is flaky, and a dead guest is an error."""
    case = cases[name]

    assert (outcome, raw) == (case.outcome, case.raw)
    assert message == case.message


@pytest.mark.slow
def test_both_outputs_of_a_flaky_case_are_kept(cases: dict[str, CaseResult]) -> None:
    """A case that failed twice has both tracebacks, and output of the test itself is there."""
    assert 1 == cases["test_no_try_passes"].reruns
    assert 2 == cases["test_no_try_passes"].details.count("AssertionError: never")
    assert "said before" in cases["test_fails"].details


def test_details_are_bounded() -> None:
    """A case that prints 5 MB before it fails, in one line too, keeps the beginning and the end, with a note between."""
    text = f"first {'x' * 5_000_000} last"
    report = {
        "$report_type": "TestReport", "nodeid": "a/test_b.py::test_c", "when": "call", "outcome": "failed", "duration": 1.0,
        "longrepr": {"reprcrash": {"message": text}, "reprtraceback": {"reprentries": []}}, "sections": [["out", text]],
    }  # fmt: skip
    (case,) = parse_cases([report])

    assert len(case.message) < 3000
    assert len(case.details) < 300_000
    assert "--- out ---\nfirst x" in case.details
    assert "characters were left out here]" in case.details
    assert case.details.endswith("x last")


def test_record_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """A report whose writer was killed in the middle of a line still gives its whole records."""
    path = tmp_path / "report.jsonl"
    path.write_text(json.dumps({"$report_type": "SessionStart"}) + '\n{"$report_type": "TestRep', encoding="utf-8")

    assert 1 == len(list(read_report(path)))
    assert [] == list(read_report(tmp_path / "missing.jsonl"))
