"""Where a regression begins: the smallest systemd or Go at which it fails, from the cells that were run; and what they follow."""

import re
import shlex
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from harness.compare import REGRESSIONS, AxisRule, CaseChange, Comparison, Following, RunOutcomes, group_changes
from harness.model import AXES, Axis, Cell, Outcome, Statement, make_version_key

__all__ = ["Cause", "FirstBad", "find_first_bads", "group_by_cause"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBad:
    """Where a regression begins.

    Attributes:
        what: `systemd` or `Go`; empty where neither begins it: no smaller value passes.
        bad: The smallest value at which it fails.
        good: The greatest smaller value at which it passes.
        since: Whether the same cell passed with `good` in the baseline; otherwise another cell of this run passes.
        again: The smallest greater value at which it passes, or empty: it does not follow the order of versions.
        cell: A cell in which it fails at `bad`.
        cells: In how many cells this is so.
        command: The command line that finds the commit or release, or empty where none can.
    """

    case: str
    what: str = ""
    bad: str = ""
    good: str = ""
    since: bool = False
    again: str = ""
    cell: str
    cells: int = 1
    command: str = ""

    @property
    def text(self) -> str:
        """It as a sentence without the case."""
        many = f" in {self.cells} cells" if self.cells > 1 else f" in {self.cell}"
        if not self.what:
            return f"fails at every systemd and Go of this run that can be compared{many}"
        passes = f"the baseline passed with {self.good}" if self.since else f"{self.good} passes"
        again = f"; {self.again} passes again" if self.again else ""
        return f"first bad {self.what} {self.bad} ({passes}{again}){many}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OrderedAxis:
    """An axis whose values have an order, and between two of which a command can look.

    Attributes:
        axis: The axis.
        value: A cell's value on it.
        rest: What must be the same in cells that differ only there.
    """

    axis: Axis
    value: Callable[[Cell], str | None]
    rest: Callable[[Cell], Hashable]

    @property
    def what(self) -> str:
        """Its name for people."""
        return self.axis.title or self.axis.name

    def format_revision(self, value: str) -> str:
        """Return a value as the command takes it: what an image carries is named by its number, and has a tag."""
        return f"v{value}" if self.axis.built and value[:1].isdigit() else value


def _make_ordered_axes() -> Iterator[_OrderedAxis]:
    for axis in AXES:
        if axis.verb:
            others = (other for other in AXES if other.name not in {axis.name, axis.brought_by})
            yield _OrderedAxis(
                axis=axis,
                value=attrgetter(axis.fields[0].name),
                rest=attrgetter(*(name for other in others for name in other.field_names)),
            )


ORDERED_AXES = tuple(_make_ordered_axes())


def find_first_bads(found: Comparison, old: RunOutcomes, new: RunOutcomes) -> tuple[FirstBad, ...]:
    """Return where each regression begins; the case that regressed in most cells first."""
    cells = {name: cell for name, side in new.cells.items() if (cell := side.cell) is not None}
    groups = {axis.what: _group_cells(cells, axis) for axis in ORDERED_AXES}
    answers: list[FirstBad] = []
    for cases in group_changes(found.of(*REGRESSIONS), "case").values():
        merged: dict[tuple[str, str, str, bool], FirstBad] = {}
        for case in cases:
            for one in _find_of_case(case, old, new, cells, groups):
                key = (one.what, one.bad, one.good, one.since)
                merged[key] = replace(merged[key], cells=merged[key].cells + 1) if key in merged else one
        answers += sorted(merged.values(), key=lambda one: (not one.what, -one.cells))
    return tuple(answers)


Groups = Mapping[Hashable, list[str]]


def _group_cells(cells: Mapping[str, Cell], axis: _OrderedAxis) -> Groups:
    """Return names of cells that differ only on an axis, by what they share; those without a value are left out."""
    groups: dict[Hashable, list[str]] = {}
    for name, cell in cells.items():
        if axis.value(cell) is not None:
            groups.setdefault(axis.rest(cell), []).append(name)
    return groups


def _find_of_case(
    case: CaseChange, old: RunOutcomes, new: RunOutcomes, cells: Mapping[str, Cell], groups: Mapping[str, Groups]
) -> Iterator[FirstBad]:
    """Yield where the regression of a case in one cell begins, on each axis on which it does."""
    cell = cells.get(case.cell)
    if cell is None:
        yield FirstBad(case=case.nodeid, cell=case.cell)
        return
    answers = [_compare_baseline(case, old, new)]
    answers += [_find_on_axis(case, axis, cell, new, cells, groups[axis.what]) for axis in ORDERED_AXES]
    known = [one for one in answers if one is not None]
    yield from known or [FirstBad(case=case.nodeid, cell=new.cells[case.cell].id)]


def _compare_baseline(case: CaseChange, old: RunOutcomes, new: RunOutcomes) -> FirstBad | None:
    """Compare with the same cell of the baseline, whose systemd was smaller before its distro updated it."""
    before, now = old.cells[case.cell].facts.get("systemd", ""), new.cells[case.cell].facts.get("systemd", "")
    if not before or not now or make_version_key(before) >= make_version_key(now):
        return None
    identifier = new.cells[case.cell].id
    good, bad = _make_tag(before), _make_tag(now)
    # Another Debian revision of the same version has no commit of systemd between.
    command = (
        _make_command("bisect-systemd", good, bad, identifier, case.nodeid) if good and bad and good != bad else ""
    )
    return FirstBad(
        case=case.nodeid, what="systemd", bad=now, good=before, since=True, cell=identifier, command=command
    )


def _find_on_axis(
    case: CaseChange, axis: _OrderedAxis, cell: Cell, new: RunOutcomes, cells: Mapping[str, Cell], groups: Groups
) -> FirstBad | None:
    """Return the smallest value at which the case fails in cells that differ only there, if it passes below it."""
    answers: dict[str, tuple[set[Outcome], str]] = {}
    for name in groups.get(axis.rest(cell), ()):
        value, outcome = axis.value(cells[name]), new.cells[name].cases.get(case.nodeid)
        if value is not None and outcome is not None:
            outcomes, _ = answers.setdefault(value, (set(), name))
            outcomes.add(outcome)
            if outcome is Outcome.FAILED:
                answers[value] = (outcomes, name)
    values = sorted(answers, key=make_version_key)
    bad = next((value for value in values if Outcome.FAILED in answers[value][0]), None)
    passing = [
        value for value in values if all(outcome.statement is Statement.SUCCESS for outcome in answers[value][0])
    ]
    smaller = [value for value in passing if bad is not None and make_version_key(value) < make_version_key(bad)]
    if bad is None or not smaller:
        return None
    name = new.cells[answers[bad][1]].id
    again = next((value for value in passing if make_version_key(value) > make_version_key(bad)), "")
    command = _make_command(
        axis.axis.verb, axis.format_revision(smaller[-1]), axis.format_revision(bad), name, case.nodeid
    )
    return FirstBad(
        case=case.nodeid, what=axis.what, bad=bad, good=smaller[-1], again=again, cell=name, command=command
    )


def _make_tag(version: str) -> str:
    """Return the tag of the version that a package has: "252.39-1~deb12u1" is v252.39, "258~rc1-1" is v258-rc1."""
    match = re.match(r"v?([0-9]+(?:\.[0-9]+)*)(?:[~-](rc[0-9]+))?", version)
    return f"v{match[1]}" + (f"-{match[2]}" if match[2] else "") if match else ""


def _make_command(verb: str, good: str, bad: str, cell: str, case: str) -> str:
    return shlex.join(["harness", verb, "--good", good, "--bad", bad, "--cell", cell, "--test", case])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Regressions that follow the same.

    Attributes:
        rule: What separates cells with them from others; None for what was not worked out.
        cases: The regressions by case, that of most cells first.
        first_bads: Where they begin.
    """

    rule: AxisRule | None
    cases: Mapping[str, Sequence[CaseChange]]
    first_bads: tuple[FirstBad, ...]


def group_by_cause(
    regressed: Sequence[CaseChange], following: Following, first_bads: Sequence[FirstBad]
) -> tuple[Cause, ...]:
    """Return regressions by what they follow, the cause of most of them first."""
    rules: dict[str, AxisRule | None] = {}
    groups: dict[str, dict[str, list[CaseChange]]] = {}
    for nodeid, cases in group_changes(list(regressed), "case").items():
        rule = following.by_case.get(nodeid)
        text = rule.text if rule is not None else ""
        rules[text] = rule
        groups.setdefault(text, {})[nodeid] = cases
    causes = [
        Cause(rule=rules[text], cases=cases, first_bads=tuple(one for one in first_bads if one.case in cases))
        for text, cases in groups.items()
    ]
    return tuple(sorted(causes, key=lambda cause: -sum(map(len, cause.cases.values()))))
