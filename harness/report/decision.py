"""A decision of the gate as text for a terminal or a chat, as Markdown for a pull request, and as JUnit for CI systems."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from harness.gate import Check, CheckLevel, Decision, FirstBad
from harness.report.comparison import ROWS, cut_to_fit, escape_sentence, format_code, format_summary, list_changes
from harness.text import escape, pluralize
from harness.writing import replace_file

__all__ = ["format_notice", "render_decision", "write_junit"]

DETAILS = 10
"""Lines below a check."""
BEGINNINGS = 20
"""Regressions whose beginning is reported."""
LONG = 1000
"""Characters of a command line."""
MARKS = {CheckLevel.REFUSED: "refused", CheckLevel.TOLD: "note   ", CheckLevel.MET: "ok     "}


def format_notice(decision: Decision) -> str:
    """Return a decision as text for people: the answer, its reasons, and where each regression begins."""
    return "\n".join(_format_lines(decision))


def _format_lines(decision: Decision) -> Iterator[str]:
    yield f"release gate: {_format_answer(decision)}"
    for check in decision.checks:
        yield f"  {MARKS[check.level]}  {escape(check.text)}"
        if check.level is CheckLevel.MET:
            continue
        yield from (f"             {escape(line)}" for line in check.details[:DETAILS])
        if len(check.details) > DETAILS:
            yield f"             and {len(check.details) - DETAILS} more"
    if decision.following.overall.with_it:
        yield f"the regressions: {decision.following.overall.text}"
    for one in decision.first_bads[:BEGINNINGS]:
        yield f"  {escape(one.case)}: {escape(one.text)}"
        if one.command:
            yield f"    find it with: {escape(one.command, LONG)}"
    if len(decision.first_bads) > BEGINNINGS:
        yield f"  and {len(decision.first_bads) - BEGINNINGS} more"


def _format_answer(decision: Decision) -> str:
    return "may be shipped" if decision.ships else f"refused for {pluralize(len(decision.refused), 'reason')}"


def render_decision(decided: Decision) -> str:
    """Return a decision of the gate as Markdown of at most `LIMIT` characters."""
    return cut_to_fit(
        [
            f"## Release gate: {_format_answer(decided)}",
            "\n".join(_list_checks(check for check in decided.checks if check.level is not CheckLevel.MET)),
            *_list_first_bads(decided.first_bads),
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
        if check.level is not CheckLevel.MET:
            yield from (f"  - {format_code(line)}" for line in check.details[:DETAILS])
            if len(check.details) > DETAILS:
                yield f"  - and {len(check.details) - DETAILS} more"


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
