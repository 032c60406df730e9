"""The page of a run in a real browser: every view, by keyboard, in both colour schemes, without a script, with 10,000 cases."""

from pathlib import Path

import pytest

from bench.report_browser import BROWSER, Browser, Tab
from bench.report_page import large, leave_logs
from harness import results
from harness.model import Outcome
from harness.report import run_page
from harness.results import CellResult, RunResult

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium; ci/install-deps installs it")

HOSTILE = (
    "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=1>\x1b]8;;file:///etc\x07\x1b[31m\u202e"
)


def hostile(run: RunResult) -> RunResult:
    """Return a run whose first cell says dangerous things wherever a guest may say something."""
    first, *others = run.cells
    bad = next(case for case in first.cases if case.outcome is not Outcome.SKIPPED)
    case = bad.model_copy(
        update={"outcome": Outcome.FAILED, "message": HOSTILE, "details": HOSTILE, "nodeid": f"cgroup/x.py::{HOSTILE}"}
    )
    values = {"cases": (case, *first.cases), "facts": {HOSTILE: HOSTILE}, "error": f"console.log:40: {HOSTILE}"}
    return run.model_copy(update={"cells": (CellResult.model_validate(first.model_dump() | values), *others)})


@pytest.fixture(scope="module")
def run() -> RunResult:
    """Twelve cells with ten cases each."""
    return hostile(large(12, 10, name="20261123-1"))


@pytest.fixture(scope="module")
def page(run: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run, in its directory, with an earlier run next to it."""
    runs = tmp_path_factory.mktemp("runs")
    leave_logs(run, runs / run.id)
    console = runs / run.id / "cells" / run.cells[0].id / "machine" / "console.log"
    console.write_bytes(b"A line that only this console has.\n" + HOSTILE.encode() + b"\xff\xfe\x00" + b"x" * 300_000)
    earlier = run.model_copy(update={"id": "20261122-1", "started": "2026-11-22T00:00:00+00:00"})
    results.write(earlier, runs / "20261122-1" / "result.json")
    run_page.write(earlier, runs / "20261122-1")
    return run_page.write(run, runs / run.id)


def view(tab: Tab, selector: str = "#view") -> str:
    """Return what is to be read."""
    return str(tab.run(f"document.querySelector({selector!r}).innerText"))


def test_the_matrix_shows_any_two_axes(tab: Tab, run: RunResult) -> None:
    """Rows and columns are those that the viewer chooses; the counts of all cells together are those of the run."""
    passed = sum(case.outcome in {Outcome.PASSED, Outcome.FLAKY} for cell in run.cells for case in cell.cases)

    for rows, columns in (
        ("systemd", "cgroup"),
        ("runtime", "suite"),
        ("case", "distro"),
        ("cell", "go"),
        ("go", "go"),
    ):
        tab.go(f"view=matrix&rows={rows}&columns={columns}")
        assert f"{rows} \N{MULTIPLICATION SIGN} {columns}" in view(tab)
        shown = tab.run(
            """[...document.querySelectorAll("table.heat td a")].reduce((sum, node) =>
            sum + Number(/^(\\d+)\\//.exec(node.textContent)?.[1] ?? 0), 0)"""
        )
        assert passed == shown, (rows, columns)


def test_a_filter_leaves_its_cells(tab: Tab, run: RunResult) -> None:
    """An axis that is no row or column filters; the choice is changed by the select, which keeps the focus."""
    tab.go("view=matrix&rows=systemd&columns=runtime")
    tab.run(
        """(() => { const node = document.querySelector('[data-choice="cgroup"]'); node.focus(); node.value = "legacy";
        node.dispatchEvent(new Event("change", {bubbles: true})); })()"""
    )
    tab.settle()
    wanted = {cell.axes["systemd"] for cell in run.cells if cell.axes["cgroup"] == "legacy"}
    heads = tab.run("""[...document.querySelectorAll('table.heat th[scope="row"]')].map(node => node.textContent)""")

    assert wanted == set(heads)
    assert "cgroup" == tab.run("document.activeElement.dataset.choice")
    assert "in-cgroup=legacy" in tab.run("location.hash")


def test_a_cell_has_its_cases_files_and_logs(tab: Tab, run: RunResult, page: Path) -> None:
    """Outcomes, messages, the command, phases, facts, excerpts with what is left out, and links to files that are there."""
    cell = run.cells[0]
    tab.run(f"location.hash = address({{view: 'cell', id: {cell.id!r}}})")
    tab.settle()
    text = view(tab)
    links = tab.run("""[...document.querySelectorAll("#view ul.files a")].map(node => node.href)""")

    assert cell.id in text
    assert f"harness run --cell {cell.id}" in text
    assert "<img src=x onerror=window.hurt=1>" in text
    assert "A line that only this console has." in text
    assert "left out …]" in text
    assert "boot" in text
    assert {"console.log", "journal.txt", "pytest.log"} <= {link.rpartition("/")[2] for link in links}
    assert all(link.startswith((page.parent / "cells").as_uri()) for link in links)
    assert "\x1b" not in text


def test_a_case_has_its_history(tab: Tab, run: RunResult) -> None:
    """Each cell that has a case is a row, with the case's outcome in the run before, which is a link, and in this one."""
    nodeid = run.cells[3].cases[4].nodeid
    tab.run(f"location.hash = address({{view: 'case', id: {nodeid!r}}})")
    tab.settle()
    rows = tab.run(
        """[...document.querySelectorAll("#view tbody tr:has(.past)")].map(row => row.querySelector(".past").textContent)"""
    )

    assert len(run.cells) == len(rows)
    assert all(len(marks) == 2 and marks[0] == marks[1] for marks in rows)
    assert tab.run("""document.querySelector(".past a").href""").endswith(
        "20261122-1/report.html#view=cell&id="
        + tab.run("encodeURIComponent(document.querySelector('#view td.name a').textContent)")
    )


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("part_0 number_4_", "12 cases"),
        ("only this console", "1 line of logs"),
        ("nothing has this", "0 cells, 0 cases"),
    ],
)
def test_search_finds_cases_and_lines(tab: Tab, words: str, found: str) -> None:
    """Typed after the key `/`, words find cases, cells, messages and lines of logs."""
    tab.press("/")
    assert "search" == tab.run("document.activeElement.id")
    tab.press(*words)
    tab.run("new Promise(done => setTimeout(done, 400))")

    assert found in view(tab, "#view h2")
    assert words == tab.run("new URLSearchParams(location.hash.slice(1)).get('q')")


def test_the_name_of_an_outcome_finds_it(tab: Tab, run: RunResult) -> None:
    """`failed` finds the cases that failed, and not those that only speak of it."""
    tab.go("view=search&q=failed")
    failed = sum(case.outcome is Outcome.FAILED for cell in run.cells for case in cell.cases)
    assert f"{failed} case" in view(tab, "#view h2")


def test_the_slowest_come_first(tab: Tab, run: RunResult) -> None:
    """The first case of the list is the slowest of the run."""
    tab.press("s")
    slowest = max((case for cell in run.cells for case in cell.cases), key=lambda case: case.seconds)
    assert slowest.nodeid == tab.run("""document.querySelector("#view tbody td.name").textContent""")


def test_the_timeline_has_every_cell(tab: Tab, run: RunResult) -> None:
    """Each cell is a bar with its phases on one of the lanes, and leads to the cell's page."""
    tab.press("t")
    bars = tab.run(
        """[...document.querySelectorAll("svg.time a")].map(node => node.getAttribute("aria-label").split(":")[0])"""
    )

    assert {cell.id for cell in run.cells} == set(bars)
    assert 4 * len(run.cells) == tab.run("""document.querySelectorAll('svg.time a rect[class^="phase-"]').length""")
    assert "8 cells at a time" in view(tab)


def test_all_of_it_by_keyboard(tab: Tab) -> None:
    """From the matrix with arrows to a cell, with Enter into it, with j and k along the cells, with m back."""
    tab.go("view=matrix&rows=cell&columns=suite")
    tab.run("""document.querySelector("table.heat td a").focus()""")
    tab.press("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowDown")
    row = tab.run("document.activeElement.closest('tr').rowIndex")
    stops = tab.run("""document.querySelectorAll('table.heat td a[tabindex="0"]').length""")
    tab.press("Enter")
    first = view(tab, "#view h2")
    tab.press("j")
    second = view(tab, "#view h2")
    tab.press("k")

    assert (2, 1) == (row, stops)
    assert first != second
    assert first == view(tab, "#view h2")
    assert "view" == tab.run("document.activeElement.id")
    tab.press("m")
    assert "matrix" == tab.run("document.documentElement.dataset.view")
    tab.press("t")
    tab.run("""document.querySelector('svg.time a[tabindex="0"]').focus()""")
    tab.press("ArrowRight", "Enter")
    assert "cell" == tab.run("document.documentElement.dataset.view")


def test_strange_addresses_show_something(tab: Tab) -> None:
    """A view, cell, case or axis that does not exist is said or replaced, and nothing breaks."""
    for address in (
        "view=nothing",
        "view=cell&id=no",
        "view=case",
        "view=matrix&rows=no&in-distro=none",
        "view=constructor",
    ):
        tab.go(address)
        assert view(tab).strip()


@pytest.mark.parametrize(("dark", "paper"), [(False, "rgb(255, 255, 255)"), (True, "rgb(20, 23, 28)")])
def test_dark_and_light(browser: Browser, page: Path, paper: str, *, dark: bool) -> None:
    """The page has the colours that its reader prefers, and text that stands out from them by 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    tab = browser.open(page, dark=dark)
    script = """(() => {
        const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
            .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
        const behind = (node) => { for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour; } return "rgb(255, 255, 255)"; };
        return [...document.querySelectorAll("p, td, th, a, span, code, b, summary, h1, h2, label, button, dt, dd, pre")]
            .filter(node => [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()))
            .map(node => { const [one, other] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
                return [(one + 0.05) / (other + 0.05), node.className, node.textContent.slice(0, 40)]; })
            .filter(([ratio]) => ratio < 4.5); })()"""

    assert paper == tab.run("getComputedStyle(document.body).backgroundColor")
    for address in ("view=matrix", "view=list", "view=slow", "view=time", "view=run"):
        tab.go(address)
        assert [] == tab.run(script), address
    tab.run("location.hash = address({view: 'cell', id: cells[0].id})")
    tab.settle()
    assert [] == tab.run(script)
    tab.call("Page.close")


def test_without_a_script_the_outcome_is_there(browser: Browser, page: Path, run: RunResult) -> None:
    """Where scripts are off, the cells and what went wrong are listed, and no control is shown that does nothing."""
    tab = browser.open(page, script=False)
    text = tab.run("document.body.innerText")

    assert all(cell.id in text for cell in run.cells)
    assert "What to look at" in text
    assert "The guest died" in text or "AssertionError" in text
    assert tab.run("document.getElementById('nav').checkVisibility()") is False
    tab.call("Page.close")
