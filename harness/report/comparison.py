"""A comparison as lines for a terminal, and as Markdown for a pull request: what is worst first, grouped.

All names and messages come from guests and from other tools. In Markdown they stand in code spans that they cannot
leave, so that they are neither HTML, nor links, nor mentions of people, nor cells of a table; there is never more of it
than a comment may have.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.compare import REGRESSIONS, CaseChange, ChangeKind, Comparison, Difference, Following, group_changes
from harness.text import escape, pluralize

__all__ = [
    "LIMIT", "cut_to_fit", "escape_sentence", "format_code", "format_lines", "format_summary", "list_changes",
    "list_hints",
    "render_comparison",
]  # fmt: skip

GROUPS = 20
"""Groups of a change that are reported."""
MEMBERS = 3
"""Members of a group that are reported."""


def format_summary(found: Comparison) -> str:
    """Return one line: how many cases had which change, the worst first."""
    counts = ", ".join(f"{number} {change}" for change, number in found.counts.items()) or "no case on either side"
    return f"{counts}; {pluralize(found.common, 'cell')} on both sides"


def format_lines(found: Comparison, following: Following, differs: Sequence[Difference], *, by: str) -> Iterator[str]:
    """Yield the lines of a comparison.

    They are grouped `by` cell, suite or case.
    """
    yield f"{escape(found.old)} -> {escape(found.new)}: {format_summary(found)}"
    yield from (f"incomplete: {escape(text)}" for text in found.problems)
    yield from list_hints(found)
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
        yield from _format_groups(cases, by, following if change in REGRESSIONS else None)
    if following.overall.with_it:
        yield f"cells with a regression: {following.overall.text}"
    if differs:
        yield "what else differs"
        yield from (f"  {format_difference(item)}" for item in differs[:GROUPS])
        yield from _format_more(len(differs), GROUPS, "differences")


def list_hints(found: Comparison) -> Iterator[str]:
    """Yield what a reader should know of how cases were matched."""
    if found.alike:
        what = pluralize(
            found.alike,
            "case is taken as the same though its name differs",
            "cases are taken as the same though their names differ",
        )
        yield f"{what} in an address, a UUID, a seed, a temporary file or the form of an accent"
    if not found.common and found.counts:
        yield "nothing is on both sides; files of one run are named with commas between: a.xml,b.xml"


def format_difference(item: Difference) -> str:
    """Format a difference: `systemd 252.38-1 -> 252.39-1 in 14 cells, with all 14 that have a regression`."""
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


LIMIT = 60_000
"""Characters; GitHub refuses comments of more than 65,536."""

MARGIN = 200
"""Characters that are kept for the line that says what was left out."""

ROWS = 50
"""Rows of a table."""

LONG = 1000
"""Characters of a command line."""


def render_comparison(found: Comparison, following: Following, differs: Sequence[Difference]) -> str:
    """Return a comparison as Markdown of at most `LIMIT` characters."""
    title = f"## {format_code(found.old)} → {format_code(found.new)}"
    notes = [
        *(f"- incomplete: {escape_sentence(text)}" for text in found.problems),
        *(f"- {text}" for text in list_hints(found)),
    ]
    return cut_to_fit(
        [
            title, format_summary(found) + ".", "\n".join(notes), *list_changes(found, following),
            *_list_differences(differs),
        ]
    )  # fmt: skip


def format_code(text: str, longest: int = 300) -> str:
    """Return a text that Markdown does not interpret: in a fence of backticks that is longer than any in it."""
    shown = escape(text, longest)
    if not shown.strip():
        return "(empty)"
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    room = " " if shown[0] in "` " or shown[-1] in "` " else ""
    # A bar ends a cell of a table even in code, but for one behind a backslash.
    return f"{fence}{room}{shown}{room}{fence}".replace("|", "\\|")


def cut_to_fit(parts: Iterable[str]) -> str:
    """Return the parts in their order, cut at a line where there is no more room."""
    text = ""
    left_out = 0
    for part in filter(None, parts):
        for line in [*part.split("\n"), ""]:
            if left_out or len(text) + len(line) + 1 > LIMIT - MARGIN:
                left_out += bool(line)
            else:
                text += line + "\n"
    if left_out:
        text += f"\n_{left_out} more lines do not fit here; `harness compare` and `harness gate` print all of them._\n"
    return text


def escape_sentence(text: str) -> str:
    """Return a sentence of ours with names of others in it: what Markdown could interpret is an entity."""
    # GitHub looks for people to tell after entities are read, so that an @ is parted from what follows.
    sane = re.sub(r"[^\w\s.,:;()/=+'-]|_", lambda match: f"&#{ord(match[0])};", escape(text, LONG))
    return sane.replace("&#64;", "&#64;&#8203;")


def list_changes(found: Comparison, following: Following) -> Iterator[str]:
    """Yield a section for each change that there is, the worst first."""
    if following.overall.with_it:
        yield f"Cells with a regression: {format_code(following.overall.text)}"
    for change in ChangeKind:
        cells = [cell for cell in found.cells if cell.change is change]
        cases = found.of(change)
        if not cells and not cases:
            continue
        lines = [f"### {change.value.capitalize()}"]
        for cell in cells[:ROWS]:
            text = f": {format_code(cell.text)}" if cell.text else ""
            lines.append(f"- the cell {format_code(cell.cell)} ({pluralize(cell.cases, 'case')}){text}")
        if len(cells) > ROWS:
            lines.append(f"- and {len(cells) - ROWS} more cells")
        yield "\n".join([*lines, "", *_format_table(cases, following if change in REGRESSIONS else None)])


def _format_table(cases: list[CaseChange], following: Following | None) -> Iterator[str]:
    groups = group_changes(cases, "case")
    if not groups:
        return
    last = "follows" if following is not None else "was"
    yield f"| case | cells | {last} | message |"
    yield "|---|---|---|---|"
    for nodeid, members in list(groups.items())[:ROWS]:
        first = members[0]
        where = str(len(members)) if len(members) > 1 else format_code(first.cell)
        told = first.old.value if first.old is not None else "not there"
        if following is not None and nodeid in following.by_case:
            told = format_code(following.by_case[nodeid].text)
        yield f"| {format_code(nodeid)} | {where} | {told} | {format_code(first.message) if first.message else ''} |"
    if len(groups) > ROWS:
        yield f"| and {len(groups) - ROWS} more cases | | | |"


def _list_differences(differs: Sequence[Difference]) -> Iterator[str]:
    if not differs:
        return
    lines = ["### What else differs", *(f"- {format_code(format_difference(item))}" for item in differs[:ROWS])]
    if len(differs) > ROWS:
        lines.append(f"- and {len(differs) - ROWS} more")
    yield "\n".join(lines)
