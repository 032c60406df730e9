"""What known failures make of outcomes."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import matrix
from harness.matrix import Expectation, Matrix
from harness.model import Outcome
from harness.pipeline import judge
from tests.helpers import trees

TEXT = f"""{trees.AXES}\
expectations:
  - cells: cgroup==legacy and runtime==runc
    cases: cgroup/test_limits.py::test_memory*
    matching: pay.?load
    reason: It writes to the wrong directory.
    issue: https://example.org/issues/1
    expires: 2027-06-01
  - cells: runtime==runc
    cases: pod/*
    reason: Pods are not there yet.
    issue: https://example.org/issues/2
    expires: 2026-01-01
"""
BEFORE, LAST, AFTER = date(2025, 12, 31), date(2027, 6, 1), date(2027, 6, 2)
MEMORY = "cgroup/test_limits.py::test_memory_is_limited"


@pytest.fixture(scope="session")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """A matrix with two expectations."""
    return trees.load(trees.project(tmp_path_factory.mktemp("project")), TEXT)


def test_expectations_are_about_cells(wanted: Matrix, tmp_path: Path) -> None:
    """A cell has the expectations whose expression holds for it, in the order of the file."""
    expansion = matrix.expand(wanted, trees.project(tmp_path))
    numbers = {
        cell.id: "".join(item.issue[-1] for item in wanted.find_expectations(cell))
        for cell in expansion.cells
        if cell.channel == "bookworm" and cell.go != "1.21"
    }
    assert numbers == {
        "debian-bookworm+systemd-252+legacy+nspawn": "",
        "debian-bookworm+systemd-252+unified+nspawn": "",
        "debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5": "12",
        "debian-bookworm+systemd-252+go-1.27+unified+runc-1.1.5": "2",
    }


@pytest.mark.parametrize(
    ("cases", "nodeid", "covered"),
    [
        ("a/test_b.py::test_c", "a/test_b.py::test_c", True),
        ("a/test_b.py::test_c", "a/test_b.py::test_c[x-1]", True),
        ("a/test_b.py::test_c[x-1]", "a/test_b.py::test_c[x-1]", True),
        ("a/test_b.py::test_c[x-1]", "a/test_b.py::test_c[x-2]", False),
        ("a/test_b.py::test_c", "a/test_b.py::test_cd", False),
        ("a/*", "a/test_b.py::test_c", True),
        ("a/*::test_?", "a/test_b.py::test_c", True),
        ("a", "a/test_b.py::test_c", False),
    ],
)
def test_a_pattern_covers_cases(wanted: Matrix, cases: str, nodeid: str, *, covered: bool) -> None:
    """`*` and `?` stand for text, brackets for themselves, and no brackets for all parameters."""
    item: Expectation = wanted.expectations[0].model_copy(update={"cases": cases})
    assert covered == item.is_about(nodeid)


@pytest.mark.parametrize(
    ("nodeid", "outcome", "text", "today", "judged", "note"),
    [
        (MEMORY, Outcome.FAILED, "no payload", LAST, Outcome.XFAILED, "Expected: It writes"),
        (MEMORY, Outcome.FAILED, "segfault", LAST, Outcome.FAILED, "Another failure than the expected one"),
        (MEMORY, Outcome.FAILED, "no payload", AFTER, Outcome.FAILED, "The expectation of this failure expired on 2027-06-01"),
        (MEMORY, Outcome.FAILED, "segfault", AFTER, Outcome.FAILED, ""),
        (MEMORY, Outcome.PASSED, "", LAST, Outcome.XPASSED, "It passes although it was expected to fail"),
        (MEMORY, Outcome.PASSED, "", AFTER, Outcome.PASSED, ""),
        (MEMORY, Outcome.ERROR, "no payload", LAST, Outcome.ERROR, ""),
        (MEMORY, Outcome.FLAKY, "no payload", LAST, Outcome.FLAKY, ""),
        (MEMORY, Outcome.SKIPPED, "", LAST, Outcome.SKIPPED, ""),
        ("cgroup/test_other.py::test_x", Outcome.FAILED, "no payload", LAST, Outcome.FAILED, ""),
        ("pod/test_a.py::test_x", Outcome.FAILED, "anything", BEFORE, Outcome.XFAILED, "Expected: Pods"),
    ],
)  # fmt: skip
def test_an_outcome_is_judged(
    wanted: Matrix, nodeid: str, outcome: Outcome, text: str, today: date, judged: Outcome, note: str
) -> None:
    """Only the described failure is excused, only until its last day; a pass against it is reported."""
    found = judge(nodeid, outcome, text, wanted.expectations, today)
    assert judged is found.outcome
    assert found.note.startswith(note)
    assert bool(note) == bool(found.note) == (found.expectation is not None)


@given(outcome=st.sampled_from(list(Outcome)), text=st.sampled_from(["payload", "other"]), today=st.dates())
def test_expectations_never_hide_more_than_a_failure(wanted: Matrix, outcome: Outcome, text: str, today: date) -> None:
    """Errors, skips and flaky cases stay what they are, and nothing becomes a plain pass."""
    found = judge(MEMORY, outcome, text, wanted.expectations, today).outcome
    assert found is outcome or (outcome, found) in {
        (Outcome.FAILED, Outcome.XFAILED),
        (Outcome.PASSED, Outcome.XPASSED),
    }


def test_expired_expectations_are_listed(wanted: Matrix) -> None:
    """An expectation is over on the day after its last one."""
    assert [len(wanted.list_expired(today)) for today in (BEFORE, LAST, AFTER)] == [0, 1, 2]
