"""The rates of a run's page in a real browser: how often a case failed over runs, and which cases are flaky by cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.report_browser import BROWSER, Browser, Tab
from harness import results
from harness.model import Outcome
from harness.rates import compute_interval
from harness.report import run_page
from harness.results import CaseResult, RunResult
from tests.helpers.sides import run_result

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium; ci/install-deps installs it")

STORY = {
    "cgroup/test_a.py::test_back_and_forth": "F.F.F",
    "cgroup/test_a.py::test_at_the_second_try": "...~.",
    "cgroup/test_a.py::test_broke_for_good": "..FFF",
    "cgroup/test_a.py::test_good": ".....",
    "cgroup/test_a.py::test_dear": ".F.F.",
    "cgroup/test_a.py::test_breaks_in_between": ".EsE.",
}
"""What each case did in five runs, the last of which has the page."""
SECONDS = {"cgroup/test_a.py::test_dear": 60.0}
BY_LETTER = {outcome.letter: outcome for outcome in Outcome}


def make_run(number: int) -> RunResult:
    """Return one of the five runs, of two cells of which the second is always good."""
    cells = {
        "one": {case: BY_LETTER[letters[number]] for case, letters in STORY.items()},
        "two": dict.fromkeys(STORY, Outcome.PASSED),
    }
    run = run_result(f"2026112{number}-1", cells, started=f"2026-11-2{number}T00:00:00+00:00")
    changed = [
        cell.model_copy(
            update={
                "cases": tuple(
                    CaseResult(
                        nodeid=case.nodeid, outcome=case.outcome, raw=case.raw, seconds=SECONDS.get(case.nodeid, 1)
                    )
                    for case in cell.cases
                )
            }
        )
        for cell in run.cells
    ]
    return run.model_copy(update={"cells": tuple(changed)})


@pytest.fixture
def tab(browser: Browser, tmp_path: Path) -> Iterator[Tab]:
    """The page of the last run, with the four before next to it."""
    for number in range(5):
        results.write(make_run(number), tmp_path / f"2026112{number}-1" / "result.json")
    opened = browser.open(run_page.write(make_run(4), tmp_path / "20261124-1"))
    yield opened
    assert [] == opened.complaints()
    opened.call("Page.close")


def read_rows(tab: Tab) -> list[list[str]]:
    """Return the first table's rows, cell by cell."""
    rows: list[list[str]] = tab.run(
        """[...document.querySelector("#view table").tBodies[0].rows].map(row => [...row.cells].map(td => td.textContent))"""
    )
    return rows


def test_flaky_cases_are_ranked_by_what_they_cost(tab: Tab) -> None:
    """What fails and passes in turn is flaky, and what broke for good or never said anything is not; the dear one is first."""
    tab.press("f")
    rows = read_rows(tab)
    assert [row[0].rpartition("_")[2] for row in rows] == ["dear", "forth", "try"]
    low, high = (round(100 * bound) for bound in compute_interval(2, 5))
    assert rows[0][1:4] == ["1", f"2 of 5 {low} to {high} %", "2 min 0 s"]
    assert [row[3] for row in rows[1:]] == ["3.0 s", "1.0 s"]


def test_a_case_has_a_rate_over_runs(tab: Tab) -> None:
    """Each run is a row with the number of cells in which the case failed; its rate is next to its history."""
    case = "cgroup/test_a.py::test_back_and_forth"
    tab.run(f"location.hash = address({{view: 'case', id: {case!r}}})")
    tab.settle()
    rows = read_rows(tab)
    assert [row[0] for row in rows] == ["20261124-1 (this run)", *(f"2026112{number}-1" for number in (3, 2, 1, 0))]
    assert [row[2].partition(" of ")[0] for row in rows] == ["1", "0", "1", "0", "1"]
    assert "Together: 3 of 10 failed." in tab.run("document.querySelector('#view').innerText")
    assert tab.run("document.querySelector('.rate').textContent") == "3 of 5"


def test_what_broke_or_was_skipped_is_no_rate(tab: Tab) -> None:
    """Runs in which the guest broke say nothing about the case."""
    case = "cgroup/test_a.py::test_breaks_in_between"
    tab.run(f"location.hash = address({{view: 'case', id: {case!r}}})")
    tab.settle()
    assert "Together: 0 of 7 failed." in tab.run("document.querySelector('#view').innerText")
