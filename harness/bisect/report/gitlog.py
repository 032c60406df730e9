"""The bisection as a log that `git bisect replay` takes.

git believes every verdict and has one for each commit. A revision whose samples contradict each other, or
the posterior, therefore gets the verdict of the side on which it most probably lies, and a comment says so.
The ends stand in the first command: git then looks once whether one is an ancestor of the other, and does
not ask for merge bases later, when the bad end has moved into a side branch.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from harness.bisect.records import TERMS
from harness.bisect.report.facts import count_verdicts, estimate_sides, find_skipped, index_candidates, is_newer_side
from harness.bisect.report.view import View
from harness.bisect.terms import AnswerKind, Goal
from harness.errors import UsageError
from harness.model import Verdict
from harness.report.page import clean_line

__all__ = ["choose_terms", "render_git_log"]

NAME = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A full name: SHA-1 or SHA-256."""

SUBCOMMANDS = frozenset(
    {"help", "start", "skip", "next", "reset", "visualize", "view", "replay", "log", "run", "terms"}
)
"""Words of `git bisect` that are no terms."""

SWAPPED = (frozenset({"bad", "new"}), frozenset({"good", "old"}))
"""Words that mean the other side to git: what the older one and what the newer one cannot be called."""


def choose_terms(goal: Goal, old: str | None, new: str | None) -> tuple[str, str]:
    """Return the words for both sides, the usual ones for None; raises UsageError if git would refuse one."""
    chosen = tuple(usual if term is None else term for term, usual in zip((old, new), TERMS[goal], strict=True))
    for option, term, taken in zip(("--term-old", "--term-new"), chosen, SWAPPED, strict=True):
        if not re.fullmatch(r"\w[\w-]*", term):
            raise UsageError(
                f"`{term}` cannot be the word of {option}: it has to be letters, digits, dashes and underscores, "
                "with no dash at its beginning."
            )
        if term in SUBCOMMANDS:
            raise UsageError(f"`{term}` cannot be the word of {option}: `git bisect {term}` is a command of git's own.")
        if term in taken:
            raise UsageError(f"`{term}` cannot be the word of {option}: to git it means the other side.")
    if chosen[0] == chosen[1]:
        raise UsageError(f"Both sides have the word `{chosen[0]}`; --term-old and --term-new have to differ.")
    return chosen[0], chosen[1]


def render_git_log(view: View) -> str:
    """Render a log for `git bisect replay`, with a last line end.

    git's own commands are at the beginning of a line; all else is a comment. An end is in its place whatever
    its samples said. Where the answer is that there is no culprit, a comment says it.

    Raises:
        UsageError: A revision is no full name, so that git could take it for something else.
    """
    for revision in (view.begun.old, view.begun.new, *(step.revision for step in view.steps)):
        if not NAME.fullmatch(revision):
            raise UsageError(f"`{clean_line(revision)}` is not the full name of a commit, which git's log needs.")
    return "\n".join([*_start(view), *_list_verdicts(view), *_end(view)]) + "\n"


def _start(view: View) -> Iterator[str]:
    indices, begun = index_candidates(view), view.begun
    yield _format_comment(view, begun.term_new, view.begun.new, indices)
    yield _format_comment(view, begun.term_old, view.begun.old, indices)
    options = []
    if (begun.term_old, begun.term_new) != ("good", "bad"):
        options += [f"--term-new={begun.term_new}", f"--term-old={begun.term_old}"]
    if begun.first_parent:
        options.append("--first-parent")
    yield " ".join(["git bisect start", *map(_quote, (*options, view.begun.new, view.begun.old))])


def _quote(word: str) -> str:
    """Quote a word as git does; it reads nothing else back."""
    inner = "".join(f"'\\{sign}'" if sign in "'!" else sign for sign in clean_line(word))
    return f"'{inner}'"


def _list_verdicts(view: View) -> Iterator[str]:
    indices, counts, hopeless = index_candidates(view), count_verdicts(view), find_skipped(view)
    if view.answer is not None and not view.answer.suspects and view.answer.kind is not AnswerKind.UNTESTABLE:
        # Without a culprit there are no sides: a mark would be made up, and git would go on from it.
        for revision, verdicts in counts.items():
            yield f"# {revision} gave {_format_results(verdicts) or 'no result'}"
        return
    likely = estimate_sides(view, counts)
    terms = (view.begun.term_old, view.begun.term_new)
    newer_ones = {
        name for name, verdicts in counts.items() if _is_newer(view, verdicts, likely.get(name))
    } - hopeless.keys()
    # git goes on from the last commit that is called bad, so those come last, and children before their parents.
    order = sorted(counts, key=lambda name: -indices.get(name, -1) if name in newer_ones else -len(indices))
    for revision in order:
        verdicts = counts[revision]
        if revision in hopeless:
            if revision not in (view.begun.old, view.begun.new):
                yield _format_comment(view, "skip", revision, indices)
                yield f"git bisect skip {revision}"
            continue
        is_newer = revision in newer_ones
        yield from _list_doubts(view, revision, verdicts, is_newer=is_newer)
        if revision in (view.begun.old, view.begun.new):
            continue
        term = terms[is_newer]
        yield _format_comment(view, term, revision, indices)
        yield f"git bisect {term} {revision}"


def _is_newer(view: View, verdicts: Counter[Verdict], likely: float | None) -> bool:
    if likely is not None:
        return likely > 0.5  # noqa: PLR2004 - the likelier of two sides
    return (
        sum(count if is_newer_side(view, verdict) else -count for verdict, count in _count_samples(verdicts).items())
        > 0
    )


def _count_samples(verdicts: Counter[Verdict]) -> dict[Verdict, int]:
    return {verdict: count for verdict, count in verdicts.items() if verdict is not Verdict.SKIP and count}


def _format_results(verdicts: Counter[Verdict]) -> str:
    return " and ".join(f"{count} {verdict}" for verdict, count in sorted(_count_samples(verdicts).items()))


def _list_doubts(view: View, revision: str, verdicts: Counter[Verdict], *, is_newer: bool) -> Iterator[str]:
    """Yield a comment where not every sample at a revision agrees with the log."""
    samples = _count_samples(verdicts)
    if {is_newer_side(view, verdict) for verdict in samples} == {is_newer}:
        return
    side = view.begun.term_new if is_newer else view.begun.term_old
    yield f"# {revision} gave {_format_results(verdicts)}; by all results together it is most probably {side}."


def _end(view: View) -> Iterator[str]:
    answer, indices, term = view.answer, index_candidates(view), view.begun.term_new
    if answer is None:
        yield "# the bisection is not finished"
        return
    if answer.kind is AnswerKind.CULPRIT and answer.suspects:
        yield _format_comment(view, f"first {term} commit", answer.suspects[0].revision, indices)
    elif answer.suspects:
        yield "# no test splits these commits"
        for suspect in answer.suspects:
            yield _format_comment(view, f"possible first {term} commit", suspect.revision, indices)
    else:
        yield f"# {clean_line(answer.sentence, 1000)}"


def _format_comment(view: View, what: str, revision: str, indices: Mapping[str, int]) -> str:
    """Format a comment as git writes it: `# bad: [name] subject`."""
    subject = clean_line(view.commits[indices[revision]].subject) if revision in indices else ""
    return f"# {what}: [{revision}] {subject}".rstrip()
