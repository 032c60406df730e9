"""A run as a table for a terminal: a line for each cell, below it what is wrong and how to repeat it."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model import Outcome, Phase, Statement
from harness.rates import compute_interval
from harness.results import REPETITION, CaseResult, CellResult, RunResult
from harness.text import format_duration, pluralize

__all__ = ["render_rates", "run_summary"]

STYLES = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.ERROR: "bold magenta",
    Outcome.SKIPPED: "dim",
    Outcome.XFAILED: "yellow",
    Outcome.XPASSED: "bold red",
    Outcome.FLAKY: "yellow",
}

COUNTED = (Outcome.FAILED, Outcome.ERROR, Outcome.XFAILED, Outcome.XPASSED, Outcome.FLAKY, Outcome.SKIPPED)
"""Outcomes whose numbers stand next to how many cases passed, in this order."""


def run_summary(run: RunResult, directory: Path) -> RenderableType:
    """Return the table of a run, what went wrong, and one line that says it all."""
    suites = sorted({case.suite for cell in run.cells for case in cell.cases})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cell", no_wrap=True)
    for suite in suites:
        table.add_column(suite, justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("boot", justify="right", no_wrap=True)
    for cell in run.cells:
        table.add_row(
            Text(cell.id, style=STYLES[cell.outcome]),
            *(_count(case for case in cell.cases if case.suite == suite) for suite in suites),
            format_duration(cell.seconds),
            _boot(cell),
        )
    reasons = {cell.facts["accelerator_reason"] for cell in run.cells if "accelerator_reason" in cell.facts}
    return Group(
        table,
        *(line for cell in run.cells for line in _render_failures(cell)),
        *_render_expectations(run),
        *(Text(reason, style="dim") for reason in sorted(reasons)),
        _render_last_line(run, directory),
    )


SHOWN = 3
"""Cases that are listed below an expectation that passes."""


def render_rates(run: RunResult) -> Table:
    """Return how often each case of `--multiply` failed, with its interval; skips and errors are no runs."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("case", "failed", "rate", "95 % interval"):
        table.add_column(title, justify="left" if title == "case" else "right", no_wrap=True)
    for cell in run.cells:
        tries: dict[str, list[bool]] = {}
        for case in cell.cases:
            name = REPETITION.sub("", case.nodeid)
            if case.outcome.ran:
                tries.setdefault(name, []).append(case.outcome.statement is not Statement.SUCCESS)
        for name, failures in tries.items():
            low, high = compute_interval(sum(failures), len(failures))
            rate = sum(failures) / len(failures)
            table.add_row(
                f"{cell.id} {name}", f"{sum(failures)}/{len(failures)}", f"{rate:.0%}", f"{low:.0%} to {high:.0%}"
            )
    return table


def _boot(cell: CellResult) -> str:
    """Return `1.2 s (memory)`, or nothing if it was not begun."""
    took = format_duration(cell.get_seconds(Phase.BOOT))
    return f"{took} ({cell.facts['boot']})" if "boot" in cell.facts else took


def _count(cases: Iterable[CaseResult]) -> Text:
    """Return `24/24`, `30/31 F`: passed of those that ran, with a mark for each kind of trouble."""
    counts = Counter(case.outcome for case in cases)
    if not counts:
        return Text("-", style="dim")
    passed = sum(number for outcome, number in counts.items() if outcome.passes)
    text = Text(f"{passed}/{counts.total() - counts[Outcome.SKIPPED]}")
    for outcome in COUNTED:
        if counts[outcome]:
            text.append(f" {counts[outcome]}{outcome.letter}", style=STYLES[outcome])
    return text


def _render_failures(cell: CellResult) -> Iterable[Text]:
    guilty = [case for case in cell.cases if case.outcome.wants_a_look]
    if not cell.error and not guilty and not cell.warnings:
        return
    yield Text(cell.id, style=STYLES[cell.outcome])
    if cell.error:
        yield Text(f"  E {cell.error}", style=STYLES[Outcome.ERROR])
    for case in guilty:
        line = Text(f"  {case.outcome.letter} {case.nodeid}  ", style=STYLES[case.outcome])
        line.append(case.message, style="default")
        yield line
    for warning in cell.warnings:
        yield Text(f"  ! {warning}", style="yellow")
    yield Text(f"  again: {cell.again}", style="dim")


def _render_expectations(run: RunResult) -> Iterable[Text]:
    """Yield what is to be fixed below `expectations` in the matrix."""
    if run.expectations:
        yield Text("expectations of the matrix that want a look", style="bold")
    for item in run.expectations:
        what = {
            "passes": f"passes in {pluralize(len(item.found), 'case')}, and can be removed",
            "expired": f"expired on {item.expires}, so it no longer excuses anything",
            "unused": "matches no case, although all of its cells ran",
        }[item.state]
        yield Text(f"  {item.cases} where {item.cells}: {what}", style=STYLES[Outcome.XPASSED])
        yield Text(f"    {item.reason} {item.issue}")
        yield from (Text(f"    {Outcome.XPASSED.letter} {cell} {nodeid}") for cell, nodeid in item.found[:SHOWN])
        if len(item.found) > SHOWN:
            yield Text(f"    and {len(item.found) - SHOWN} more in result.json", style="dim")


def _render_last_line(run: RunResult, directory: Path) -> Text:
    counts = run.count_outcomes()
    parts = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    interrupted = " (interrupted)" if run.interrupted else ""
    return Text(
        f"{pluralize(len(run.cells), 'cell')}: {parts or 'none ran'}{interrupted} in {format_duration(run.seconds)}.  "
        f"results: {directory}"
    )
