"""The history as a chart: what is drawn for the last step, and what the page's script needs for the others.

The script only changes heights and hides marks; everything is drawn here, so that a page without
JavaScript shows the end. Lengths are in units of the drawing, which is `WIDTH` wide.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.bisect.report.facts import SAME, SHORT, find_final, get_purpose, index_candidates
from harness.bisect.report.lanes import Edge, assign_lanes, draw_edges
from harness.bisect.report.view import PackedBelief, View
from harness.report.page import clean_line, format_percent

__all__ = ["WIDTH", "Bar", "Chart", "Mark", "make_chart", "make_script_data"]

WIDTH = 1000
LEFT, RIGHT, TOP, FLOOR = 78.0, 930.0, 12.0, 192.0
NONE_LEFT, NONE_WIDTH = 950.0, 26.0
GRAPH, LANE = 204.0, 11.0
ROW = 11.0

MOST_BARS = 400
MOST_CELLS = 400_000
"""Bars times steps; what bounds the size of a page."""

MOST_DRAWN = 200
"""Commits up to which merges are drawn."""

STACKED = 7
"""Samples of one revision that are drawn below each other."""

TICKS = (0.01, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Neighbouring candidates and their probability: `height` at the last step."""

    x: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A sample: where, in which step, and its verdict."""

    x: float
    y: float
    step: int
    verdict: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """All that is drawn.

    Attributes:
        bars: From the oldest to the newest candidate.
        none: Of "there is no culprit".
        marks: Samples, in the order of the steps.
        ticks: Height above the floor and text of each grid line.
        edges: Lines from commits to their parents, if the history is small enough to draw them.
        dots: Commits of such a history.
        height: Of the drawing.
        floor: Where the bars stand.
        left: Where the first bar begins.
        right: Where the last one ends.
        commits_in_bar: How many candidates the largest bar stands for.
    """

    bars: tuple[Bar, ...]
    none: Bar
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    edges: tuple[Edge, ...]
    dots: tuple[tuple[float, float], ...]
    height: float
    floor: float
    left: float
    right: float
    commits_in_bar: int


def make_chart(view: View) -> Chart:
    """Make what is drawn for a view."""
    borders = _find_borders(view)
    belief = find_final(view)
    heights = [0] * (len(borders) - 1) if belief is None else _compute_heights(belief, borders)
    slot = (RIGHT - LEFT) / max(len(view.commits), 1)
    bars = tuple(
        Bar(
            x=round(LEFT + slot * start, 2),
            width=round(max(slot * (end - start) - (0.6 if len(borders) < MOST_BARS else 0), 0.5), 2),
            height=height,
            title=_format_title(view, int(start), int(end)),
        )
        for start, end, height in zip(borders[:-1], borders[1:], heights, strict=True)
    )
    none = 0 if belief is None else _compute_height(belief.no_culprit)
    drawn = assign_lanes(view.commits) if len(view.commits) <= MOST_DRAWN else {}
    deepest = max(drawn.values(), default=0)
    marks = _make_marks(view, GRAPH + LANE * (deepest + 1) + 6 if deepest else GRAPH)
    return Chart(
        bars=bars,
        none=Bar(x=NONE_LEFT, width=NONE_WIDTH, height=none, title="no culprit"),
        marks=marks,
        ticks=tuple((float(_compute_height(tick)), f"{100 * tick:.0f} %") for tick in TICKS),
        edges=draw_edges(view.commits, drawn, lambda place: _find_x(view, place), lambda lane: GRAPH + LANE * lane),
        dots=tuple((_find_x(view, place), GRAPH + LANE * lane) for place, lane in drawn.items()) if deepest else (),
        height=max((mark.y for mark in marks), default=GRAPH) + ROW,
        floor=FLOOR,
        left=LEFT,
        right=RIGHT,
        commits_in_bar=int(np.diff(borders).max(initial=0)),
    )


def make_script_data(view: View) -> dict[str, object]:
    """Return what the page's script shows for each step; plain values for JSON."""
    borders, indices = _find_borders(view), index_candidates(view)
    steps: list[dict[str, object]] = []
    heights: list[int] = [0] * (len(borders) - 1)
    none, top = 0.0, list[list[str]]()
    for step in view.steps:
        heights = _compute_heights(step.belief, borders)
        none = step.belief.no_culprit
        top = [[_format_label(view, place), format_percent(chance)] for place, chance in step.belief.top[:5]]
        steps.append({
            "number": step.number,
            "revision": _format_label(view, indices[step.revision]) if step.revision in indices else clean_line(step.revision)[:SHORT],
            "purpose": clean_line(get_purpose(step)),
            "verdict": step.verdict or SAME,
            "bars": heights,
            "none": _compute_height(none),
            "noneText": format_percent(none),
            "top": top,
        })  # fmt: skip
    return {"floor": FLOOR, "steps": steps}


def _find_borders(view: View) -> NDArray[np.int64]:
    """Return where each bar begins, and the end of the last: indices of candidates."""
    size = len(view.commits)
    bars = min(size, MOST_BARS, max(50, MOST_CELLS // max(len(view.steps), 1)))
    return np.arange(bars + 1, dtype=np.int64) * size // max(bars, 1)


def _compute_heights(belief: PackedBelief, borders: NDArray[np.int64]) -> list[int]:
    summed = np.concatenate(([0.0], np.cumsum(belief.expand_chances())))[borders]
    return [_compute_height(chance) for chance in np.diff(summed).tolist()]


def _compute_height(chance: float) -> int:
    """Compute the height of a bar; the square root, so that an even prior over many commits shows next to a certainty."""
    return round((FLOOR - TOP) * math.sqrt(min(max(chance, 0.0), 1.0)))


def _find_x(view: View, place: int | None) -> float:
    """Return the middle of a candidate; a revision that is none stands left of them all."""
    slot = (RIGHT - LEFT) / max(len(view.commits), 1)
    return round(LEFT - 9 if place is None else LEFT + slot * (place + 0.5), 2)


def _format_label(view: View, place: int) -> str:
    commit = view.commits[place]
    return f"{clean_line(commit.name)[:SHORT]} {clean_line(commit.subject, 100)}"


def _format_title(view: View, start: int, end: int) -> str:
    if end - start == 1:
        return _format_label(view, start)
    return f"{end - start} commits, {_format_label(view, start)} to {_format_label(view, end - 1)}"


def _make_marks(view: View, top: float) -> tuple[Mark, ...]:
    indices: Mapping[str, int] = index_candidates(view)
    stacked: Counter[int | None] = Counter()
    marks: list[Mark] = []
    for step in view.steps:
        place = indices.get(step.revision)
        name = (
            _format_label(view, place)
            if place is not None
            else f"{clean_line(step.revision)[:SHORT]} (older than all candidates)"
        )
        verdict = step.verdict or SAME
        marks.append(
            Mark(
                x=_find_x(view, place),
                y=top + ROW * min(stacked[place], STACKED),
                step=step.number,
                verdict=verdict,
                title=f"step {step.number}: {name}: {verdict}",
            )
        )
        stacked[place] += 1
    return tuple(marks)
