"""A run as the page's script reads it: JSON with indexes in place of what repeats."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.model import Outcome
from harness.report.page import clean_line, embed
from harness.report.run_page.evidence import Room, ShownFiles, list_own_files, look
from harness.report.run_page.excerpts import clean_passage
from harness.report.run_page.past import Past
from harness.report.run_page.timeline import draw_timeline
from harness.results import CaseResult, CellResult, RunResult

__all__ = ["CORE", "PAGE_BYTES", "make_script_data"]

PAGE_BYTES = 5_000_000
"""Size that a page does not pass."""

CORE = 3_400_000
"""Bytes of all but excerpts, details and what is the same for every page."""

OVERHEAD = 250_000
"""Bytes of styles, scripts and what the page says without a script."""

STEPS = (30_000, 10_000, 3_000, 1_000, 300, 50)
"""Cases that a page has at most, tried until they fit; of more cases those that harm nobody are only counted."""

MOST_CELLS = 10_000
LISTED = 3_000
"""Cells whose files are listed."""

DETAILS = 8_000
"""Characters of the details of a case."""

SHARE_OF_DETAILS = 0.4


class _Table:
    """Values that repeat, each with its index."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[Any, int] = {}

    def find_index(self, value: Any) -> int:
        found = self._known.setdefault(value, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


def make_script_data(run: RunResult, directory: Path, past: Past, *, base: str) -> str:
    """Return a page's JSON, at most `PAGE_BYTES - OVERHEAD` long; `base` is the way from the page to the directory."""
    for cases in STEPS:
        core = _Core(run, past, cases)
        if (size := len(embed(core.data))) <= CORE:
            break
    room = Room(PAGE_BYTES - OVERHEAD - size - 60 * len(core.details.values))
    details = Room(int(room.left * SHARE_OF_DETAILS))
    core.data["details"] = _bound_details(core.details.values, details)
    room.take(int(room.left * SHARE_OF_DETAILS) - details.left)
    listing = min(LISTED, room.left // 4000) if len(core.cells) > LISTED else LISTED
    evidence = look(core.cells, directory, Room(room.left - 900 * min(listing, len(core.cells))), listed=listing)
    core.data |= _collect_files(evidence, directory) | {"base": base}
    return embed(core.data)


class _Core:
    """All but what is read from files."""

    def __init__(self, run: RunResult, past: Past, most: int) -> None:
        self.past = past
        self.strings, self.nodes, self.lists, self.facts = _Table(), _Table(), _Table(), _Table()
        self.details = _Table()
        self.cells = _choose_worst(run.cells, min(most, MOST_CELLS))
        self.kept = _find_quota(self.cells, most)
        axes = list(dict.fromkeys(name for cell in self.cells for name in cell.axes))
        values = [_Table() for _ in axes]
        cells = [
            self._encode_cell(
                cell, [table.find_index(cell.axes.get(name)) for name, table in zip(axes, values, strict=True)]
            )
            for cell in self.cells
        ]
        time = draw_timeline(self.cells)
        self.data: dict[str, Any] = {
            "outcomes": [[item.letter, item.value] for item in sorted(Outcome, key=lambda item: item.badness)],
            "axes": [clean_line(name, 60) for name in axes],
            "values": [[_clean_value(value) for value in table.values] for table in values],
            "cells": cells,
            "missing": len(run.cells) - len(self.cells),
            "strings": self.strings.values,
            "nodes": self.nodes.values,
            "lists": self.lists.values,
            "facts": self.facts.values,
            "run": clean_line(run.id, 100),
            "now": sum((item.started, item.id) < (run.started, run.id) for item in past.runs),
            "runs": [[clean_line(item.id, 100), clean_line(item.started, 40), item.page] for item in past.runs],
            "time": time and {
                "lanes": time.lanes, "seconds": time.seconds,
                "bars": [[bar.cell, bar.phase, bar.lane, bar.start] for bar in time.bars],
                "pauses": [[pause.start, pause.width, pause.seconds] for pause in time.pauses],
            },
        }  # fmt: skip

    def _store_text(self, text: str | None, most: int = 300) -> int:
        """Return the index of one line of text."""
        return self.strings.find_index(clean_line((text or "")[: 4 * most], most))

    def _encode_cell(self, cell: CellResult, place: list[int]) -> dict[str, Any]:
        name = clean_line(cell.id, 200)
        cases, left = self._choose_cases(cell)
        facts = tuple((clean_line(key, 60), clean_line(value[:4000], 600)) for key, value in cell.facts.items())
        again = clean_line(cell.again[:8000], 2000).replace(name, "\0")
        extra = {
            str(place): entry for place, case in enumerate(cases) if (entry := self._encode_extra(case)) is not None
        }  # fmt: skip
        return {
            "id": name,
            "axes": place,
            "outcome": cell.outcome.letter,
            "error": clean_passage(cell.error, DETAILS) if cell.error else "",
            "warnings": [clean_line(line[:4000], 600) for line in cell.warnings],
            "again": self.strings.find_index(again),
            "phases": [
                [
                    self._store_text(item.phase),
                    self._store_text(item.state),
                    round(item.seconds, 2),
                    self._store_text(item.text),
                ]
                for item in cell.phases
            ],
            "facts": self.facts.find_index(facts),
            "cases": self.lists.find_index(
                tuple(self.nodes.find_index(clean_line(case.nodeid[:4000], 300)) for case in cases)
            ),
            "codes": "".join(case.outcome.letter for case in cases),
            "seconds": [round(case.seconds, 2) for case in cases],
            "extra": extra,
            "left": {outcome.letter: number for outcome, number in left.items()},
            "past": self._encode_past(cell, cases),
        }

    def _choose_cases(self, cell: CellResult) -> tuple[list[CaseResult], Counter[Outcome]]:
        """Return the cases of a cell that the page has, and how many of each outcome it does not have."""
        if len(cell.cases) <= self.kept:
            return list(cell.cases), Counter()
        order = sorted(range(len(cell.cases)), key=lambda index: (-_rank_interest(cell.cases[index].outcome), index))
        kept = set(order[: self.kept])
        left = Counter(case.outcome for index, case in enumerate(cell.cases) if index not in kept)
        return [cell.cases[index] for index in sorted(kept)], left

    def _encode_extra(self, case: CaseResult) -> list[int] | None:
        """Return message, details, expectation, reruns, and what pytest said; None for a case that just passed."""
        if not (case.message or case.details or case.expectation or case.reruns):
            return None
        details = -1
        if case.details and _rank_interest(case.outcome):
            details = self.details.find_index(case.details)
        known = self._store_text(case.expectation, 600)
        return [self._store_text(case.message, 400), details, known, case.reruns, self._store_text(case.raw)]

    def _encode_past(self, cell: CellResult, cases: list[CaseResult]) -> int | list[int]:
        """Return the index of the history of each case; one number where they are all the same."""
        if not self.past.runs:
            return self.strings.find_index("")
        known = [self.strings.find_index(self.past.outcomes.get((cell.id, case.nodeid), "")) for case in cases]
        return known[0] if len(set(known)) == 1 else known


def _clean_value(value: str | None) -> str | None:
    return None if value is None else clean_line(value[:800], 100)


def _rank_interest(outcome: Outcome) -> int:
    """Return 0 for what a page only counts where there is too much of it: cases that pass or are skipped."""
    return 2 if outcome.wants_a_look else int(outcome.fails)


def _choose_worst(cells: Sequence[CellResult], most: int) -> list[CellResult]:
    """Return the worst cells of too many, in their own order."""
    if len(cells) <= most:
        return list(cells)
    order = sorted(range(len(cells)), key=lambda index: (-cells[index].outcome.badness, index))
    return [cells[index] for index in sorted(order[:most])]


def _find_quota(cells: Sequence[CellResult], most: int) -> int:
    """Return how many cases a cell may have so that all have at most `most`; small cells leave room for large ones."""
    sizes = sorted(len(cell.cases) for cell in cells)
    left = most
    for index, size in enumerate(sizes):
        share = left // (len(sizes) - index)
        if size > share:
            return max(share, 1)
        left -= size
    return sizes[-1] if sizes else 0


def _bound_details(texts: Sequence[str], room: Room) -> list[str]:
    """Return the details of cases, each bounded by what is left for it."""
    shown: list[str] = []
    for index, text in enumerate(texts):
        most = min(DETAILS, room.left // (len(texts) - index))
        taken = clean_passage(text, most) if most >= len("[… left out …]") else ""
        while len(taken) > 1 and not room.take(len(embed(taken))):
            taken = taken[: len(taken) // 2]
        shown.append(taken)
    return shown


def _collect_files(evidence: dict[int, ShownFiles], directory: Path) -> dict[str, Any]:
    """Return files and excerpts of cells, by the cell's index, and the files of the run itself."""
    paths = _Table()
    return {
        "files": {
            str(index): [[paths.find_index(clean_line(path, 300)), size] for path, size in item.files]
            for index, item in evidence.items()
        },
        "excerpts": {
            str(index): [
                [
                    paths.find_index(clean_line(path, 300)),
                    [[part.line or 0, part.text, part.skipped] for part in found.parts],
                    found.skipped,
                ]
                for path, found in item.excerpts.items()
            ]
            for index, item in evidence.items()
            if item.excerpts
        },
        "own": [[clean_line(path, 300), size] for path, size in list_own_files(directory)],
        "paths": paths.values,
    }
