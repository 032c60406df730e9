"""The HTML page of a comparison: two runs side by side, and a heat map of what changed over any two axes.

It shares its scripts with the page of a run, in whose map the outcome of a case is what became of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.compare import CaseChange, CellChange, ChangeKind, Comparison, Difference, Following, RunOutcomes
from harness.model import Outcome
from harness.report.comparison import format_difference, format_summary, list_hints
from harness.report.page import clean_line, embed, render
from harness.writing import write_text

__all__ = ["write_comparison"]

HERE = Path(__file__).parent
SHARED = HERE.parent / "run_page"
SCRIPTS = (SHARED / "core.js", SHARED / "tables.js", SHARED / "matrix.js", HERE / "compare.js", SHARED / "main.js")
"""Parts of the page's script, in the order in which they build upon each other."""

C = ChangeKind
LETTERS: Mapping[ChangeKind, tuple[str, str]] = {
    C.SAME: (".", "none"), C.NEW: ("+", "passed"), C.STEADY: ("+", "passed"), C.RECOVERED: ("+", "passed"),
    C.FIXED: ("+", "passed"), C.EXCUSED: ("x", "xfailed"), C.STILL_FAILING: ("f", "skipped"),
    C.STILL_BROKEN: ("e", "skipped"), C.STILL_FLAKY: ("f", "skipped"), C.GONE: ("-", "xfailed"), C.FLAKY: ("~", "flaky"),
    C.NEW_FAILING: ("X", "failed"), C.REGRESSED: ("F", "failed"), C.FAILS_AGAIN: ("F", "failed"), C.BROKEN: ("E", "error"),
}  # fmt: skip
"""Letter of each change in the map, and the style of it: that of an outcome."""
NAMES = {
    ".": "same", "f": "as bad as before", "e": "still broken", "+": "better", "x": "excused", "-": "gone", "~": "flaky",
    "X": "new failing", "F": "regressed", "E": "broken",
}  # fmt: skip
"""What each letter is called, from harmless to worst."""
MOST_CASES = 12_000
"""Cases that the page lists; of more, the least bad are only counted."""
MOST_CELLS = 10_000
MOST_ROWS = 300
"""Cases that are listed without a script."""


def write_comparison(
    found: Comparison,
    sides: tuple[RunOutcomes, RunOutcomes],
    following: Following,
    differs: Sequence[Difference],
    path: Path,
) -> None:
    """Write the page of a comparison at a place that the user named; raises as `write_text` does."""
    worst = sorted(found.cases, key=lambda case: list(ChangeKind).index(case.change))
    page = render(
        HERE / "page.html",
        style=f"{(SHARED / 'page.css').read_text(encoding='utf-8')}\n{(HERE / 'compare.css').read_text(encoding='utf-8')}",
        script="".join(file.read_text(encoding="utf-8") for file in SCRIPTS),
        sides=[_describe(side) for side in sides],
        found=found,
        summary=format_summary(found),
        notes=[*map(clean_line, found.problems), *list_hints(found)],
        follows=clean_line(following.overall.text, 1000) if following.overall.with_it else "",
        differs=[clean_line(format_difference(item), 300) for item in differs[:MOST_ROWS]],
        rows=worst[:MOST_ROWS],
        more=max(len(worst) - MOST_ROWS, 0),
        data=embed(_make_data(found, sides, worst)),
    )
    write_text(path, page)


def _describe(side: RunOutcomes) -> dict[str, str]:
    """Return what the head of a column says of a side."""
    counts = side.counts
    return {
        "name": clean_line(side.name),
        "started": clean_line(side.started[:16].replace("T", " "), 40),
        "commit": clean_line(side.commit, 60),
        "harness": clean_line(side.facts.get("harness", ""), 60),
        **{key: str(value) for key, value in counts.items()},
    }


def _make_data(
    found: Comparison, sides: tuple[RunOutcomes, RunOutcomes], worst: Sequence[CaseChange]
) -> dict[str, Any]:
    """Return what the script reads, in the form of a run's page, as far as the map wants it."""
    old, new = sides
    listed: dict[str, list[CaseChange]] = {}
    for case in worst[:MOST_CASES]:
        listed.setdefault(case.cell, []).append(case)
    names = sorted({*old.cells, *new.cells}, key=lambda name: (name not in listed, name))[:MOST_CELLS]
    whole = {cell.cell: cell for cell in found.cells}
    kinds = _count_kinds(worst[MOST_CASES:])
    axes = list(dict.fromkeys(axis for side in (new, old) for cell in side.cells.values() for axis in cell.axes))
    values: list[list[str | None]] = [[] for _ in axes]
    nodes: dict[str, int] = {}
    cells: list[dict[str, Any]] = []
    for name in sorted(names):
        cell = new.cells.get(name) or old.cells[name]
        mine = listed.get(name, [])
        place = [_find_index(known, cell.axes.get(axis)) for known, axis in zip(values, axes, strict=True)]
        numbers = [nodes.setdefault(clean_line(case.nodeid, 300), len(nodes)) for case in mine]
        left = _count_left(name, mine, sides, whole.get(name)) + kinds[name]
        letters = "".join(LETTERS[case.change][0] for case in mine)
        shown = "".join(sorted(left)) + letters
        cells.append({
            "id": clean_line(name), "axes": place, "outcome": max(shown or ".", key=list(NAMES).index), "error": _find_error(whole.get(name)),
            "cases": len(cells), "codes": letters, "seconds": [0] * len(mine), "phases": [], "left": left,
            "numbers": numbers, "kinds": [case.change.value for case in mine],
            "old": [_name(case.old) for case in mine], "new": [_name(case.new) for case in mine],
            "messages": [clean_line(case.message[:2000], 300) for case in mine],
        })  # fmt: skip
    styles = dict(LETTERS.values())
    return {
        "outcomes": [[letter, name, styles[letter]] for letter, name in NAMES.items()],
        "trouble": "~-XFE", "marks": ["E", "F", "X", "~", "-", "x", "+"], "good": ".", "counted": "the same of all cases",
        "axes": [clean_line(axis, 60) for axis in axes],
        "values": [[None if value is None else clean_line(value, 100) for value in known] for known in values],
        "cells": cells, "lists": [cell.pop("numbers") for cell in cells], "nodes": list(nodes), "strings": [""],
        "base": "",
    }  # fmt: skip


def _find_index(known: list[str | None], value: str | None) -> int:
    if value not in known:
        known.append(value)
    return known.index(value)


def _find_error(cell: CellChange | None) -> str:
    return clean_line(cell.text[:2000], 400) if cell is not None else ""


def _name(outcome: Outcome | None) -> str:
    return outcome.value if outcome is not None else "not there"


def _count_kinds(cases: Iterable[CaseChange]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        counts[case.cell][LETTERS[case.change][0]] += 1
    return counts


def _count_left(
    name: str, mine: Sequence[CaseChange], sides: tuple[RunOutcomes, RunOutcomes], change: CellChange | None
) -> Counter[str]:
    """Return how many cases of a cell are counted only: those of a cell that is on one side, and those that are the same."""
    if change is not None:
        letter = LETTERS[change.change][0]
        return Counter({letter: max(change.cases - len(mine), 0)} if change.cases > len(mine) else {})
    cell = sides[1].cells[name]
    same = len(list(cell.list_outcomes())) - sum(case.new is not None for case in mine)
    return Counter({".": same} if same > 0 else {})
