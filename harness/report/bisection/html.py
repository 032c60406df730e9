"""The bisection as one HTML file."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.model import Verdict
from harness.report.bisection.chart import WIDTH, chart, script_data
from harness.report.bisection.facts import SHORT, final, headline, places, reverted, stretches, sureness, tallies
from harness.report.bisection.view import Evidence, View
from harness.report.page import bounded, embedded, render, whole
from harness.report.terminal import duration

__all__ = ["page"]

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


def page(view: View) -> str:
    """The page: it loads nothing, works from a file, and says what matters without JavaScript too."""
    known = places(view)
    return render(
        HERE / "page.html",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        view=view,
        headline=headline(view),
        reverted=reverted,
        sureness=sureness(view),
        chart=chart(view),
        width=WIDTH,
        data=embedded(script_data(view)),
        rows=list(_rows(view)),
        stretches=stretches(view),
        end=final(view),
        phases=list(dict.fromkeys(phase for step in view.steps for phase in step.seconds)),
        subject_of=lambda revision: view.commits[known[revision]].subject if revision in known else "",
        properties=list(_properties(view.before, view.after)),
        trees=_trees(view.before, view.after),
        duration=duration,
        short=lambda revision: whole(revision)[:SHORT],
    )


def _rows(view: View) -> Iterator[Row]:
    """Rows of the table of commits, oldest first."""
    belief, counts = final(view), tallies(view)
    chances = [0.0] * len(view.commits) if belief is None else belief.chances().tolist()
    previous = -1
    for place in (*_worth_a_row(view), len(view.commits)):
        if place > previous + 1:
            between = slice(previous + 1, place)
            yield Row(
                place=previous + 1,
                commits=place - previous - 1,
                counts=Counter(),
                chance=sum(chances[between]),
            )
        if place < len(view.commits):
            seen = counts.get(view.commits[place].revision, Counter())
            yield Row(place=place, commits=1, counts=seen, chance=chances[place])
        previous = place


def _worth_a_row(view: View) -> Sequence[int]:
    size, known, belief = len(view.commits), places(view), final(view)
    if size <= ALL_ROWS:
        return range(size)
    wanted = {0, size - 1} | {known[step.revision] for step in view.steps if step.revision in known}
    if belief is not None:
        likeliest = (-belief.chances()).argsort(kind="stable")[:LIKELY_ROWS].tolist()
        wanted.update(place for place in likeliest)
        leader = likeliest[0]
        wanted.update(range(max(0, leader - NEIGHBOURS), min(size, leader + NEIGHBOURS + 1)))
    return sorted(wanted)


def _properties(before: Evidence | None, after: Evidence | None) -> Iterator[tuple[str, str | None, str | None, bool]]:
    """Name, both values, and whether they differ; those that differ come first."""
    left = before.properties if before else {}
    right = after.properties if after else {}
    pairs = [
        (whole(name), _value(left.get(name)), _value(right.get(name)), left.get(name) != right.get(name))
        for name in sorted({*left, *right})
    ]
    comparable = bool(left and right)
    yield from sorted(((*pair[:3], pair[3] and comparable) for pair in pairs), key=lambda pair: not pair[3])


def _value(text: str | None) -> str | None:
    return None if text is None else whole(text, 2000)


def _trees(before: Evidence | None, after: Evidence | None) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Lines of both cgroup trees, and whether each is missing on the other side."""
    left = bounded(before.cgroups if before else "", 100_000, lines=MOST_COMPARED).splitlines()
    right = bounded(after.cgroups if after else "", 100_000, lines=MOST_COMPARED).splitlines()
    if not left or not right:
        return [(line, False) for line in left], [(line, False) for line in right]
    matched = difflib.SequenceMatcher(a=left, b=right, autojunk=False).get_matching_blocks()
    same_left = {match.a + step for match in matched for step in range(match.size)}
    same_right = {match.b + step for match in matched for step in range(match.size)}
    return _marked(left, same_left), _marked(right, same_right)


def _marked(lines: Iterable[str], same: set[int]) -> list[tuple[str, bool]]:
    return [(line, place not in same) for place, line in enumerate(lines)]
