"""Made-up histories and made-up truths for the simulations of bisection; everything follows from a seed."""

from dataclasses import dataclass, field

import numpy as np

from harness.bisect.engine.history import OUTSIDE, History, Mask

__all__ = ["Truth", "linear", "merged", "stretches"]

GOOD = "good"


def linear(size: int) -> History:
    """Make a history without merges."""
    names = [f"c{place}" for place in range(size)]
    graph: dict[str, tuple[str, ...]] = {
        name: (names[place - 1] if place else GOOD,) for place, name in enumerate(names)
    }
    return History.make(graph, good=GOOD, bad=names[-1])


def merged(size: int, rng: np.random.Generator, *, mean_branch: float = 4.0) -> History:
    """Make a mainline of merges; branches fork off one of its last 30 commits, and one in ten merges it back.

    About one in four commits of the mainline is a plain commit; the mean length of branches is geometric.
    """
    graph: dict[str, tuple[str, ...]] = {"m0": (GOOD,)}
    line = ["m0"]
    while len(graph) < size:
        name = f"m{len(graph)}"
        room = size - len(graph) - 1
        if rng.random() < 0.25 or room < 1:
            graph[name] = (line[-1],)
        else:
            tip = line[-int(rng.integers(1, min(len(line), 30) + 1))]
            for _ in range(min(int(rng.geometric(1 / mean_branch)), room)):
                own = f"b{len(graph)}"
                back = rng.random() < 0.1 and tip != line[-1]
                graph[own] = (tip, line[-1]) if back else (tip,)
                tip = own
            name = f"m{len(graph)}"
            graph[name] = (line[-1], tip)
        line.append(name)
    return History.make(graph, good=GOOD, bad=line[-1])


def stretches(size: int, share: float, mean_run: float, rng: np.random.Generator) -> Mask:
    """Which commits do not build: a two-state Markov chain; `mean_run` 0 draws each on its own. The bad end builds."""
    if not mean_run:
        broken: Mask = rng.random(size) < share
    else:
        broken = np.zeros(size, dtype=bool)
        state = rng.random() < share
        leave, enter = 1 / mean_run, share / (1 - share) / mean_run
        for place in range(size):
            broken[place] = state
            state = rng.random() >= leave if state else rng.random() < enter
    broken[-1] = False
    return broken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is so, and what a boot at a commit shows.

    Attributes:
        history: The candidates.
        culprit: Index of the first bad commit, or None.
        fails_bad: How often the test fails from it on.
        fails_good: How often it fails elsewhere.
        broken: Commits that do not build.
        rng: Where each boot's luck comes from.
    """

    history: History
    culprit: int | None
    fails_bad: float = 1.0
    fails_good: float = 0.0
    broken: Mask | None = None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def builds(self, place: int) -> bool:
        """Whether a commit can be tested."""
        return place == OUTSIDE or self.broken is None or not self.broken[place]

    def is_bad(self, place: int) -> bool:
        """Whether the culprit is an ancestor of a commit."""
        return place != OUTSIDE and self.culprit is not None and bool(self.history.find_ancestors(place)[self.culprit])

    def fails(self, place: int) -> bool:
        """One boot at a commit: whether the test fails in it."""
        return bool(self.rng.random() < (self.fails_bad if self.is_bad(place) else self.fails_good))
