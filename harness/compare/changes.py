"""What changed between two sides, case by case: pure functions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.compare.copies import CaseCopy, match_alike, pair_copies
from harness.compare.outcomes import FOREIGN, CellOutcomes, RunOutcomes, find_suite
from harness.errors import ExitCode
from harness.model import Outcome, Statement

__all__ = [
    "REGRESSIONS", "CaseChange", "CellChange", "ChangeKind", "Comparison", "change_of", "compare", "group_changes",
]  # fmt: skip


class ChangeKind(StrEnum):
    """What became of a case from one side to the other; in the order in which people should read of them."""

    FAILS_AGAIN = "fails again"
    """Failed in an earlier baseline, was fixed, and fails now: the fix does not hold."""
    REGRESSED = "regressed"
    """Did not fail, or only as expected, and fails now."""
    NEW_FAILING = "new failing"
    """Fails, and nothing is known of it from before."""
    BROKEN = "broken"
    """The guest or the harness broke, which says nothing about the runtime."""
    GONE = "gone"
    """Ran before, and is skipped or not there now."""
    FLAKY = "flaky"
    """Passed only in a rerun, and did not before."""
    EXCUSED = "excused"
    """Fails now as an expectation says, and did not before."""
    STILL_FAILING = "still failing"
    STILL_BROKEN = "still broken"
    STILL_FLAKY = "still flaky"
    FIXED = "fixed"
    """Failed, or failed as expected, and passes now."""
    RECOVERED = "recovered"
    """Broke, and has an answer now that is no failure."""
    STEADY = "steady"
    """Passed only in a rerun, and passes at once now."""
    NEW = "new"
    """Did not run before, and does not fail."""
    SAME = "same"


REGRESSIONS = (ChangeKind.FAILS_AGAIN, ChangeKind.REGRESSED)
"""Changes of a case that did not fail and fails now."""

C = ChangeKind
TABLE = (
    # nothing  success     unstable       known failure  failure         breakage        now; before:
    (C.SAME, C.NEW, C.FLAKY, C.NEW, C.NEW_FAILING, C.BROKEN),  # nothing
    (C.GONE, C.SAME, C.FLAKY, C.EXCUSED, C.REGRESSED, C.BROKEN),  # success
    (C.GONE, C.STEADY, C.STILL_FLAKY, C.EXCUSED, C.REGRESSED, C.BROKEN),  # unstable
    (C.GONE, C.FIXED, C.FLAKY, C.SAME, C.REGRESSED, C.BROKEN),  # known failure
    (C.GONE, C.FIXED, C.FLAKY, C.EXCUSED, C.STILL_FAILING, C.BROKEN),  # failure
    (C.GONE, C.RECOVERED, C.FLAKY, C.RECOVERED, C.NEW_FAILING, C.STILL_BROKEN),  # breakage
)
"""By what an outcome says, in the order of `Statement`."""

ROWS: Mapping[Outcome | None, int] = {
    None: 0,
    **{outcome: list(Statement).index(outcome.statement) for outcome in Outcome},
}
"""Place of an outcome in the table; a case that is not there says as much as a skipped one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A case of a cell that is worth a line.

    Attributes:
        old: Its outcome before, or None where it was not there.
        new: Its outcome now, or None where it is not there.
        message: One line about the new outcome, as the guest or pytest said it.
    """

    cell: str
    nodeid: str
    change: ChangeKind
    old: Outcome | None
    new: Outcome | None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """A cell that is on one side only, or broke.

    Attributes:
        change: `new` or `gone`; `broken` or `still broken` where it is on both sides or new.
        cases: How many cases of it have therefore no answer; for a new cell, how many it has.
        text: Why it broke; empty for other changes.
    """

    cell: str
    change: ChangeKind
    cases: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two sides.

    Attributes:
        counts: How many cases had which change; cases of cells that are on one side only are in it.
        cells: Cells that are on one side only, or broke.
        cases: Cases that are not the same, but for those of cells in `cells`; failures of new cells are here.
        common: How many cells are on both sides.
        ran: How many cases have an answer now.
        problems: Why a side is not whole, each a sentence.
        alike: How many cases are taken as the same though an address, a UUID or a seed in their names differs.
    """

    old: str
    new: str
    counts: Mapping[ChangeKind, int]
    cells: tuple[CellChange, ...]
    cases: tuple[CaseChange, ...]
    common: int
    ran: int
    problems: tuple[str, ...] = ()
    alike: int = 0

    @property
    def changes(self) -> frozenset[ChangeKind]:
        """All changes that there are, of cases and of cells."""
        return frozenset((*self.counts, *(cell.change for cell in self.cells)))

    @property
    def exit_code(self) -> ExitCode:
        """What `harness compare` ends with."""
        if self.changes & {*REGRESSIONS, ChangeKind.NEW_FAILING}:
            return ExitCode.FAILED
        if ChangeKind.BROKEN in self.changes:
            return ExitCode.INFRASTRUCTURE
        return ExitCode.OK if self.common and self.ran else ExitCode.NOTHING_RAN

    def of(self, *changes: ChangeKind) -> list[CaseChange]:
        """Return the cases with one of some changes."""
        return [case for case in self.cases if case.change in changes]


def change_of(old: Outcome | None, new: Outcome | None) -> ChangeKind:
    """Return what became of a case; None is "not there"."""
    return TABLE[ROWS[old]][ROWS[new]]


def compare(old: RunOutcomes, new: RunOutcomes) -> Comparison:
    """Return what differs between two sides, cells in the order of their names."""
    counts: Counter[ChangeKind] = Counter()
    cells: list[CellChange] = []
    cases: list[CaseChange] = []
    alike = 0
    quiet: dict[int, bool] = {}
    for name in sorted({*old.cells, *new.cells}):
        before, now = old.cells.get(name), new.cells.get(name)
        if (
            before is not None
            and now is not None
            and (before.cases is now.cases or before.cases == now.cases)
            and not (before.error or now.error or before.copies or now.copies)
        ):
            cases += _list_unchanged(name, now, counts, quiet)
            continue
        if before is not None and now is not None:
            renamed = match_alike(
                (nodeid for nodeid in before.cases if nodeid not in now.cases),
                (nodeid for nodeid in now.cases if nodeid not in before.cases),
            )
            before, alike = before.rename_cases(renamed), alike + len(renamed)
        cell, changed = _compare_cell(name, before, now, counts)
        cases += changed
        if cell is not None:
            cells.append(cell)
    return Comparison(
        old=old.name,
        new=new.name,
        counts={change: counts[change] for change in ChangeKind if counts[change]},
        cells=tuple(cells),
        cases=tuple(cases),
        common=sum(_is_common(old.cells[name], new.cells[name]) for name in old.cells.keys() & new.cells.keys()),
        ran=sum(_count_ran(new.cells.values())),
        problems=(*old.problems, *new.problems),
        alike=alike,
    )


def _is_common(before: CellOutcomes, now: CellOutcomes) -> bool:
    """Return whether a cell is on both sides: all files of other tools have one of the same name."""
    return now.id != FOREIGN or not (before.cases or now.cases) or not before.cases.keys().isdisjoint(now.cases)


QUIET = frozenset(outcome for outcome in Outcome if change_of(outcome, outcome) is ChangeKind.SAME)
"""Outcomes that are no news where they were the same before."""

RAN = frozenset(outcome for outcome in Outcome if outcome.ran)


def _count_ran(cells: Iterable[CellOutcomes]) -> Iterator[int]:
    """Yield how many cases of each cell ran; most cells share their outcomes, see `runs`."""
    known: dict[int, int] = {}
    for cell in cells:
        key = id(cell.cases)
        if cell.copies or key not in known:
            known[key] = sum(map(RAN.__contains__, cell.list_outcomes()))
        yield known[key]


def _list_unchanged(
    name: str, now: CellOutcomes, counts: Counter[ChangeKind], quiet: dict[int, bool]
) -> list[CaseChange]:
    """Return the cases of a cell that has the same outcomes on both sides, of which those that fail are reported.

    `quiet` has by the identity of outcomes whether none is.
    """
    told: list[CaseChange] = []
    key = id(now.cases)
    if key not in quiet:
        quiet[key] = QUIET.issuperset(now.cases.values())
    if not quiet[key]:
        told = [
            _change(name, now, nodeid, outcome, outcome)
            for nodeid, outcome in now.cases.items()
            if outcome not in QUIET
        ]
    counts.update(item.change for item in told)
    counts[ChangeKind.SAME] += len(now.cases) - len(told)
    return told


def _change(name: str, now: CellOutcomes, nodeid: str, old: Outcome | None, new: Outcome | None) -> CaseChange:
    change = change_of(old, new)
    return CaseChange(cell=name, nodeid=nodeid, change=change, old=old, new=new, message=now.messages.get(nodeid, ""))


def _compare_cell(
    name: str, before: CellOutcomes | None, now: CellOutcomes | None, counts: Counter[ChangeKind]
) -> tuple[CellChange | None, list[CaseChange]]:
    """Return what became of a cell, and of those of its cases that are reported one by one."""
    if now is None:
        assert before is not None
        lost = sum(outcome.statement is not Statement.NOTHING for outcome in before.list_outcomes())
        counts[ChangeKind.GONE] += lost
        return CellChange(cell=name, change=ChangeKind.GONE, cases=lost), []
    told: list[CaseChange] = []
    silent = 0
    fixed = before.fixed if before is not None else ()
    for item in _list_changes(name, before, now):
        if item.change is ChangeKind.REGRESSED and item.nodeid in fixed:
            item = replace(item, change=ChangeKind.FAILS_AGAIN)  # noqa: PLW2901 - the same change, told better
        counts[item.change] += 1
        if now.error and item.nodeid not in now.cases:
            silent += 1
        elif item.change is not ChangeKind.SAME and not (before is None and item.change is ChangeKind.NEW):
            told.append(item)
    if now.error:
        again = before is not None and before.error
        change = ChangeKind.STILL_BROKEN if again else ChangeKind.BROKEN
        return CellChange(cell=name, change=change, cases=silent, text=now.error), told
    if before is None:
        return CellChange(cell=name, change=ChangeKind.NEW, cases=len(now.cases)), told
    return None, told


def _list_changes(name: str, before: CellOutcomes | None, now: CellOutcomes) -> Iterator[CaseChange]:
    """Yield what became of each case of a cell; a case that a broken cell does not have broke with it."""
    missing_old = Outcome.ERROR if before is not None and before.error else None
    missing_new = Outcome.ERROR if now.error else None
    olds: Mapping[str, Outcome] = before.cases if before is not None else {}
    copies = (before.copies if before is not None else {}, now.copies)
    for nodeid in {**olds, **now.cases}:
        if not (copies[0] or copies[1]):
            yield _change(name, now, nodeid, olds.get(nodeid, missing_old), now.cases.get(nodeid, missing_new))
            continue
        one, other = (
            found.get(nodeid) or ((CaseCopy("", cases[nodeid]),) if nodeid in cases else ())
            for found, cases in zip(copies, (olds, now.cases), strict=True)
        )
        several = len({copy.place for copy in (*one, *other)} - {""}) > 1
        for old, new in pair_copies(one, other):
            place = (new or old or CaseCopy("", Outcome.PASSED)).place
            yield CaseChange(
                cell=name,
                nodeid=f"{nodeid} ({place})" if several and max(len(one), len(other)) > 1 else nodeid,
                change=change_of(old.outcome if old else missing_old, new.outcome if new else missing_new),
                old=old.outcome if old else None,
                new=new.outcome if new else None,
                message=new.message if new is not None and new.outcome.wants_a_look else "",
            )


def group_changes(cases: list[CaseChange], by: str) -> dict[str, list[CaseChange]]:
    """Return changes by `cell`, `suite` or `case`, the largest group first, then by name."""
    keys: dict[str, Callable[[CaseChange], str]] = {
        "cell": lambda item: item.cell,
        "suite": lambda item: find_suite(item.nodeid),
        "case": lambda item: item.nodeid,
    }
    groups: dict[str, list[CaseChange]] = {}
    for item in cases:
        groups.setdefault(keys[by](item), []).append(item)
    return dict(sorted(groups.items(), key=_rank_group))


def _rank_group(pair: tuple[str, list[CaseChange]]) -> tuple[int, str]:
    return -len(pair[1]), pair[0]
