"""Which axis the regressions follow: a rule for all of them, and one for each case that regressed."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.compare.atoms import make_atoms
from harness.compare.changes import ChangeKind, Comparison, group_changes
from harness.compare.rules import AxisRule, find_rule_between
from harness.compare.side import RunOutcomes
from harness.model import Outcome, Statement

__all__ = ["CASES", "Following", "find_rules"]

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
    """What the regressions of a comparison follow.

    A cell counts where both sides have it. Cells in which a case failed before, is skipped, flaky or broke say
    nothing about its regression and are left out; so are results of other tools, which have no axes.
    """
    regressed = group_changes(found.of(ChangeKind.REGRESSED), "case")
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
    sound = (name for name in bits if name not in guilty and _is_sound(new, name))
    overall = rule(sum(bits.get(name, 0) for name in guilty), sum(bits[name] for name in sound))
    return Following(overall=overall, by_case=by_case)


def _is_sound(side: RunOutcomes, name: str) -> bool:
    cell = side.cells[name]
    statements = {outcome.statement for outcome in cell.cases.values()}
    return not cell.error and Statement.SUCCESS in statements and statements.isdisjoint(BAD)


def _is_pass(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.statement is Statement.SUCCESS
