"""How a bisection ends on a terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.bisect.report import facts
from harness.bisect.report.view import View
from harness.bisect.terms import AnswerKind, RateEstimate
from harness.model import Verdict
from harness.report.page import clean_line, format_percent

__all__ = ["render_summary"]

STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIP: "yellow"}

MOST_SUSPECTS = 10


def render_summary(view: View) -> RenderableType:
    """Render the answer, how sure it is, both sides' rates, the revert, what is in doubt, and how to repeat it."""
    answer = view.answer
    is_named = answer is not None and answer.kind is AnswerKind.CULPRIT
    lines: list[RenderableType] = [Text(facts.format_headline(view), style="bold" if is_named else "bold yellow")]
    if answer is not None:
        lines += [Text(facts.format_sureness(view)), *_render_untestable(view)]
    if answer is not None and answer.tests and facts.shows_rates(view):
        lines.append(_render_rates(answer.fails_before, answer.fails_after))
    lines += [*_render_suspects(view), *_revert(view), *_render_doubts(view)]
    for command in view.result.commands if view.result else ():
        lines.append(Text(f"{clean_line(command.what)}:", style="dim"))
        lines.append(Text(f"  {clean_line(command.line, 4000)}"))
    return Group(*lines)


def _render_untestable(view: View) -> Iterator[Text]:
    """Yield what became of the ends that could not be tested, where that ended the search."""
    if view.answer is None or view.answer.kind is not AnswerKind.UNTESTABLE:
        return
    indices, hopeless = facts.index_candidates(view), facts.find_skipped(view)
    for end in (view.begun.old, view.begun.new):
        if end in hopeless:
            step = hopeless[end]
            yield Text(
                f"{facts.format_commit(view, end, indices)} could not be tested: {clean_line(step.message or step.reason, 1000)}"
            )


def _render_rates(before: RateEstimate, after: RateEstimate | None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("tests", "failed", "rate", "90 % interval"):
        table.add_column(title, justify="left" if title == "tests" else "right", no_wrap=True)
    sides = [("before the change" if after else "at all revisions", before)]
    if after:
        sides.append(("from the change on", after))
    for what, rate in sides:
        table.add_row(
            what,
            f"{rate.failed} of {rate.samples}",
            format_percent(rate.mean),
            f"{format_percent(rate.low)} to {format_percent(rate.high)}",
        )
    return table


def _render_suspects(view: View) -> Iterator[Text]:
    if view.answer is None or view.answer.kind is AnswerKind.CULPRIT:
        return
    indices = facts.index_candidates(view)
    for suspect in view.answer.suspects[:MOST_SUSPECTS]:
        note = "  (could not be tested)" if suspect.untestable else ""
        yield Text(
            f"  {format_percent(suspect.probability):>7}  {facts.format_commit(view, suspect.revision, indices)}{note}"
        )
    if len(view.answer.suspects) > MOST_SUSPECTS:
        yield Text(f"  and {len(view.answer.suspects) - MOST_SUSPECTS} more", style="dim")


def _revert(view: View) -> Iterator[Text]:
    if sentence := facts.format_revert(view, clean_line(view.begun.new)[: facts.SHORT]):
        verdict = view.revert.verdict if view.revert else None
        yield Text(sentence, style=STYLES[verdict] if verdict else "dim")


def _render_doubts(view: View) -> Iterator[Text]:
    indices = facts.index_candidates(view)
    for stretch in facts.find_stretches(view):
        if stretch.chance < 1 - view.begun.confidence:
            continue
        first, last = (
            facts.format_commit(view, view.commits[place].name, indices) for place in (stretch.first, stretch.last)
        )
        what = first if stretch.first == stretch.last else f"{first} to {last}"
        why = ", ".join(clean_line(reason) for reason in stretch.reasons)
        yield Text(f"In doubt, {format_percent(stretch.chance)}: {what} could not be tested ({why}).", style="yellow")
