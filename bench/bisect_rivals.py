"""The searches that ours is measured against: git's documented rule, and git's rule over a majority of three.

git's rule is implemented here from its documentation (git-bisect-lk2009 and the notes in bisect.md 1.1), not run:
a candidate's score is min(X, N-X), X the candidates among its ancestors; the best is tested. If the best was
skipped, the list sorted by score is entered at `length * u * sqrt(u)`, u pseudo-random, seeded by the count.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.bisect_histories import Truth
from harness.bisect.engine.history import History

__all__ = ["Found", "git_bisect", "majority"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rival came to.

    Attributes:
        suspects: The commits that it names: one, or those that its skips leave.
        runs: Boots.
        wasted: Builds that failed.
    """

    suspects: frozenset[int]
    runs: int
    wasted: int


def git_bisect(truth: Truth, fails: Callable[[int], bool] | None = None) -> Found:
    """Git's rule, skip rule included; as git does, the ends are taken on trust."""
    fails = fails or truth.fails
    history = truth.history
    inside = history.find_ancestors(len(history) - 1)
    tip, runs, skipped = len(history) - 1, 0, set[int]()
    while True:
        place = _pick(history, inside, tip, skipped)
        if place is None:
            break
        if not truth.builds(place):
            skipped.add(place)
            continue
        runs += 1
        if fails(place):
            inside &= history.find_ancestors(place)
            tip = place
        else:
            inside &= ~history.find_ancestors(place)
    return Found(suspects=frozenset(np.flatnonzero(inside).tolist()), runs=runs, wasted=len(skipped))


def _pick(history: History, inside: np.ndarray, tip: int, skipped: set[int]) -> int | None:
    count = int(inside.sum())
    reached = np.rint(history.sum_ancestors(inside.astype(float)))
    places = np.flatnonzero(inside)
    places = places[places != tip]
    if not len(places):
        return None
    score = np.minimum(reached[places], count - reached[places])
    ranked = places[np.argsort(-score, kind="stable")]
    if int(ranked[0]) not in skipped:
        return int(ranked[0])
    left = [int(place) for place in ranked if int(place) not in skipped]
    if not left:
        return None
    chance = float(np.random.default_rng(len(left)).random())
    return left[int(len(left) * chance * np.sqrt(chance))]


def majority(truth: Truth, samples: int = 3) -> Found:
    """Git's rule where each verdict is the majority of some boots of one build."""
    runs = 0

    def fails(place: int) -> bool:
        nonlocal runs
        votes = 0
        for taken in range(1, samples + 1):
            runs += 1
            votes += truth.fails(place)
            if votes * 2 > samples or (taken - votes) * 2 > samples:
                break
        return votes * 2 > samples

    found = git_bisect(truth, fails)
    return Found(suspects=found.suspects, runs=runs, wasted=found.wasted)
