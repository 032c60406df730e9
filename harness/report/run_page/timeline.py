"""When which cell ran: cells on as few lanes as there were at a time, long pauses shortened."""

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from harness.results import CellResult, PhaseResult

__all__ = ["Pause", "Timeline", "TimelineBar", "draw_timeline"]

LONG = 60.0
"""Seconds without any cell from which on a pause is shortened: a run that was resumed the next day is not all pause."""

SHORTENED = 0.02
"""Part of the whole time that a shortened pause takes."""

TOUCHING = 0.05
"""Seconds by which two cells of a lane may overlap; the clock's steps are no second slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineBar:
    """A phase of a cell.

    Attributes:
        cell: Index of the cell.
        phase: Index of the phase.
        lane: Where it is drawn, from 0.
        start: Seconds since the first phase of all, without what pauses lost.
        seconds: How long it took.
    """

    cell: int
    phase: int
    lane: int
    start: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which no cell ran.

    Attributes:
        start: Where it begins, as `TimelineBar.start`.
        width: Seconds that it takes in the picture.
        seconds: How long it was.
    """

    start: float
    width: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The picture of a run's time.

    Attributes:
        lanes: How many cells ran at a time, at most.
        seconds: Its width.
        bars: What is drawn, by cell and phase.
        pauses: What is shortened.
    """

    lanes: int
    seconds: float
    bars: tuple[TimelineBar, ...]
    pauses: tuple[Pause, ...]


def draw_timeline(cells: Sequence[CellResult]) -> Timeline | None:
    """Return the picture of the cells' phases; None where no phase says when it started."""
    starts = [[_start(phase) for phase in cell.phases] for cell in cells]
    spans = []
    for index, (cell, begun) in enumerate(zip(cells, starts, strict=True)):
        known = [(at, at + phase.seconds) for at, phase in zip(begun, cell.phases, strict=True) if at is not None]
        if known:
            spans.append((min(at for at, _ in known), max(end for _, end in known), index))
    if not spans:
        return None
    spans.sort()
    moved = _Clock([(at, end) for at, end, _ in spans])
    lanes = _assign_lanes(spans)
    bars = tuple(
        TimelineBar(
            cell=index, phase=place, lane=lanes[index], start=round(moved.read_seconds(at), 3), seconds=phase.seconds
        )
        for _, _, index in spans
        for place, (at, phase) in enumerate(zip(starts[index], cells[index].phases, strict=True))
        if at is not None
    )
    return Timeline(lanes=max(lanes.values()) + 1, seconds=round(moved.width, 3), bars=bars, pauses=tuple(moved.pauses))


def _start(phase: PhaseResult) -> float | None:
    """Return seconds since 1970; None where there is no time, or none that can be read."""
    try:
        time = datetime.fromisoformat(phase.started or "")
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _assign_lanes(spans: Sequence[tuple[float, float, int]]) -> dict[int, int]:
    """Return the lane of each cell: the lowest that is free when it starts."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    lanes: dict[int, int] = {}
    count = 0
    for start, end, index in spans:
        while busy and busy[0][0] <= start + TOUCHING:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane, count = count, count + 1
        lanes[index] = lane
        heapq.heappush(busy, (end, lane))
    return lanes


class _Clock:
    """From times to places in the picture."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        self.origin = spans[0][0]
        work: list[list[float]] = []
        for start, end in spans:
            if work and start <= work[-1][1]:
                work[-1][1] = max(work[-1][1], end)
            else:
                work.append([start, end])
        busy = sum(end - start for start, end in work)
        long = max(LONG, busy / 10)
        self._moves: list[tuple[float, float]] = []
        self.pauses: list[Pause] = []
        lost = 0.0
        for (_, before), (after, _) in pairwise(work):
            if after - before > long:
                width = max(SHORTENED * busy, 1.0)
                start = round(before - self.origin - lost, 3)
                self.pauses.append(Pause(start=start, width=round(width, 3), seconds=round(after - before, 3)))
                lost += after - before - width
                self._moves.append((after, lost))
        self.width = work[-1][1] - self.origin - lost

    def read_seconds(self, time: float) -> float:
        """Return seconds from the left edge."""
        place = bisect_right(self._moves, time, key=lambda move: move[0])
        return time - self.origin - (self._moves[place - 1][1] if place else 0.0)
