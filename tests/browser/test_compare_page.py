"""The page of a comparison in a real browser: two sides, a heat map of the changes, cells and search."""

from pathlib import Path

import pytest

from bench.report_browser import BROWSER, Tab
from bench.report_page import large
from harness import cli, results
from harness.model import Outcome
from harness.results import RunResult
from tests.browser.test_report_run import HOSTILE

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium; ci/install-deps installs it")


def make_worse(run: RunResult) -> RunResult:
    """Return a run in which all cells of legacy fail in their first case, one cell is gone and one broke."""
    cells = []
    for number, cell in enumerate(run.cells[:-1]):
        cases = list(cell.cases)
        if cell.axes["cgroup"] == "legacy":
            cases[0] = cases[0].model_copy(update={"outcome": Outcome.FAILED, "message": HOSTILE})
        change = {"cases": () if number == 1 else tuple(cases), "error": f"Broken {HOSTILE}" if number == 1 else None}
        cells.append(cell.model_copy(update=change))
    return run.model_copy(update={"id": "20261124-1", "cells": tuple(cells)})


@pytest.fixture(scope="module")
def runs() -> tuple[RunResult, RunResult]:
    """A run with cases that pass, and a worse one."""
    first = large(12, 10, name="20261123-1")
    good = [
        cell.model_copy(
            update={
                "error": None,
                "cases": tuple(
                    case.model_copy(update={"outcome": Outcome.PASSED, "message": ""}) for case in cell.cases
                ),
            }
        )
        for cell in first.cells
    ]
    before = first.model_copy(update={"cells": tuple(good)})
    return before, make_worse(before)


@pytest.fixture(scope="module")
def page(runs: tuple[RunResult, RunResult], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page, as the verb writes it."""
    place = tmp_path_factory.mktemp("compare")
    for run in runs:
        results.write(run, place / run.id / "result.json")
    argv = ["compare", *(str(place / run.id) for run in runs), "--page", str(place / "changes.html")]
    assert cli.main(argv) == 1
    return place / "changes.html"


def test_the_map_counts_every_case(tab: Tab, runs: tuple[RunResult, RunResult]) -> None:
    """Over any two axes, the squares together have all cases of both runs, and each regression is in its own."""
    before, now = runs
    regressed = sum(cell.axes["cgroup"] == "legacy" and bool(cell.cases) for cell in now.cells)
    for rows, columns in (("systemd", "cgroup"), ("cgroup", "runtime"), ("cell", "distro")):
        tab.go(f"view=matrix&rows={rows}&columns={columns}")
        titles = tab.run("""[...document.querySelectorAll("table.heat td a")].map(node => node.title)""")
        counts = {
            what: sum(
                int(part.split()[0])
                for title in titles
                for part in title.partition(": ")[2].split(" in ")[0].split(", ")
                if part.endswith(what)
            )
            for what in ("same", "regressed", "gone", "broken")
        }
        assert sum(len(cell.cases) for cell in before.cells) + 1 == sum(counts.values()), (rows, columns)
        assert (counts["regressed"], counts["gone"], counts["broken"]) == (regressed, 10, 11)


def test_both_sides_are_next_to_each_other(tab: Tab, runs: tuple[RunResult, RunResult]) -> None:
    """The head has what both runs are; a changed case has both outcomes, and what a guest said is text."""
    text = tab.run("document.querySelector('table.sides').innerText")
    assert all(run.id in text for run in runs)
    cell = next(cell for cell in runs[1].cells if cell.axes["cgroup"] == "legacy" and cell.cases)
    tab.run(f"location.hash = address({{view: 'cell', id: {cell.id!r}}})")
    tab.settle()
    row = tab.run("[...document.querySelector('#view tbody tr').cells].map(td => td.textContent)")
    assert row[:4] == ["regressed", cell.cases[0].nodeid, "passed", "failed"]
    assert "<img src=x onerror=window.hurt=1>" in row[4]


def test_keys_and_search_lead_to_changes(tab: Tab, runs: tuple[RunResult, RunResult]) -> None:
    """All cells, all changed cases, and those with a word, by keyboard."""
    tab.press("c")
    assert f"{len(runs[0].cells)} cells" in tab.run("document.querySelector('#view h2').innerText")
    tab.press("l")
    listed = tab.run("document.querySelectorAll('#view tbody tr').length")
    tab.press("/")
    tab.press(*"regressed")
    tab.run("new Promise(done => setTimeout(done, 400))")
    assert tab.run("document.querySelector('#view h2').innerText").startswith(f"{listed} changed case")


def test_without_a_script_the_changes_are_a_table(page: Path, runs: tuple[RunResult, RunResult]) -> None:
    """What is worst is first, for those who have no script."""
    text = page.read_text(encoding="utf-8").partition("<noscript>")[2]
    assert text.index("regressed") < text.index("</noscript>")
    assert "<img src=x" not in text
    assert len(page.read_bytes()) < 200_000 + 1000 * len(runs)
