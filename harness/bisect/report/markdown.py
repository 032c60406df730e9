"""Text to paste into a bug report: for somebody who does not know the harness and has to trust the result.

It addresses nobody: foreign text stands in code, where a forge makes no mention, link or picture of it.
"""

import re
from collections.abc import Iterator

from harness.bisect.proof import Evidence
from harness.bisect.records import CHECKOUT
from harness.bisect.report import facts
from harness.bisect.report.view import View
from harness.bisect.terms import AnswerKind, Noise, RateEstimate
from harness.model import Verdict
from harness.report.page import bound, clean_line, format_percent
from harness.text import pluralize

__all__ = ["escape", "format_block", "format_code", "list_property_changes", "render_bug_report"]

MOST_LINES = 40
"""Lines of one excerpt; a report of pages is not read."""

MOST_CHARACTERS = 6000
MOST_LISTED = 20
MOST_SCRIPTS = 5


def render_bug_report(view: View) -> str:
    """Render Markdown of the whole report, the first line being its title."""
    parts = (
        _list_found(view),
        _list_tested(view),
        _format_evidence(view),
        _revert(view),
        _list_scripts(view),
        _repeat(view),
        _list_untested(view),
    )
    blocks = [f"# {_format_title(view)}", *("\n".join(part) for part in map(list, parts) if part)]
    return "\n\n".join(blocks) + "\n"


def _format_title(view: View) -> str:
    """Format the summary; in code it would be no title, so signs that mean something are taken from it."""
    subject = f"{escape(view.begun.subject)}: " if view.begun.subject != CHECKOUT else ""
    return f"{subject}{escape(facts.format_headline(view))}"


def _list_found(view: View) -> Iterator[str]:
    indices, answer = facts.index_candidates(view), view.answer
    what = f"first {escape(view.begun.term_new)} commit"
    if answer is None:
        yield "The search is not finished; what follows is its state."
        return
    if answer.kind is AnswerKind.CULPRIT and answer.suspects:
        revision = answer.suspects[0].revision
        yield f"The {what} is {format_code(facts.format_commit(view, revision, indices))}"
        if revision in indices:
            commit = view.commits[indices[revision]]
            about = [f"by {_strip_address(commit.author)}"] if commit.author else []
            about += [escape(clean_line(commit.date)[:10])] if commit.date else []
            yield f"({', '.join(about)})." if about else "."
        yield ""
        yield f"Full name: {format_code(revision)}"
        yield from _list_places(view)
    elif answer.suspects:
        yield f"No single commit could be named. The {what} is one of these:"
        yield ""
        for suspect in answer.suspects[:MOST_LISTED]:
            note = "; could not be tested" if suspect.untestable else ""
            yield f"- {format_code(facts.format_commit(view, suspect.revision, indices))}, probability {format_percent(suspect.probability)}{note}"
        if rest := len(answer.suspects) - MOST_LISTED:
            yield from [f"- and {rest} more"] if rest > 0 else []
    elif answer.kind.has_rates:
        yield f"No commit is to blame: {escape(answer.sentence)}"
    else:
        yield escape(answer.sentence)


def _list_places(view: View) -> Iterator[str]:
    """Yield where the first bad commit is found: its name by tags, the first release with it, its page."""
    culprit = view.result.culprit if view.result else None
    if culprit is None:
        return
    release = f"first released in {format_code(culprit.release)}" if culprit.release else ""
    named = f"`git describe`: {format_code(culprit.described)}" if culprit.described else ""
    for text in filter(None, (named, release, culprit.address)):
        yield f"- {text}"


def _list_tested(view: View) -> Iterator[str]:
    indices, answer = facts.index_candidates(view), view.answer
    yield "## What was tested"
    yield ""
    yield " ".join(map(escape, facts.describe_method(view)))
    yield ""
    kind = "Command" if view.begun.run else "Test"
    yield f"{kind}: {format_code(view.begun.test)}"
    yield ""
    revisions = len(facts.count_verdicts(view))
    yield (
        f"Searched between {format_code(facts.format_commit(view, view.begun.old, indices))} ({escape(view.begun.term_old)}) and "
        f"{format_code(facts.format_commit(view, view.begun.new, indices))} ({escape(view.begun.term_new)}): {pluralize(len(view.commits), 'commit')}; "
        f"{pluralize(revisions, 'revision was', 'revisions were')} tried."
    )
    if answer is not None and facts.shows_rates(view):
        is_believed = view.begun.noise is Noise.NONE
        taken = (
            "each of them is taken to be right"
            if is_believed
            else ("a test that sometimes fails or passes by chance is taken into account")
        )
        yield ""
        yield (
            f"Probability that this result is right: {format_percent(answer.confidence)}, computed from all test runs below; {taken}."
        )
        yield ""
        yield "| | runs | failed | failure rate | 90 % interval |"
        yield "|---|---|---|---|---|"
        yield _format_rate("before the change" if answer.fails_after else "all revisions", answer.fails_before)
        if answer.fails_after:
            yield _format_rate("with the change", answer.fails_after)
        yield from _list_ends(view)
    yield ""
    yield from (f"- {escape(name)}: {format_code(value)}" for name, value in facts.collect_facts(view).items())


def _list_ends(view: View) -> Iterator[str]:
    """Yield the runs of the first bad commit and its parents, which a reader looks at first."""
    if view.answer is None or view.answer.kind is not AnswerKind.CULPRIT or not view.answer.suspects:
        return
    indices, counts = facts.index_candidates(view), facts.count_verdicts(view)
    culprit = view.answer.suspects[0].revision
    parents = view.commits[indices[culprit]].parents if culprit in indices else ()
    for what, revision in (("this commit", culprit), *(("its parent", parent) for parent in parents)):
        verdicts = counts.get(revision)
        ran = verdicts[Verdict.GOOD] + verdicts[Verdict.BAD] if verdicts else 0
        failed = verdicts[Verdict.BAD] if verdicts else 0
        yield f"| {what} {format_code(clean_line(revision)[: facts.SHORT])} alone | {ran} | {failed} | | |"


def _format_rate(what: str, rate: RateEstimate) -> str:
    return f"| {what} | {rate.samples} | {rate.failed} | {format_percent(rate.mean)} | {format_percent(rate.low)} to {format_percent(rate.high)} |"


def _format_evidence(view: View) -> Iterator[str]:
    sides = [side for side in (view.before, view.after) if side]
    if not sides:
        return
    yield "## What differs"
    for side in sides:
        yield ""
        yield f"At {format_code(facts.format_commit(view, side.revision, facts.index_candidates(view)))} the test {facts.SAYS[side.verdict]}:"
        yield from format_block("", side.log)
        yield from format_block("Control groups:", side.cgroups)
    yield from list_property_changes(view.before, view.after)


def list_property_changes(before: Evidence | None, after: Evidence | None) -> Iterator[str]:
    """Yield a block with the properties of the container's unit that differ; nothing where none do."""
    if before is None or after is None:
        return
    names = sorted({*before.properties} & {*after.properties})
    changed = [name for name in names if before.properties[name] != after.properties[name]]
    if not changed:
        return
    lines = [
        f"{sign}{clean_line(name)}={clean_line(side.properties[name])}"
        for name in changed
        for sign, side in (("-", before), ("+", after))
    ]
    yield from format_block("Properties of the container's unit that differ:", "\n".join(lines), "diff")


def _revert(view: View) -> Iterator[str]:
    if view.revert is None:
        return
    yield "## Reverting it"
    yield ""
    yield facts.format_revert(view, format_code(clean_line(view.begun.new)[: facts.SHORT]))
    if view.revert.message:
        yield from format_block("", view.revert.message)


def _repeat(view: View) -> Iterator[str]:
    if view.result is None:
        return
    yield "## How to repeat it"
    for command in view.result.commands:
        yield from format_block(f"{escape(command.what)}:", command.line, "sh", whole_text=True)


def _list_scripts(view: View) -> Iterator[str]:
    """Yield the scripts of the command that decided: without them nobody else can repeat or judge it."""
    scripts = dict(list(view.result.scripts.items())[:MOST_SCRIPTS]) if view.result else {}
    if scripts:
        yield "## The command"
    for path, text in scripts.items():
        yield from format_block(f"{format_code(clean_line(path))}:", text, "sh", whole_text=True)


def _list_untested(view: View) -> Iterator[str]:
    yield "## What was not tested"
    yield ""
    indices = facts.index_candidates(view)
    for stretch in facts.find_stretches(view)[:MOST_LISTED]:
        first, last = (
            facts.format_commit(view, view.commits[place].name, indices) for place in (stretch.first, stretch.last)
        )
        what = format_code(first) if stretch.first == stretch.last else f"{format_code(first)} to {format_code(last)}"
        why = ", ".join(f"{escape(reason)} ({count})" for reason, count in stretch.reasons.items())
        yield f"- {what}: {stretch.tried} tried, none gave a result. What failed: {why}."
    alone = len(view.commits) - sum(name in indices for name in facts.count_verdicts(view))
    hopeless = sum(name in indices for name in facts.find_skipped(view))
    yield (
        f"- {alone} of {len(view.commits)} commits were not tried one by one; what is said about them follows from others."
        + (f" {hopeless} were tried and could not be tested." if hopeless else "")
    )
    yield from (f"- {escape(sentence)}" for sentence in view.begun.notes)


def format_block(what: str, text: str, language: str = "", *, whole_text: bool = False) -> Iterator[str]:
    """Yield a block of code that nothing in it can end; nothing for an empty text."""
    text = bound(
        text, 10 * MOST_CHARACTERS if whole_text else MOST_CHARACTERS, lines=None if whole_text else MOST_LINES
    )
    text = text.strip("\n")
    if not text.strip():
        return
    mark = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield from (["", what, ""] if what else [""])
    yield f"{mark}{language}"
    yield text
    yield mark


def format_code(text: str) -> str:
    """Format a code span that shows the text as it is, on one line, also in a table."""
    text = clean_line(text, 1000).replace("|", "\N{BROKEN BAR}")
    mark = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if not text or "`" in (text[0], text[-1]) else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def escape(text: str) -> str:
    """Return a text for prose, without markup, links, mentions or references to other issues."""
    text = clean_line(text, 1000).replace("@", "(at)")
    text = re.sub(r"([\\`*_{}\[\]<>|~&!#])", r"\\\1", text)
    # What makes a list or a heading where a line begins with it; references to issues; addresses.
    text = re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", text)
    return re.sub(r"\\#(?=\w)", r"\\# ", text).replace("://", r":\//")


def _strip_address(text: str) -> str:
    """Return a name without its address."""
    return escape(re.sub(r"<[^>]*>?", "", clean_line(text)).strip())
