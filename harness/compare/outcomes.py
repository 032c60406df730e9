"""One side of a comparison: what became of the cases of some cells, wherever that was written down."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.compare.copies import CaseCopy, find_outcome
from harness.errors import UsageError
from harness.model import AXES_BY_NAME, Cell, Outcome, find_worst, parse_axes

__all__ = [
    "FOREIGN", "NOTHING", "REASONS", "VARYING_FACTS", "CaseCopy", "CellOutcomes", "Kind", "RunOutcomes", "drop_axes",
    "find_common", "find_suite", "join", "make_foreign_cell",
]  # fmt: skip

FOREIGN = "junit"
"""Name of the one cell of other tools' files."""

REASONS = frozenset({"accelerator_reason"})
"""Facts that say why, and not what: no difference between two runs."""
VARYING_FACTS = REASONS | {"boot"}
"""Facts that differ from run to run without meaning anything for the runtime: not kept in a baseline."""

NOTHING: Mapping[str, Any] = {}
"""What most cells have of what few have: one for all of 10,000 cells saves memory."""

Kind = str
"""Where a side comes from: `run`, `baseline` or `junit`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOutcomes:
    """What became of one cell.

    Attributes:
        axes: Its place on each axis; empty for files of other tools.
        facts: What the guest proved.
        cases: The outcome of each case, by node id.
        messages: One line about each case that failed, is an error or flaky, by node id.
        error: Why the cell broke, or None.
        pid1_crash: What happened to systemd as PID 1 of its guest, where it crashed; None in a baseline.
        place: The run or file that it comes from, as messages name it.
        counts: Of cases that ran more than once (`--multiply`), how many runs failed, and how many there were.
        since: Of cases that fail in a baseline, the day on which they were first saved so, where that was an earlier one.
        fixed: Cases of a baseline that pass, and failed in an earlier one.
        best: Of cases that failed less often in an earlier baseline, its counts, and the day of that baseline.
        copies: For files of other tools, each case of a name in the order of the file; `cases` has one outcome for all.
    """

    id: str
    axes: Mapping[str, str | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    cases: Mapping[str, Outcome]
    messages: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    pid1_crash: str | None = None
    place: str = ""
    counts: Mapping[str, tuple[int, int]] = field(default_factory=lambda: NOTHING)
    since: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    fixed: frozenset[str] = frozenset()
    best: Mapping[str, tuple[int, int, str]] = field(default_factory=lambda: NOTHING)
    copies: Mapping[str, tuple[CaseCopy, ...]] = field(default_factory=lambda: NOTHING)

    def list_outcomes(self) -> Iterable[Outcome]:
        """Return the outcome of each case, and of each case of one name."""
        if not self.copies:
            return self.cases.values()
        copies = (self.copies.get(name, (CaseCopy("", outcome),)) for name, outcome in self.cases.items())
        return [copy.outcome for several in copies for copy in several]

    def rename_cases(self, names: Mapping[str, str]) -> "CellOutcomes":
        """Return it with some cases called otherwise; `names` has the old name of each new one."""
        if not names:
            return self
        new = {old: now for now, old in names.items()}
        return replace(
            self,
            cases={new.get(name, name): outcome for name, outcome in self.cases.items()},
            copies={new.get(name, name): found for name, found in self.copies.items()},
        )

    def find_bar(self, nodeid: str) -> tuple[int, int] | None:
        """Return the counts that a case is held to: the best of the baselines; None where it never ran repeatedly."""
        best = self.best.get(nodeid)
        return best[:2] if best is not None else self.counts.get(nodeid)

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of its cases, as `CellResult` has it."""
        return Outcome.ERROR if self.error else find_worst(self.cases.values())

    @property
    def cell(self) -> Cell | None:
        """The cell that its axes describe, or None where they describe none (results of other tools)."""
        try:
            return parse_axes(self.axes)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcomes:
    """What one run, or its shards together, found.

    Attributes:
        name: It, as messages name it.
        started: When it began, ISO 8601 in UTC, by the clock of the computer that ran it; empty if not known.
        cells: Its cells by identifier.
        facts: What ran it: version of the harness, kernel and cores of the computer.
        problems: Why it is not whole, each a sentence: interrupted, cells without a result, a missing shard.
        shards: Which of how many shards of the cells it has.
        commit: The commit of the project that was run; empty where it is not known, like `matrix`.
        attempt: Which attempt at it this is; 0 where it is not known.
        matrix: Hash of the matrix file.
        older: What does not count, each a sentence: attempts to which there is a newer one, and, of several runs of
            the same, cells and cases that broke in some.
    """

    name: str
    kind: Kind
    started: str = ""
    cells: Mapping[str, CellOutcomes]
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    shards: tuple[tuple[int, int], ...] = ()
    commit: str = ""
    attempt: int = 0
    matrix: str = ""
    older: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many cells and cases it has, and how many of these ran and failed."""
        outcomes = [outcome for cell in self.cells.values() for outcome in cell.list_outcomes()]
        return {
            "cells": len(self.cells),
            "cases": len(outcomes),
            "ran": sum(outcome.ran for outcome in outcomes),
            "failed": outcomes.count(Outcome.FAILED),
        }


def find_suite(nodeid: str) -> str:
    """Return a case's suite: the first directory of its node id, or the class or package of another tool's."""
    head = nodeid.partition("::")[0]
    return head.split("/", 1)[0] if head.endswith(".py") else head


def join(sides: Sequence[RunOutcomes], name: str | None = None) -> tuple[RunOutcomes, tuple[str, ...]]:
    """Join one or more shards to one side, with what speaks against taking them together.

    No decision is made on times, since the clocks of two computers differ: the start is the greatest text of the
    shards, and only informs people about when it was. Of several attempts at a shard the newest counts, by its number. Of
    two results of a cell otherwise the worse counts, as when CI merges shards; there is a sentence for each such cell,
    for each shard that is missing, and for shards of different commits, matrices or harnesses. Messages call the whole
    by `name`, or by the names of its shards.
    """
    sides, older = _drop_older(sides)
    cells: dict[str, CellOutcomes] = {}
    problems: list[str] = []
    for side in sides:
        for item in side.cells.values():
            first = cells.setdefault(item.id, item)
            if first is item:
                continue
            if item.id == FOREIGN:
                # Surefire and Gradle write a file for each class.
                cells[FOREIGN] = _join_foreign(first, item)
            else:
                if item.outcome.badness > first.outcome.badness:
                    cells[item.id] = item
                problems.append(
                    f"The cell {item.id} has two results: one in {first.place}, one in {item.place}; leave one out, or count both with --pool."
                )
    shards = tuple(sorted({shard for side in sides for shard in side.shards}))
    whole = RunOutcomes(
        name=name or ", ".join(side.name for side in sides),
        kind=sides[0].kind,
        started=max(side.started for side in sides),
        cells=dict(sorted(cells.items())),
        facts=find_common([side.facts for side in sides]),
        problems=tuple(problem for side in sides for problem in side.problems),
        shards=shards,
        commit=", ".join(sorted({side.commit for side in sides} - {""})),
        attempt=max(side.attempt for side in sides),
        matrix=", ".join(sorted({side.matrix for side in sides} - {""})),
        older=(*(text for side in sides for text in side.older), *older),
    )
    return whole, (*problems, *_list_mixed(sides), *_list_missing(shards, [side.name for side in sides]))


def _drop_older(sides: Sequence[RunOutcomes]) -> tuple[list[RunOutcomes], list[str]]:
    """Return the newest attempt at each shard, with a sentence about each older one of the same commit."""
    newest: dict[object, RunOutcomes] = {}
    for side in sides:
        part = _name_part(side)
        if side.attempt and (part not in newest or side.attempt > newest[part].attempt):
            newest[part] = side
    kept, older = [], []
    for side in sides:
        best = newest.get(_name_part(side), side)
        if not side.attempt or side.attempt == best.attempt:
            kept.append(side)
        else:
            older.append(
                f"{side.name} is attempt {side.attempt}, and does not count: {best.name} is attempt {best.attempt}."
            )
    return kept, older


def _name_part(side: RunOutcomes) -> object:
    """Return what two attempts at the same have in common."""
    part: object = side.shards or tuple(side.cells)
    return side.kind, side.commit, part


def _list_mixed(sides: Sequence[RunOutcomes]) -> Iterator[str]:
    """Yield what makes shards parts of different runs."""
    kinds = {
        "commits": [(side.commit, side.name) for side in sides],
        "matrices": [(side.matrix, side.name) for side in sides],
        "versions of the harness": [(side.facts.get("harness", ""), side.name) for side in sides],
    }
    for what, values in kinds.items():
        first = {value: name for value, name in reversed(values) if value}
        if len(first) > 1:
            listed = ", ".join(f"{name} is of {value}" for value, name in first.items())
            yield f"The runs are of different {what}: {listed}."


def _join_foreign(first: CellOutcomes, second: CellOutcomes) -> CellOutcomes:
    """Return what two files of a tool say as one."""
    copies = {name: (*first.copies.get(name, ()), *found) for name, found in second.copies.items()}
    return make_foreign_cell({**first.copies, **copies}, place=f"{first.place}, {second.place}")


def make_foreign_cell(copies: Mapping[str, tuple[CaseCopy, ...]], *, place: str) -> CellOutcomes:
    """Return the one cell of other tools' files."""
    cases = {name: find_outcome(found) for name, found in copies.items()}
    messages = {
        name: next((copy.message for copy in copies[name] if copy.message and copy.outcome.wants_a_look), "")
        for name, outcome in cases.items()
        if outcome.wants_a_look
    }
    return CellOutcomes(
        id=FOREIGN, cases=cases, messages={name: text for name, text in messages.items() if text}, copies=copies,
        place=place,
    )  # fmt: skip


def _list_missing(shards: Sequence[tuple[int, int]], places: Sequence[str]) -> list[str]:
    counts = sorted({count for _, count in shards})
    if len(counts) > 1:
        kinds = " and ".join(f"of {count}" for count in counts)
        return [f"The runs {', '.join(places)} are shards of different divisions: {kinds}."]
    return [
        f"The shard {index}/{count} is missing: none of {', '.join(places)} is it."
        for count in counts
        for index in range(1, count + 1)
        if (index, count) not in shards
    ]


def find_common(all_facts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return facts with all values that they have, each once."""
    merged: dict[str, list[str]] = {}
    for facts in all_facts:
        for key, value in facts.items():
            merged.setdefault(key, []).append(value)
    return {key: ", ".join(dict.fromkeys(values)) for key, values in sorted(merged.items())}


def drop_axes(side: RunOutcomes, axes: Sequence[str]) -> RunOutcomes:
    """Return the side with its cells named without some axes, so that cells that differ only there are the same cell.

    The axes are for instance `distro` and `systemd`, to compare a distro's release with the next.

    Raises:
        UsageError: There is no such axis, or two cells of the side differ only there.
    """
    for axis in axes:
        if axis not in AXES_BY_NAME:
            raise UsageError(f"There is no axis `{axis}`; known are {', '.join(AXES_BY_NAME)}.")
    kept = [axis for axis in AXES_BY_NAME if axis not in axes]
    cells: dict[str, CellOutcomes] = {}
    for item in side.cells.values():
        name = "+".join(f"{axis}={value}" for axis in kept if (value := item.axes.get(axis))) if item.axes else item.id
        if name in cells:
            raise UsageError(
                f"Two cells of {side.name} differ only in {', '.join(axes)}: {cells[name].id} and {item.id}.",
                hint="Leave one of them out with --select, or name fewer axes with --across.",
            )
        cells[name] = item
    return replace(side, cells=cells)
