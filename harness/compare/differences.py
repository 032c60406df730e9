"""What else differs between two sides: the versions that guests proved, and what ran them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.compare.side import REASONS, CellOutcomes, RunOutcomes

__all__ = ["Difference", "find_differences"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A fact that is not the same on both sides.

    Attributes:
        fact: Its name: `systemd`, `kernel`, `accelerator`, `host kernel`.
        old: Its value before; empty where it was not there.
        new: Its value now; empty where it is not there.
        cells: In how many cells that are on both sides it changed so; 0 for what is true of the whole run.
        regressed: How many of these have a regression.
        of: How many cells with a regression there are, so that one sees whether all of them are here.
    """

    fact: str
    old: str
    new: str
    cells: int = 0
    regressed: int = 0
    of: int = 0


def find_differences(old: RunOutcomes, new: RunOutcomes, regressed: frozenset[str]) -> tuple[Difference, ...]:
    """What differs beside outcomes: first what changed where most regressions are, then by name.

    Args:
        old: The side before.
        new: The side now.
        regressed: Names of the cells that have a regression.
    """
    whole = [
        Difference(fact=fact, old=one, new=other) for fact, one, other in sorted(_find_unequal(old.facts, new.facts))
    ]
    counts: Counter[tuple[str, str, str]] = Counter()
    guilty: Counter[tuple[str, str, str]] = Counter()
    for name in old.cells.keys() & new.cells.keys():
        changed = _find_unequal(_collect_facts(old.cells[name]), _collect_facts(new.cells[name]))
        counts.update(changed)
        if name in regressed:
            guilty.update(changed)
    parts = [
        Difference(fact=fact, old=one, new=other, cells=number, regressed=guilty[fact, one, other], of=len(regressed))
        for (fact, one, other), number in counts.items()
    ]
    parts.sort(key=lambda item: (-item.regressed, item.fact, item.old, item.new))
    return (*parts, *whole)


def _collect_facts(cell: CellOutcomes) -> Mapping[str, str]:
    """What a cell's guest proved, and its axes, which differ where cells are compared across an axis."""
    axes = {key: value for key, value in cell.axes.items() if value is not None}
    facts = {key: value for key, value in cell.facts.items() if key not in REASONS}
    return axes | facts


def _find_unequal(old: Mapping[str, str], new: Mapping[str, str]) -> set[tuple[str, str, str]]:
    if old == new:
        return set()
    return {
        (key, old.get(key, ""), new.get(key, ""))
        for key in old.keys() | new.keys()
        if old.get(key, "") != new.get(key, "")
    }
