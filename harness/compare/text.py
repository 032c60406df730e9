"""A comparison as lines for a terminal: what is worst first, grouped, every name made fit to be shown."""

from collections.abc import Iterator, Sequence

from harness.compare.changes import CaseChange, ChangeKind, Comparison, group_changes
from harness.compare.differences import Difference
from harness.compare.following import Following
from harness.plural import pluralize
from harness.sanitize import escape

__all__ = ["format_difference", "format_lines", "format_summary"]

GROUPS = 20
"""Groups of a change that are told."""
MEMBERS = 3
"""Members of a group that are told."""


def format_summary(found: Comparison) -> str:
    """One line: how many cases had which change, the worst first."""
    counts = ", ".join(f"{number} {change}" for change, number in found.counts.items()) or "no case on either side"
    return f"{counts}; {pluralize(found.common, 'cell')} on both sides"


def format_lines(found: Comparison, following: Following, differs: Sequence[Difference], *, by: str) -> Iterator[str]:
    """The lines of a comparison.

    Args:
        found: What changed.
        following: Which axis the regressions follow.
        differs: What else differs.
        by: What changes are grouped by: `cell`, `suite` or `case`.
    """
    yield f"{escape(found.old)} -> {escape(found.new)}: {format_summary(found)}"
    for change in ChangeKind:
        cells = [cell for cell in found.cells if cell.change is change]
        cases = found.of(change)
        if not cells and not cases:
            continue
        yield change.value
        for cell in cells[:GROUPS]:
            text = f": {escape(cell.text)}" if cell.text else ""
            yield f"  the cell {escape(cell.cell)} ({pluralize(cell.cases, 'case')}){text}"
        yield from _format_more(len(cells), GROUPS, "cells")
        yield from _format_groups(cases, by, following if change is ChangeKind.REGRESSED else None)
    if following.overall.with_it:
        yield f"cells with a regression: {following.overall.text}"
    if differs:
        yield "what else differs"
        yield from (f"  {format_difference(item)}" for item in differs[:GROUPS])
        yield from _format_more(len(differs), GROUPS, "differences")


def format_difference(item: Difference) -> str:
    """A difference as one line: `systemd 252.38-1 -> 252.39-1 in 14 cells, with all 14 that have a regression`."""
    where = ""
    if item.cells:
        where = f" in {pluralize(item.cells, 'cell')}"
        if item.of:
            where += f", with {item.regressed} of the {item.of} that have a regression"
    return f"{escape(item.fact)} {escape(item.old) or 'unknown'} -> {escape(item.new) or 'unknown'}{where}"


def _format_groups(cases: list[CaseChange], by: str, following: Following | None) -> Iterator[str]:
    groups = group_changes(cases, by)
    for key, members in list(groups.items())[:GROUPS]:
        rule = following.by_case.get(key) if following is not None and by == "case" else None
        follows = f": {rule.text}" if rule is not None and rule.with_it else ""
        yield f"  {escape(key)} ({len(members)}){follows}"
        for item in members[:MEMBERS]:
            place = item.cell if by == "case" else item.nodeid if by == "cell" else f"{item.cell} {item.nodeid}"
            was = f" (was {item.old or 'not there'})"
            message = f": {escape(item.message)}" if item.message else ""
            yield f"    {escape(place)}{was}{message}"
        yield from _format_more(len(members), MEMBERS, "", indent="    ")
    yield from _format_more(len(groups), GROUPS, f"{by}s")


def _format_more(count: int, shown: int, what: str, *, indent: str = "  ") -> Iterator[str]:
    if count > shown:
        yield f"{indent}and {count - shown} more {what}".rstrip()
