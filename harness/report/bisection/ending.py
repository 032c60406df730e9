"""How a bisection ends on a terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model import Verdict
from harness.report.bisection.facts import SHORT, headline, named, places, reverted, skipped, stretches, sureness
from harness.report.bisection.view import Rate, View
from harness.report.page import percent, whole

__all__ = ["summary"]

STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIP: "yellow"}

MOST_SUSPECTS = 10


def summary(view: View) -> RenderableType:
    """The answer, how sure it is, both sides' rates, the revert, what is in doubt, and how to repeat it."""
    answer = view.answer
    found = answer is not None and answer.kind == "culprit"
    lines: list[RenderableType] = [Text(headline(view), style="bold" if found else "bold yellow")]
    if answer is not None:
        lines += [Text(sureness(view)), *_untestable(view)]
    if answer is not None and answer.tests:
        lines.append(_rates(answer.fails_before, answer.fails_after))
    lines += [*_suspects(view), *_revert(view), *_doubts(view)]
    for command in view.commands:
        lines.append(Text(f"{whole(command.what)}:", style="dim"))
        lines.append(Text(f"  {whole(command.line, 4000)}"))
    return Group(*lines)


def _untestable(view: View) -> Iterator[Text]:
    """What became of the ends that could not be tested, where that ended the search."""
    if view.answer is None or view.answer.kind != "untestable":
        return
    known, hopeless = places(view), skipped(view)
    for end in (view.good, view.bad):
        if end in hopeless:
            step = hopeless[end]
            yield Text(f"{named(view, end, known)} could not be tested: {whole(step.message or step.reason, 1000)}")


def _rates(before: Rate, after: Rate | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("tests", "failed", "rate", "90 % interval"):
        table.add_column(title, justify="left" if title == "tests" else "right", no_wrap=True)
    sides = [("before the change" if after else "at all revisions", before)]
    if after:
        sides.append(("from the change on", after))
    for what, rate in sides:
        table.add_row(
            what, f"{rate.failed} of {rate.samples}", percent(rate.mean), f"{percent(rate.low)} to {percent(rate.high)}"
        )
    return table


def _suspects(view: View) -> Iterator[Text]:
    if view.answer is None or view.answer.kind == "culprit":
        return
    known = places(view)
    for suspect in view.answer.suspects[:MOST_SUSPECTS]:
        note = "  (could not be tested)" if suspect.untestable else ""
        yield Text(f"  {percent(suspect.probability):>7}  {named(view, suspect.revision, known)}{note}")
    if len(view.answer.suspects) > MOST_SUSPECTS:
        yield Text(f"  and {len(view.answer.suspects) - MOST_SUSPECTS} more", style="dim")


def _revert(view: View) -> Iterator[Text]:
    if said := reverted(view, whole(view.bad)[:SHORT]):
        verdict = view.revert.verdict if view.revert else None
        yield Text(said, style=STYLES[verdict] if verdict else "dim")


def _doubts(view: View) -> Iterator[Text]:
    known = places(view)
    for stretch in stretches(view):
        if stretch.chance < 1 - view.settings.confidence:
            continue
        first, last = (named(view, view.commits[place].revision, known) for place in (stretch.first, stretch.last))
        what = first if stretch.first == stretch.last else f"{first} to {last}"
        why = ", ".join(whole(reason) for reason in stretch.reasons)
        yield Text(f"In doubt, {percent(stretch.chance)}: {what} could not be tested ({why}).", style="yellow")
