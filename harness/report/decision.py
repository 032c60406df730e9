"""A decision of the gate as text for a terminal or a chat, as Markdown for a pull request, and as JUnit for CI systems."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from harness.compare import CaseChange, ChangeKind, group_changes
from harness.gate import Cause, Check, CheckLevel, Decision, Excuse, FirstBad, Suspect, find_confirmed
from harness.report.comparison import ROWS, cut_to_fit, escape_sentence, format_code, format_summary, list_changes
from harness.text import escape, pluralize
from harness.writing import replace_file

__all__ = ["format_notice", "render_decision", "write_junit"]

DETAILS = 5
"""Lines below a check, cases of a cause, and members of a list."""
CAUSES = 10
"""Causes, and excuses, that are shown."""
WIDTH = 96
"""Characters of a line, unless it has a word or a command that is longer."""
LONG = 1000
"""Characters of a command line."""
MARKS = {CheckLevel.REFUSED: "refused", CheckLevel.TOLD: "note   ", CheckLevel.MET: "ok     "}
APART = frozenset({"confirmed", "intermittent", "excuses", "excused"})
"""Checks whose details have a part of their own."""


def format_notice(decision: Decision) -> str:
    """Return a decision as one screen for people: the answer, its reasons, the regressions by cause, and what is excused."""
    return "\n".join(_format_lines(decision))


def _format_lines(decision: Decision) -> Iterator[str]:
    yield f"release gate: {_format_answer(decision)}"
    for check in decision.checks:
        if check.level is CheckLevel.TOLD and (
            check.name in APART or (decision.excuses and check.name == "still failing")
        ):
            continue
        if check.level is not CheckLevel.MET:
            yield f"  {MARKS[check.level]}  {escape(check.text)}"
            yield from _format_few(_list_details(check), " " * 13)
    met = [check.name for check in decision.checks if check.level is CheckLevel.MET]
    if met:
        yield from _wrap(", ".join(met), 11, f"  {MARKS[CheckLevel.MET]}  ")
    yield from _format_causes(decision)
    yield from _format_trials(decision)
    if decision.excuses:
        yield from ("", "excused until")
        yield from _format_few(map(_format_excuse, decision.excuses), "  ", CAUSES)
    yield ""
    yield f"since {escape(decision.comparison.old)}: {format_summary(decision.comparison)}"


def _wrap(text: str, indent: int, begin: str = "") -> list[str]:
    """Return the lines of a text below each other; a long word stays whole."""
    shown = escape(text)
    before = " " * indent
    return textwrap.wrap(
        shown, WIDTH, initial_indent=begin or before, subsequent_indent=before if begin else f"{before}  ",
        break_long_words=False, break_on_hyphens=False,
    ) or [begin or before]  # fmt: skip


def _format_few(parts: Iterable[Iterable[str]], indent: str, most: int = DETAILS) -> Iterator[str]:
    """Yield the lines of some parts, and how many more there are."""
    listed = list(parts)
    for part in listed[:most]:
        yield from part
    if len(listed) > most:
        yield f"{indent}and {len(listed) - most} more"


def _format_causes(decision: Decision) -> Iterator[str]:
    if decision.causes:
        yield from ("", "regressions by cause")
    yield from _format_few(map(_format_cause, decision.causes), "  ", CAUSES)
    if len(decision.causes) > 1 and decision.following.overall.with_it:
        yield from _wrap(f"all cells with a regression: {decision.following.overall.text}", 2)


def _format_cause(cause: Cause) -> Iterator[str]:
    rule = cause.rule
    if rule is not None and rule.expression is not None and not rule.others:
        title = f"{rule.expression}: {pluralize(rule.with_it, 'cell')}, and none of {pluralize(rule.without, 'other')}"
    else:
        title = rule.text if rule is not None and rule.with_it else "on no axis"
    yield from _wrap(title, 2)
    yield from _format_few((_format_case(nodeid, cases) for nodeid, cases in cause.cases.items()), "    ")
    # One command finds the commit: what follows the same most likely has one cause.
    told: dict[tuple[str, str, str], FirstBad] = {}
    for one in cause.first_bads:
        told.setdefault((one.what, one.bad, one.good), one)
    for one in list(told.values())[:DETAILS]:
        yield from _wrap(one.text, 4)
        if one.command:
            yield f"      {escape(one.command, LONG)}"


def _list_details(check: Check) -> Iterator[Iterable[str]]:
    """Yield the lines of each thing that a check is about; those of a case, in however many cells, together."""
    if check.name in APART:
        return
    yield from (_wrap(line, 13) for line in check.details[: len(check.details) - len(check.cases)])
    groups = group_changes(list(check.cases), "case") if check.name != "regressions" else {}
    yield from (_format_case(nodeid, cases, 13) for nodeid, cases in groups.items())


def _format_case(nodeid: str, cases: Sequence[CaseChange], indent: int = 4) -> Iterator[str]:
    where = cases[0].cell if len(cases) == 1 else pluralize(len(cases), "cell")
    again = " fails again" if cases[0].change is ChangeKind.FAILS_AGAIN else ""
    yield from _wrap(f"{nodeid}{again} in {where}", indent)
    if cases[0].message:
        yield f"{' ' * (indent + 2)}{escape(cases[0].message, WIDTH - indent - 3)}"


def _format_trials(decision: Decision) -> Iterator[str]:
    """Yield what ran again or was counted, and what that says."""
    for title, suspects in list_trials(decision):
        yield from ("", title)
        groups: dict[tuple[str, str], list[str]] = {}
        for cell, nodeid in suspects:
            groups.setdefault((nodeid, decision.trials[cell, nodeid].text), []).append(cell)
        yield from _format_few((_format_trial(*one, cells) for one, cells in groups.items()), "  ")


def _format_trial(nodeid: str, text: str, cells: Sequence[str]) -> Iterator[str]:
    where = cells[0] if len(cells) == 1 else f"each of {len(cells)} cells"
    yield from _wrap(f"{nodeid} in {where}", 2)
    yield f"    {escape(text)}"


def list_trials(decision: Decision) -> Iterator[tuple[str, Sequence[Suspect]]]:
    """Yield the suspects that are confirmed, and those that are intermittent, with what that is called."""
    confirmed = find_confirmed(decision.trials)
    for title, suspects in (
        ("confirmed", sorted(confirmed)),
        ("intermittent, and does not count", sorted(decision.trials.keys() - confirmed)),
    ):
        if suspects:
            yield title, suspects


def _format_excuse(item: Excuse) -> Iterator[str]:
    where = item.cells[0] if len(item.cells) == 1 else pluralize(len(item.cells), "cell")
    issue = f" {item.issue}" if item.issue else ""
    yield from _wrap(f"{item.case} in {where}: {item.reason}{issue}", 14, f"  {item.until or 'unknown   '}  ")


def _format_answer(decision: Decision) -> str:
    return "may be shipped" if decision.ships else f"refused for {pluralize(len(decision.refused), 'reason')}"


def render_decision(decided: Decision) -> str:
    """Return a decision of the gate as Markdown of at most `LIMIT` characters."""
    return cut_to_fit(
        [
            f"## Release gate: {_format_answer(decided)}",
            "\n".join(_list_checks(check for check in decided.checks if check.level is not CheckLevel.MET)),
            *_list_first_bads(decided.first_bads),
            *_list_trials(decided),
            *_list_excuses(decided.excuses),
            f"Since {format_code(decided.comparison.old)}: {format_summary(decided.comparison)}.",
            *list_changes(decided.comparison, decided.following),
            "\n".join(
                [
                    "### Rules that are met",
                    *_list_checks(check for check in decided.checks if check.level is CheckLevel.MET),
                ]
            ),
        ]
    )


def _list_checks(checks: Iterable[Check]) -> Iterator[str]:
    marks = {CheckLevel.REFUSED: "**refused**", CheckLevel.TOLD: "note", CheckLevel.MET: "ok"}
    for check in checks:
        yield f"- {marks[check.level]}: {escape_sentence(check.text)}"
        # Cases have tables below.
        details = check.details[: len(check.details) - len(check.cases)]
        if check.level is not CheckLevel.MET and check.name not in APART:
            yield from (f"  - {format_code(line)}" for line in details[:DETAILS])
            if len(details) > DETAILS:
                yield f"  - and {len(details) - DETAILS} more"


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


def _list_trials(decided: Decision) -> Iterator[str]:
    """Yield a table of what ran again or was counted."""
    for title, suspects in list_trials(decided):
        lines = [f"### {title.capitalize()}", "| case | cell | failed |", "|---|---|---|"]
        for cell, nodeid in suspects[:ROWS]:
            text = escape_sentence(decided.trials[cell, nodeid].text)
            lines.append(f"| {format_code(nodeid)} | {format_code(cell)} | {text} |")
        if len(suspects) > ROWS:
            lines.append(f"| and {len(suspects) - ROWS} more cases | | |")
        yield "\n".join(lines)


def _list_excuses(excuses: Sequence[Excuse]) -> Iterator[str]:
    """Yield a table of what is excused, and until when."""
    if not excuses:
        return
    lines = ["### Excused", "| until | case | cells | why |", "|---|---|---|---|"]
    for item in excuses[:ROWS]:
        where = format_code(item.cells[0]) if len(item.cells) == 1 else str(len(item.cells))
        why = f"{escape_sentence(item.reason)} {item.issue and format_code(item.issue)}".rstrip()
        lines.append(f"| {item.until or 'unknown'} | {format_code(item.case)} | {where} | {why} |")
    if len(excuses) > ROWS:
        lines.append(f"| | and {len(excuses) - ROWS} more | | |")
    yield "\n".join(lines)


def _format_block(command: str) -> list[str]:
    shown = escape(command, LONG)
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    return [f"  {fence}", f"  {shown}", f"  {fence}"]


JUNIT_DETAILS = 200
"""Lines in the text of a failure."""


def write_junit(decision: Decision, path: Path) -> None:
    """Write the JUnit file of a decision at a place that the user named; raises as `replace_file` does."""
    suite = TestSuite("release gate")
    for check in decision.checks:
        suite.add_testcase(_make_case(check))
    suite.update_statistics()
    xml = JUnitXml("harness gate")
    xml.add_testsuite(suite)
    xml.update_statistics()
    with replace_file(path) as half:
        xml.write(str(half), pretty=True)


def _make_case(check: Check) -> TestCase:
    case = TestCase(escape(check.name), classname="gate", time=0.0)
    told = [escape(check.text), *map(escape, check.details[:JUNIT_DETAILS])]
    if len(check.details) > JUNIT_DETAILS:
        told.append(f"and {len(check.details) - JUNIT_DETAILS} more")
    text = "\n".join(told)
    if check.level is CheckLevel.REFUSED:
        failure = Failure(escape(check.text))
        failure.text = text
        case.result = [failure]
    else:
        case.system_out = text
    return case
