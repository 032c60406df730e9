"""The HTML page of a run: matrix, cells with their logs, search, history, slowest cases, timeline.

The page is a pure function of the run's result, the files in its directory and the results of the runs next to it.
All that is large is bounded, so that it stays below `PAGE_BYTES` whatever a guest printed.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.model import Outcome
from harness.report.page import clean_line, render
from harness.report.run_page.data import PAGE_BYTES, make_script_data
from harness.report.run_page.past import Past, collect_past, make_empty
from harness.results import RunResult
from harness.rundir import PAGE
from harness.text import format_duration
from harness.writing import write_text

__all__ = ["PAGE_BYTES", "collect_past", "render_page", "write"]

HERE = Path(__file__).parent

SCRIPTS = ("core.js", "tables.js", "matrix.js", "rates.js", "cell.js", "lists.js", "timeline.js", "views.js", "main.js")
"""Parts of the page's script, in the order in which they build upon each other."""

MOST_FINDINGS = 40
"""What went wrong, as far as it is listed at the beginning and without a script."""

MOST_ROWS = 300
"""Cells that are listed without a script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something to look at.

    Attributes:
        nodeid: The case; None where the cell itself broke.
        message: One line about it.
        cells: How many cells have it with the same message, this one included.
    """

    outcome: Outcome
    cell: str
    nodeid: str | None
    message: str
    cells: int = 1


def write(run: RunResult, directory: Path, path: Path | None = None) -> Path:
    """Write the page of a run to `path`, or to `report.html` in its directory, and return where it is.

    Its links to files go from there.

    Raises:
        UsageError: It cannot be written there.
    """
    place = path or directory / PAGE
    base = os.path.relpath(directory.resolve(), place.parent.resolve())
    text = render_page(run, directory, collect_past(run, directory), base="" if base == os.curdir else f"{base}/")
    write_text(place, text, inside=path is None)
    return place


def render_page(run: RunResult, directory: Path, history: Past | None = None, *, base: str = "") -> str:
    """Return the page: it loads nothing, works from a file, and says what went wrong without JavaScript too.

    `base` is the way from the page to the run's directory, empty or with a slash at its end.
    """
    counts = run.count_outcomes()
    cases = sum((cell.count_outcomes() for cell in run.cells), start=type(counts)())
    findings = list(_list_failures(run))
    return render(
        HERE / "page.html",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script="".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
        run=run,
        started=_format_time(run.started),
        outcomes=[(outcome, outcome.letter) for outcome in sorted(Outcome, key=lambda item: -item.badness)],
        cells=counts,
        cases=cases,
        findings=findings[:MOST_FINDINGS],
        more=len(findings) - MOST_FINDINGS,
        rows=run.cells[:MOST_ROWS],
        expectations=[(item, _link(item.issue)) for item in run.expectations],
        computer=", ".join(f"{clean_line(name)} {clean_line(value)}" for name, value in run.computer.items()),
        data=make_script_data(run, directory, history or make_empty(), base=base),
        duration=format_duration,
    )


def _list_failures(run: RunResult) -> Iterator[Failure]:
    """Yield what went wrong, the worst first; the same case with the same message is one finding of several cells."""
    found: dict[tuple[Outcome, str | None, str], tuple[str, int]] = {}
    for cell in run.cells:
        items: list[tuple[Outcome, str | None, str]] = []
        if cell.error:
            items.append((Outcome.ERROR, None, clean_line(cell.error[:2000], 400)))
        items += [
            (case.outcome, case.nodeid, clean_line(case.message[:2000], 400))
            for case in cell.cases
            if case.outcome.wants_a_look
        ]
        for item in items:
            first, number = found.get(item, (cell.id, 0))
            found[item] = first, number + 1
    for (outcome, nodeid, message), (name, number) in sorted(
        found.items(), key=lambda item: (-item[0][0].badness, -item[1][1])
    ):
        yield Failure(outcome=outcome, cell=name, nodeid=nodeid, message=message, cells=number)


def _format_time(text: str) -> str:
    """Return `2026-11-24 07:14 UTC`, or what is written where that is no time."""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M %Z}".replace("UTC+00:00", "UTC").rstrip()
    except ValueError:
        return clean_line(text, 40)


def _link(text: str) -> str | None:
    """Return an address that a link may go to: the web, and nothing that runs."""
    return text if re.fullmatch(r"https?://[^\s\x00-\x20]+", text) else None
