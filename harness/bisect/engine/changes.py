"""Where the results of a reliable test change, when no single commit explains them: broken, fixed, broken again."""

from collections.abc import Mapping

import numpy as np

from harness.bisect.engine.history import OUTSIDE, History, Mask
from harness.bisect.terms import TestChange

__all__ = ["choose_split", "find_changes"]


def find_changes(history: History, failed: Mapping[int, bool]) -> tuple[TestChange, ...]:
    """Find the pairs of tested revisions with nothing tested between them whose results differ, oldest first.

    `failed` says for each tested place of the history whether the test fails there; `OUTSIDE` is the good end.
    """
    return tuple(
        TestChange(
            before=_name(history, before),
            after=history.commits[after],
            breaks=failed[after],
            untested=int(_find_between(history, before, after).sum()),
        )
        for before, after in _list_pairs(history, failed)
    )


def choose_split(history: History, failed: Mapping[int, bool], usable: Mask) -> int | None:
    """Choose the commit that halves the oldest change that can be narrowed further, or None if there is none."""
    for before, after in _list_pairs(history, failed):
        between = _find_between(history, before, after)
        inside = between & usable
        if inside.any():
            reached = np.rint(history.sum_ancestors(between.astype(np.float64)))
            distance = np.where(inside, np.abs(reached - between.sum() / 2), np.inf)
            return int(distance.argmin())
    return None


def _list_pairs(history: History, failed: Mapping[int, bool]) -> list[tuple[int, int]]:
    """List the tested pairs of an ancestor and a descendant that differ and have nothing tested between them."""
    tested = sorted(place for place in failed if place != OUTSIDE)
    pairs = []
    for after in tested:
        above = history.find_ancestors(after)
        older = [place for place in tested if place != after and above[place]]
        nearest = [
            place for place in older if not any(other != place and _is_above(history, place, other) for other in older)
        ]
        # The good end is older than all; it is the nearest where no candidate is.
        nearest = nearest or [place for place in (OUTSIDE,) if place in failed]
        pairs += [(before, after) for before in nearest if failed[before] != failed[after]]
    return pairs


def _is_above(history: History, ancestor: int, descendant: int) -> bool:
    return bool(history.find_ancestors(descendant)[ancestor])


def _find_between(history: History, before: int, after: int) -> Mask:
    """Find what a change can also be due to: ancestors of `after` that `before` does not have, but for `after` itself."""
    between = history.find_ancestors(after) & ~history.find_ancestors(before)
    between[after] = False
    return between


def _name(history: History, place: int) -> str:
    return history.good if place == OUTSIDE else history.commits[place]
