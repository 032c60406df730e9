"""The decision as plain text: what is printed, mailed or sent to a chat."""

from collections.abc import Iterator

from harness.gate.checks import CheckLevel
from harness.gate.decision import Decision
from harness.plural import pluralize
from harness.sanitize import escape

__all__ = ["notice"]

DETAILS = 10
"""Lines below a check."""
BEGINNINGS = 20
"""Regressions whose beginning is told."""
LONG = 1000
"""Characters of a command line."""
MARKS = {CheckLevel.REFUSED: "refused", CheckLevel.TOLD: "note   ", CheckLevel.MET: "ok     "}


def notice(decision: Decision) -> str:
    """A decision as text for people: the answer, its reasons, and where each regression begins."""
    return "\n".join(_format_lines(decision))


def _format_lines(decision: Decision) -> Iterator[str]:
    refused = len(decision.refused)
    yield (
        "release gate: it may be shipped"
        if decision.ships
        else f"release gate: refused, for {pluralize(refused, 'reason')}"
    )
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
