"""Which commits probably do not build or boot: broken commits come in stretches.

One two-state Markov chain per reason along the order of the commits (bisect.md 2.6): with share s and mean
run L of broken commits, a = 1/L, b = a·s/(1-s), and after d steps the state is remembered with λ^d,
λ = 1-a-b. A commit that is broken for one reason says nothing about another. Share and run are not
known; the predictions are averaged over a grid of them, weighted by how well each explains what was seen.
"""

from dataclasses import dataclass

import numpy as np

from harness.bisect.engine.history import OUTSIDE, Floats, Indices, Mask

__all__ = ["Testability"]

UNSEEN = 0.98
"""Probability that a commit can be tested before any could not."""

SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
RUNS = (1.05, 1.5, 3.0, 7.0, 15.0, 30.0, 60.0, 150.0, 400.0)
NEGLIGIBLE = 0.01
"""Grid points with less posterior weight than this share of the best are left out."""

FAR = 2000
"""Commits at which a neighbour is forgotten, whatever the chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chains:
    """Chains of the grid that are still plausible; one row each. `weight` sums to 1."""

    share: Floats
    memory: Floats
    weight: Floats


class Testability:
    """What is known about which commits can be tested."""

    __test__ = False  # for pytest, which takes the name for a class of tests

    def __init__(self, size: int) -> None:
        self._size = size
        self._fine: set[int] = set()
        self._broken: dict[str, set[int]] = {}

    def note_fine(self, place: int) -> None:
        """Note that a commit gave a verdict."""
        self._fine.add(place)

    def note_broken(self, place: int, reason: str) -> None:
        """Note that a commit could not be tested, for this reason."""
        self._broken.setdefault(reason, set()).add(place)

    def estimate_probabilities(self) -> Floats:
        """Estimate the probability that each commit can be tested; the last entry is the good end. Known ones are 0 or 1."""
        chances = np.full(self._size + 1, UNSEEN)
        for places in self._broken.values():
            chances *= self._estimate_chain(sorted(places))
        chances[list(self._fine)] = 1.0
        chances[[place for places in self._broken.values() for place in places]] = 0.0
        return chances

    def _estimate_chain(self, broken: list[int]) -> Floats:
        """Estimate the probability that each commit is free of one reason."""
        known = np.array(sorted({*broken, *self._fine}))
        state = np.isin(known, broken)
        chains = _weigh_chains(known, state)
        places = np.append(np.arange(self._size), OUTSIDE)
        after = np.searchsorted(known, places)
        # For each side with a known neighbour: which commits, and where in `_compute_ratios` their state and distance are.
        sides: list[tuple[Mask, Indices]] = []
        for side, neighbour in ((after > 0, after - 1), (after < len(known), after)):
            near = neighbour[side]
            distance = np.minimum(np.abs(places[side] - known[near]), FAR)
            sides.append((side, state[near] * (FAR + 1) + distance))
        free = np.zeros(len(places))
        for share, memory, weight in zip(chains.share, chains.memory, chains.weight, strict=True):
            fine, broken_too = np.full(len(places), 1 - share), np.full(len(places), share)
            ratio_fine, ratio_broken = _compute_ratios(share, memory)
            for side, key in sides:
                fine[side] *= ratio_fine[key]
                broken_too[side] *= ratio_broken[key]
            free += weight * fine / (fine + broken_too)
        return free


def _compute_ratios(share: float, memory: float) -> tuple[Floats, Floats]:
    """Compute how much likelier a state is with a neighbour known at a distance than without, for fine and for broken.

    Entries are distances 0 to `FAR` from a fine neighbour, then from a broken one. The chain is reversible, so
    both directions have the same ratios, and the probability of a state is its share times those of both sides.
    """
    kept = memory ** np.arange(FAR + 1)
    fine = np.concatenate(((1 - share + share * kept) / (1 - share), 1 - kept))
    broken = np.concatenate((1 - kept, (share + (1 - share) * kept) / share))
    return fine, broken


def _weigh_chains(known: Indices, state: Mask) -> _Chains:
    """Compute the posterior over the grid of shares and runs, given the states of some commits in order."""
    share, run = (axis.ravel() for axis in np.meshgrid(SHARES, RUNS))
    memory = 1 - (1 / run) * (1 + share / (1 - share))
    possible = memory >= 0
    share, memory = share[possible], memory[possible]
    ends = np.where(state, share[:, None], 1 - share[:, None])
    kept = memory[:, None] ** np.diff(known)
    steps = np.where(state[1:] == state[:-1], kept, 0.0) + (1 - kept) * ends[:, 1:]
    logs = np.log(ends[:, 0]) + np.log(steps + 1e-300).sum(axis=1)
    weight = np.exp(logs - logs.max())
    weight[weight < NEGLIGIBLE * weight.max()] = 0.0
    left = weight > 0
    return _Chains(share=share[left], memory=memory[left], weight=weight[left] / weight.sum())
