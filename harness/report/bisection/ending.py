"""How a bisection ends on a terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model import Verdict
from harness.report.bisection.facts import SHORT, headline, named, places, stretches
from harness.report.bisection.view import Rate, View
from harness.report.page import percent, whole
from harness.report.terminal import duration

__all__ = ["summary"]

STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIP: "yellow"}

MOST_SUSPECTS = 10


def summary(view: View) -> RenderableType:
    """The answer, how sure it is, both sides' rates, the revert, what is in doubt, and how to repeat it."""
    answer = view.answer
    found = answer is not None and answer.kind == "culprit"
    lines: list[RenderableType] = [Text(headline(view), style="bold" if found else "bold yellow")]
    lines += _sureness(view)
    if answer is not None:
        lines.append(_rates(answer.fails_before, answer.fails_after))
    lines += [*_suspects(view), *_revert(view), *_doubts(view)]
    for command in view.commands:
        lines.append(Text(f"{whole(command.what)}:", style="dim"))
        lines.append(Text(f"  {whole(command.line, 4000)}"))
    return Group(*lines)


def _sureness(view: View) -> Iterator[Text]:
    answer = view.answer
    if answer is None:
        return
    skips = f", {answer.skips} attempts without a verdict" if answer.skips else ""
    yield Text(f"{percent(answer.confidence)} sure after {answer.tests} tests{skips}, in {duration(view.seconds)}.")


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
    revert, end = view.revert, whole(view.bad)[:SHORT]
    if revert is None:
        return
    if not revert.clean:
        yield Text(f"It does not revert cleanly on top of {end}.", style="dim")
    elif revert.verdict is None:
        yield Text(f"It reverts cleanly on top of {end}; that was not tested.", style="dim")
    else:
        yield Text(f"Reverted on top of {end}: {revert.verdict}.", style=STYLES[revert.verdict])


def _doubts(view: View) -> Iterator[Text]:
    known = places(view)
    for stretch in stretches(view):
        if stretch.chance < 1 - view.settings.confidence:
            continue
        first, last = (named(view, view.commits[place].revision, known) for place in (stretch.first, stretch.last))
        what = first if stretch.first == stretch.last else f"{first} to {last}"
        why = ", ".join(whole(reason) for reason in stretch.reasons)
        yield Text(f"In doubt, {percent(stretch.chance)}: {what} could not be tested ({why}).", style="yellow")
