"""Comparisons and decisions as Markdown for a pull request: the most important first, and never more than it may have.

All names and messages come from guests and from other tools. They stand in code spans that they cannot leave, so that
they are neither HTML, nor links, nor mentions of people, nor cells of a table.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.compare import CaseChange, ChangeKind, Comparison, Difference, Following, group_changes
from harness.compare.text import format_difference, format_summary
from harness.gate import Check, CheckLevel, Decision, FirstBad
from harness.plural import pluralize
from harness.sanitize import escape

__all__ = ["LIMIT", "format_code", "render_comparison", "render_decision"]

LIMIT = 60_000
"""Characters; GitHub refuses comments of more than 65,536."""

MARGIN = 200
"""Characters that are kept for the line that says what was left out."""

ROWS = 50
"""Rows of a table."""

LONG = 1000
"""Characters of a command line."""


def render_comparison(found: Comparison, following: Following, differs: Sequence[Difference]) -> str:
    """A comparison as Markdown of at most `LIMIT` characters."""
    title = f"## {format_code(found.old)} → {format_code(found.new)}"
    return _cut_to_fit(
        [title, format_summary(found) + ".", *_list_changes(found, following), *_list_differences(differs)]
    )


def render_decision(decided: Decision) -> str:
    """A decision of the gate as Markdown of at most `LIMIT` characters."""
    refused = len(decided.refused)
    answer = "may be shipped" if decided.ships else f"refused, for {pluralize(refused, 'reason')}"
    return _cut_to_fit(
        [
            f"## Release gate: {answer}",
            "\n".join(_list_checks(check for check in decided.checks if check.level is not CheckLevel.MET)),
            *_list_first_bads(decided.first_bads),
            f"Since {format_code(decided.comparison.old)}: {format_summary(decided.comparison)}.",
            *_list_changes(decided.comparison, decided.following),
            "\n".join(
                [
                    "### Rules that are met",
                    *_list_checks(check for check in decided.checks if check.level is CheckLevel.MET),
                ]
            ),
        ]
    )


def format_code(text: str, longest: int = 300) -> str:
    """A text that Markdown does not interpret: in a fence of backticks that is longer than any in it."""
    shown = escape(text, longest)
    if not shown.strip():
        return "(empty)"
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    room = " " if shown[0] in "` " or shown[-1] in "` " else ""
    # A bar ends a cell of a table even in code, but for one behind a backslash.
    return f"{fence}{room}{shown}{room}{fence}".replace("|", "\\|")


def _cut_to_fit(parts: Iterable[str]) -> str:
    """The parts in their order, cut at a line where there is no more room."""
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


def _list_checks(checks: Iterable[Check]) -> Iterator[str]:
    marks = {CheckLevel.REFUSED: "**refused**", CheckLevel.TOLD: "note", CheckLevel.MET: "ok"}
    for check in checks:
        yield f"- {marks[check.level]}: {_escape(check.text)}"
        if check.level is not CheckLevel.MET:
            yield from (f"  - {format_code(line)}" for line in check.details[:10])
            if len(check.details) > 10:  # noqa: PLR2004 - as many as above
                yield f"  - and {len(check.details) - 10} more"


def _escape(text: str) -> str:
    """A sentence of ours with names of others in it: what Markdown could interpret is an entity."""
    # GitHub looks for people to tell after entities are read, so that an @ is parted from what follows.
    sane = re.sub(r"[^\w\s.,:;()/=+'-]|_", lambda match: f"&#{ord(match[0])};", escape(text, LONG))
    return sane.replace("&#64;", "&#64;&#8203;")


def _list_first_bads(first_bads: Sequence[FirstBad]) -> Iterator[str]:
    if not first_bads:
        return
    lines = ["### Where regressions begin"]
    for one in first_bads[:ROWS]:
        lines.append(f"- {format_code(one.case)}: {format_code(one.text)}")
        if one.command:
            lines += ["", *_format_block(one.command), ""]
    if len(first_bads) > ROWS:
        lines.append(f"- and {len(first_bads) - ROWS} more")
    yield "\n".join(lines)


def _format_block(command: str) -> list[str]:
    shown = escape(command, LONG)
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    return [f"  {fence}", f"  {shown}", f"  {fence}"]


def _list_changes(found: Comparison, following: Following) -> Iterator[str]:
    """A section for each change that there is, the worst first."""
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
        yield "\n".join([*lines, "", *_format_table(cases, following if change is ChangeKind.REGRESSED else None)])


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
