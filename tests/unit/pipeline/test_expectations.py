"""Which known failures are to be fixed, by what a run found."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.matrix import Matrix
from harness.model import Outcome
from harness.pipeline import KnownFailure, review_expectations
from harness.results import CaseResult, CellResult
from tests.helpers import trees

TEXT = f"""{trees.AXES}\
expectations:
  - cells: cgroup==legacy
    cases: cgroup/test_limits.py::test_memory*
    reason: It writes to the wrong directory.
    issue: https://example.org/issues/1
    expires: 2027-06-01
"""
LAST, AFTER = date(2027, 6, 1), date(2027, 6, 2)
CELLS = ("a", "b", "c")
COVERED, OTHER = "cgroup/test_limits.py::test_memory_is_limited[1]", "cgroup/test_limits.py::test_pids"


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """A matrix with one expectation."""
    return trees.load(trees.project(tmp_path_factory.mktemp("project")), TEXT)


def cell(name: str, *cases: tuple[str, Outcome], error: str | None = None) -> CellResult:
    made = tuple(CaseResult(nodeid=nodeid, outcome=outcome, raw=outcome, seconds=1) for nodeid, outcome in cases)
    return CellResult(id=name, axes={}, cases=made, error=error)


def states(wanted: Matrix, cells: list[CellResult], today: date = LAST, *, whole: bool = True) -> list[str]:
    known = KnownFailure(expectation=wanted.expectations[0], cells=frozenset({"a", "b"}), whole=whole)
    return [item.state for item in review_expectations([known], cells, today)]


def test_an_expected_failure_that_passes_is_told_with_its_cases(wanted: Matrix) -> None:
    """Pattern, reason, link, last day, and each case that passed; cells that it is not about do not count."""
    known = KnownFailure(expectation=wanted.expectations[0], cells=frozenset({"a", "b"}), whole=False)
    cells = [cell("a", (COVERED, Outcome.XPASSED), (OTHER, Outcome.PASSED)), cell("c", (COVERED, Outcome.XPASSED))]
    (found,) = review_expectations([known], cells, LAST)

    assert found.model_dump() == {
        "state": "passes",
        "cells": "cgroup==legacy",
        "cases": "cgroup/test_limits.py::test_memory*",
        "reason": "It writes to the wrong directory.",
        "issue": "https://example.org/issues/1",
        "expires": "2027-06-01",
        "found": (("a", COVERED),),
    }


def test_an_expectation_whose_day_has_passed_is_told(wanted: Matrix) -> None:
    """From the day after the last one, whatever its cases do; not in a run of other cells."""
    for outcome in Outcome:
        cells = [cell("a", (COVERED, outcome))]
        assert states(wanted, cells, AFTER) == ["expired"]
        assert "expired" not in states(wanted, cells, LAST)
    assert states(wanted, [cell("c", (COVERED, Outcome.FAILED))], AFTER) == []


@pytest.mark.parametrize(
    ("cells", "whole", "told"),
    [
        ([cell("a", (OTHER, Outcome.PASSED)), cell("b", (OTHER, Outcome.PASSED))], True, ["unused"]),
        ([cell("a", (COVERED, Outcome.SKIPPED)), cell("b")], True, ["unused"]),
        ([cell("a", (OTHER, Outcome.PASSED)), cell("b", (COVERED, Outcome.XFAILED))], True, []),
        ([cell("a", (OTHER, Outcome.PASSED)), cell("b", (COVERED, Outcome.FAILED))], True, []),
        ([cell("a", (OTHER, Outcome.PASSED)), cell("b", (OTHER, Outcome.PASSED))], False, []),
        ([cell("a", (OTHER, Outcome.PASSED))], True, []),
        ([cell("a", (OTHER, Outcome.PASSED)), cell("b", error="It did not boot.")], True, []),
    ],
    ids=["no such case", "skipped", "used", "other failure", "part of the cases", "part of the cells", "broken cell"],
)
def test_an_expectation_about_nothing_is_told(
    wanted: Matrix, cells: list[CellResult], told: list[str], *, whole: bool
) -> None:
    """Only where all of its cells ran to the end with all cases, and none was there that it could have excused."""
    assert states(wanted, cells, whole=whole) == told


outcomes = st.lists(st.tuples(st.sampled_from([COVERED, OTHER]), st.sampled_from(list(Outcome))), max_size=3)


@pytest.mark.slow
@given(found=st.dictionaries(st.sampled_from(CELLS), outcomes), today=st.sampled_from([LAST, AFTER]))
def test_review_agrees_with_the_naive_one(
    wanted: Matrix, found: dict[str, list[tuple[str, Outcome]]], today: date
) -> None:
    """For any outcomes: expired where its day is over, else passes where a case did, else unused where none ran."""
    cells = [cell(name, *cases) for name, cases in found.items()]
    about = [case for name in ("a", "b") for case in found.get(name, [])]
    covered = {outcome for nodeid, outcome in about if nodeid == COVERED}
    expected = []
    if {"a", "b"} & set(found):
        if today == AFTER:
            expected = ["expired"]
        elif Outcome.XPASSED in covered:
            expected = ["passes"]
        elif {"a", "b"} <= set(found) and covered <= {Outcome.SKIPPED}:
            expected = ["unused"]

    assert states(wanted, cells, today) == expected
