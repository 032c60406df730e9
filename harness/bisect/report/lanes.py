"""Which lane each commit is drawn in, and the lines between them: the first-parent line straight, branches below it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.bisect.repository import Commit

__all__ = ["Edge", "assign_lanes", "draw_edges"]

MOST_LANES = 5
"""Lanes below the main one; branches that find none free share the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line from a commit to one of its parents, as places in the drawing."""

    x1: float
    y1: float
    x2: float
    y2: float


def assign_lanes(commits: Sequence[Commit]) -> dict[int, int]:
    """Assign a lane to each commit, by index: 0 for the first-parent line of the last one.

    A branch is followed along first parents from where it was merged to the first commit that has a lane.
    """
    indices = {commit.name: place for place, commit in enumerate(commits)}
    lanes: dict[int, int] = {}
    taken: list[list[tuple[int, int]]] = [[] for _ in range(MOST_LANES)]
    for place in range(len(commits) - 1, -1, -1):
        for start in (place, *(indices[tip] for tip in commits[place].parents[1:] if tip in indices)):
            chain = _follow_chain(commits, indices, start, lanes)
            if chain:
                fork = next((indices[name] for name in commits[chain[-1]].parents[:1] if name in indices), chain[-1])
                lane = _free(taken, fork, place) if lanes else 0
                lanes.update(dict.fromkeys(chain, lane))
    return lanes


def _follow_chain(
    commits: Sequence[Commit], indices: Mapping[str, int], start: int, lanes: Mapping[int, int]
) -> list[int]:
    chain: list[int] = []
    place: int | None = start
    while place is not None and place not in lanes and place not in chain:
        chain.append(place)
        first = commits[place].parents[:1]
        place = indices.get(first[0]) if first else None
    return chain


def _free(taken: list[list[tuple[int, int]]], low: int, high: int) -> int:
    """Take a lane in which nothing is between two indices, and return its number."""
    for lane, spans in enumerate(taken):
        if all(end <= low or start >= high for start, end in spans):
            spans.append((low, high))
            return lane + 1
    return len(taken)


def draw_edges(
    commits: Sequence[Commit], drawn: Mapping[int, int], x: Callable[[int], float], y: Callable[[int], float]
) -> tuple[Edge, ...]:
    """Return the lines of a history that has branches; none for a straight one, where they show nothing."""
    if not any(drawn.values()):
        return ()
    indices = {commit.name: place for place, commit in enumerate(commits)}
    return tuple(
        Edge(x1=x(place), y1=y(drawn[place]), x2=x(indices[parent]), y2=y(drawn[indices[parent]]))
        for place, commit in enumerate(commits)
        for parent in commit.parents
        if place in drawn and parent in indices and indices[parent] in drawn
    )
