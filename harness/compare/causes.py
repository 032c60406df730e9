"""What may have caused the changes: which axis the regressions follow, and what else differs between two sides."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.compare.changes import REGRESSIONS, Comparison, group_changes
from harness.compare.outcomes import REASONS, CellOutcomes, RunOutcomes
from harness.compare.rules import AxisRule, find_rule_between, make_atoms
from harness.model import Outcome, Statement

__all__ = ["CASES", "Difference", "Following", "find_differences", "find_rules"]

CASES = 100
"""Cases whose rule is worked out: those that regressed in most cells."""

BAD = frozenset({Statement.FAILURE, Statement.BREAKAGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What the regressions follow.

    Attributes:
        overall: What separates cells with a regression from cells in which cases pass and none fails.
        by_case: For each case that regressed, what separates the cells where it did from those where it passes;
            the case that regressed in most cells first.
    """

    overall: AxisRule
    by_case: Mapping[str, AxisRule]


def find_rules(found: Comparison, old: RunOutcomes, new: RunOutcomes) -> Following:
    """Return what the regressions of a comparison follow.

    A cell counts where both sides have it. Cells in which a case failed before, is skipped, flaky or broke say
    nothing about its regression and are left out; so are results of other tools, which have no axes.
    """
    regressed = group_changes(found.of(*REGRESSIONS), "case")
    if not regressed:
        return Following(overall=AxisRule(with_it=0, without=0), by_case={})
    cells = {name: cell for name in sorted(old.cells.keys() & new.cells.keys()) if (cell := new.cells[name].cell)}
    atoms = make_atoms(list(cells.values()))
    bits = {name: 1 << index for index, name in enumerate(cells)}
    known: dict[tuple[int, int], AxisRule] = {}

    def rule(good: int, bad: int) -> AxisRule:
        if (good, bad) not in known:
            known[good, bad] = find_rule_between(atoms, good, bad)
        return known[good, bad]

    by_case = {
        nodeid: rule(
            sum(bits.get(case.cell, 0) for case in cases),
            sum(bit for name, bit in bits.items() if _is_pass(new.cells[name].cases.get(nodeid))),
        )
        for nodeid, cases in list(regressed.items())[:CASES]
    }
    guilty = {case.cell for cases in regressed.values() for case in cases}
    known_sound: dict[int, bool] = {}
    sound = (name for name in bits if name not in guilty and _is_sound(new.cells[name], known_sound))
    overall = rule(sum(bits.get(name, 0) for name in guilty), sum(bits[name] for name in sound))
    return Following(overall=overall, by_case=by_case)


def _is_sound(cell: CellOutcomes, known: dict[int, bool]) -> bool:
    """Return whether cases of a cell pass and none fails; `known` by the identity of outcomes, which most cells share."""
    key = id(cell.cases)
    if key not in known:
        statements = {outcome.statement for outcome in cell.cases.values()}
        known[key] = Statement.SUCCESS in statements and statements.isdisjoint(BAD)
    return known[key] and not cell.error


def _is_pass(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.statement is Statement.SUCCESS


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
    """Return what differs besides outcomes: first what changed where most regressions are, then by name."""
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
    """Return what a cell's guest proved, and its axes, which differ where cells are compared across an axis."""
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
