"""The bisection as one HTML file."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.bisect.proof import Evidence
from harness.bisect.report import facts
from harness.bisect.report.chart import WIDTH, make_chart, make_script_data
from harness.bisect.report.view import View
from harness.model import Verdict
from harness.report.page import bound, clean_line, embed, render
from harness.text import format_duration

__all__ = ["compare_properties", "compare_trees", "render_page"]

HERE = Path(__file__).parent

ALL_ROWS = 300
"""Candidates up to which each has a row of its own; of more, those that were tested, are likely or lie near an end."""

LIKELY_ROWS = 25
NEIGHBOURS = 3

MOST_COMPARED = 2000
"""Lines of a cgroup tree that are compared; difflib's time grows with their square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A candidate in the table of commits, or several between two rows that have none of their own.

    Attributes:
        place: Index of the (first) candidate.
        commits: How many the row stands for.
        counts: Verdicts, for one candidate.
        chance: Probability in the end, of all of them.
    """

    place: int
    commits: int
    counts: Counter[Verdict]
    chance: float


def render_page(view: View) -> str:
    """Render the page: it loads nothing, works from a file, and says what matters without JavaScript too."""
    indices = facts.index_candidates(view)
    return render(
        HERE / "page.html",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        view=view,
        headline=facts.format_headline(view),
        reverted=facts.format_revert,
        purpose=facts.get_purpose,
        method=facts.describe_method(view),
        rated=facts.shows_rates(view),
        search=facts.describe_search(view.begun),
        facts=facts.collect_facts(view),
        sureness=facts.format_sureness(view),
        chart=make_chart(view),
        width=WIDTH,
        data=embed(make_script_data(view)),
        rows=list(_make_rows(view)),
        stretches=facts.find_stretches(view),
        end=facts.find_final(view),
        phases=list(dict.fromkeys(phase for step in view.steps for phase in step.result.seconds)),
        subject_of=lambda revision: view.commits[indices[revision]].subject if revision in indices else "",
        properties=list(compare_properties(view.before, view.after)),
        trees=compare_trees(view.before, view.after),
        duration=format_duration,
        short=lambda revision: clean_line(revision)[: facts.SHORT],
    )


def _make_rows(view: View) -> Iterator[Row]:
    """Make the rows of the table of commits, oldest first."""
    belief, counts = facts.find_final(view), facts.count_verdicts(view)
    chances = [0.0] * len(view.commits) if belief is None else belief.expand_chances().tolist()
    previous = -1
    for place in (*_choose_rows(view), len(view.commits)):
        if place > previous + 1:
            between = slice(previous + 1, place)
            yield Row(place=previous + 1, commits=place - previous - 1, counts=Counter(), chance=sum(chances[between]))
        if place < len(view.commits):
            verdicts = counts.get(view.commits[place].name, Counter())
            yield Row(place=place, commits=1, counts=verdicts, chance=chances[place])
        previous = place


def _choose_rows(view: View) -> Sequence[int]:
    size, indices, belief = len(view.commits), facts.index_candidates(view), facts.find_final(view)
    if size <= ALL_ROWS:
        return range(size)
    wanted = {0, size - 1} | {indices[step.revision] for step in view.steps if step.revision in indices}
    if belief is not None:
        likeliest = (-belief.expand_chances()).argsort(kind="stable")[:LIKELY_ROWS].tolist()
        wanted.update(place for place in likeliest)
        leader = likeliest[0]
        wanted.update(range(max(0, leader - NEIGHBOURS), min(size, leader + NEIGHBOURS + 1)))
    return sorted(wanted)


def compare_properties(
    before: Evidence | None, after: Evidence | None
) -> Iterator[tuple[str, str | None, str | None, bool]]:
    """Yield name, both values, and whether they differ; those that differ come first."""
    left = before.properties if before else {}
    right = after.properties if after else {}
    pairs = [
        (
            clean_line(name),
            _clean_value(left.get(name)),
            _clean_value(right.get(name)),
            left.get(name) != right.get(name),
        )
        for name in sorted({*left, *right})
    ]
    comparable = bool(left and right)
    yield from sorted(((*pair[:3], pair[3] and comparable) for pair in pairs), key=lambda pair: not pair[3])


def _clean_value(text: str | None) -> str | None:
    return None if text is None else clean_line(text, 2000)


def compare_trees(
    before: Evidence | None, after: Evidence | None
) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Return lines of both cgroup trees, and whether each is missing on the other side."""
    left = bound(before.cgroups if before else "", 100_000, lines=MOST_COMPARED).splitlines()
    right = bound(after.cgroups if after else "", 100_000, lines=MOST_COMPARED).splitlines()
    if not left or not right:
        return [(line, False) for line in left], [(line, False) for line in right]
    matched = difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_matching_blocks()
    same_left = {match.a + step for match in matched for step in range(match.size)}
    same_right = {match.b + step for match in matched for step in range(match.size)}
    return _mark_lines(left, same_left), _mark_lines(right, same_right)


def _mark_lines(lines: Iterable[str], same: set[int]) -> list[tuple[str, bool]]:
    return [(line, place not in same) for place, line in enumerate(lines)]
