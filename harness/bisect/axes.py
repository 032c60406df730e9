"""Which values of axes flip the outcome, where a case passes in one cell and fails in another that differs in several.

The differences are few, so no clever search is needed (Zeller and Hildebrandt's ddmin, 2002, is for thousands): sets of
them are tried by size, which finds the smallest ones, and all of that size; two axes that only break together are a
set of two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from harness import model
from harness.model import Cell, Verdict

__all__ = ["AxisChange", "Found", "apply_changes", "find_differences", "find_smallest", "list_cells"]

AXES: Mapping[str, tuple[str, ...]] = {axis.name: axis.field_names for axis in model.AXES}
"""The fields of a cell that one axis sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisChange:
    """What can be changed in a cell alone.

    Attributes:
        axes: The axes that change; more than one where one follows from the other: an image brings its systemd, and
            a runtime that is not built has no Go.
    """

    axes: tuple[str, ...]

    def format_value(self, cell: Cell) -> str:
        """Format that for people: "cgroup==unified"."""
        values = {axis: [getattr(cell, field) for field in AXES[axis]] for axis in self.axes}
        parts = {
            axis: "-".join(str(value) for value in found if isinstance(value, str)) for axis, found in values.items()
        }
        return " and ".join(f"{axis}=={text or 'none'}" for axis, text in parts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What flips the outcome.

    Attributes:
        sets: All smallest sets of changes with which the good cell is bad; none if the ends are not what they are said to be.
        verdicts: What each set that was tried showed.
    """

    sets: tuple[frozenset[AxisChange], ...]
    verdicts: Mapping[frozenset[AxisChange], Verdict]

    @property
    def skipped(self) -> tuple[frozenset[AxisChange], ...]:
        """Sets that could not be tried and are no larger than those found: one of them may be the answer too."""
        most = min((len(found) for found in self.sets), default=0)
        return tuple(each for each, verdict in self.verdicts.items() if verdict is Verdict.SKIP and len(each) <= most)


def find_differences(good: Cell, bad: Cell) -> tuple[AxisChange, ...]:
    """Return what can be changed one by one on the way from one cell to the other, in the order of the axes."""
    differing = [axis for axis, fields in AXES.items() if _read_fields(good, fields) != _read_fields(bad, fields)]
    joined = []
    if {"distro", "systemd"} <= set(differing) and not (good.systemd_built and bad.systemd_built):
        joined.append(("distro", "systemd"))
    if "runtime" in differing and "go" in differing and None in (good.go, bad.go):
        joined.append(("runtime", "go"))
    if "runtime" in differing and "flavor" in differing:
        joined = [pair for pair in joined if "runtime" not in pair]
        joined.append(("runtime", "flavor", *(("go",) if None in (good.go, bad.go) and "go" in differing else ())))
    alone = [(axis,) for axis in differing if not any(axis in group for group in joined)]
    order = list(AXES)
    return tuple(AxisChange(axes=group) for group in sorted((*joined, *alone), key=lambda group: order.index(group[0])))


def apply_changes(good: Cell, bad: Cell, changes: frozenset[AxisChange]) -> Cell:
    """Return the good cell with some of the values of the bad one."""
    fields = [field for change in changes for axis in change.axes for field in AXES[axis]]
    return replace(good, **{field: getattr(bad, field) for field in fields})


def list_cells(good: Cell, bad: Cell) -> Mapping[str, Cell]:
    """Return each cell between two, by its identifier."""
    changes = find_differences(good, bad)
    sets = (frozenset(some) for size in range(len(changes) + 1) for some in combinations(changes, size))
    return {cell.id: cell for cell in (apply_changes(good, bad, some) for some in sets)}


def find_smallest(changes: tuple[AxisChange, ...], ask: Callable[[frozenset[AxisChange]], Verdict]) -> Found:
    """Find the smallest sets of changes with which the good cell is bad.

    `ask` says what the good cell is with some of them; it is asked once for each set, the two ends first.
    """
    everything = frozenset(changes)
    verdicts = {frozenset[AxisChange](): ask(frozenset()), everything: ask(everything)}
    if verdicts[frozenset()] is not Verdict.GOOD or verdicts[everything] is not Verdict.BAD:
        return Found(sets=(), verdicts=verdicts)
    for size in range(1, len(changes) + 1):
        for chosen in map(frozenset, combinations(changes, size)):
            if chosen not in verdicts:
                verdicts[chosen] = ask(chosen)
        bad = tuple(each for each, verdict in verdicts.items() if len(each) == size and verdict is Verdict.BAD)
        if bad:
            return Found(sets=bad, verdicts=verdicts)
    raise AssertionError("the set of all changes is bad")


def _read_fields(cell: Cell, fields: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(cell, field) for field in fields)
