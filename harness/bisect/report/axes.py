"""A bisection of axes for people: an HTML page, and text for a bug report."""

from collections.abc import Iterator
from pathlib import Path

from harness.bisect.axes_search import AxesBisection
from harness.bisect.report.facts import SAYS
from harness.bisect.report.html import compare_properties, compare_trees
from harness.bisect.report.markdown import escape, format_block, format_code, list_property_changes
from harness.report.page import render
from harness.text import format_duration

__all__ = ["render_axes_bug_report", "render_axes_page"]

HERE = Path(__file__).parent


def render_axes_page(found: AxesBisection) -> str:
    """Render the page: it loads nothing and works from a file."""
    return render(
        HERE / "axes.html",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        found=found,
        properties=list(compare_properties(found.before, found.after)),
        trees=compare_trees(found.before, found.after),
        duration=format_duration,
    )


def render_axes_bug_report(found: AxesBisection) -> str:
    """Render Markdown of the whole report, the first line being its title."""
    parts = (_list_tested(found), _list_sides(found), _list_commands(found))
    title = f"# {escape(found.begun.test)}: {escape(found.sentence)}"
    return "\n\n".join([title, *("\n".join(part) for part in map(list, parts) if part)]) + "\n"


def _list_tested(found: AxesBisection) -> Iterator[str]:
    yield "## What was tested"
    yield ""
    kind = "Command" if found.begun.run else "Test"
    yield f"{kind}: {format_code(found.begun.test)}"
    yield ""
    yield "| cell | verdict | why |"
    yield "|---|---|---|"
    for sample in found.samples:
        why = ": ".join(filter(None, (sample.reason, sample.message)))
        yield f"| {format_code(sample.cell)} | {sample.verdict} | {format_code(why) if why else ''} |"


def _list_sides(found: AxesBisection) -> Iterator[str]:
    sides = [side for side in (found.before, found.after) if side]
    if not sides:
        return
    yield "## What differs"
    for side in sides:
        yield ""
        yield f"In {format_code(side.revision)} the test {SAYS[side.verdict]}:"
        yield from format_block("", side.log)
        yield from format_block("Control groups:", side.cgroups)
    yield from list_property_changes(found.before, found.after)


def _list_commands(found: AxesBisection) -> Iterator[str]:
    yield "## How to repeat it"
    for command in found.commands:
        yield from format_block(f"{escape(command.what)}:", command.line, "sh", whole_text=True)
