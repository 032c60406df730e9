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


def render_axes_page(result: AxesBisection) -> str:
    """Render the page: it loads nothing and works from a file."""
    return render(
        HERE / "axes.html",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        result=result,
        properties=list(compare_properties(result.before, result.after)),
        trees=compare_trees(result.before, result.after),
        duration=format_duration,
    )


def render_axes_bug_report(result: AxesBisection) -> str:
    """Render Markdown of the whole report, the first line being its title."""
    parts = (_list_tested(result), _list_sides(result), _list_commands(result))
    title = f"# {escape(result.begun.test)}: {escape(result.sentence)}"
    return "\n\n".join([title, *("\n".join(part) for part in map(list, parts) if part)]) + "\n"


def _list_tested(result: AxesBisection) -> Iterator[str]:
    yield "## What was tested"
    yield ""
    kind = "Command" if result.begun.run else "Test"
    yield f"{kind}: {format_code(result.begun.test)}"
    yield ""
    yield "| cell | verdict | why |"
    yield "|---|---|---|"
    for sample in result.samples:
        why = ": ".join(filter(None, (sample.reason, sample.message)))
        yield f"| {format_code(sample.cell)} | {sample.verdict} | {format_code(why) if why else ''} |"


def _list_sides(result: AxesBisection) -> Iterator[str]:
    sides = [side for side in (result.before, result.after) if side]
    if not sides:
        return
    yield "## What differs"
    for side in sides:
        yield ""
        yield f"In {format_code(side.revision)} the test {SAYS[side.verdict]}:"
        yield from format_block("", side.log)
        yield from format_block("Control groups:", side.cgroups)
    yield from list_property_changes(result.before, result.after)


def _list_commands(result: AxesBisection) -> Iterator[str]:
    yield "## How to repeat it"
    for command in result.commands:
        yield from format_block(f"{escape(command.what)}:", command.line, "sh", whole_text=True)
