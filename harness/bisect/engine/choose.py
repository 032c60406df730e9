"""What to test next: the most expected information about the culprit per second.

With w_c the posterior of hypothesis c and m_c(t) the probability under c that a sample at t fails (rates
integrated out), a sample at t gives I(t) = h(Σ w_c m_c(t)) - Σ w_c h(m_c(t)) bits, h the binary entropy
(bisect.md 2.2). Both sums are sums over ancestors, so one choice costs two passes over the history.
"""

from dataclasses import dataclass

import numpy as np

from harness.bisect.engine.belief import Belief
from harness.bisect.engine.history import Floats, History, Mask

__all__ = ["Costs", "Priced", "choose_best", "compute_entropy", "compute_information", "compute_outcomes"]

OUTCOMES = 32
"""Joint outcomes of the samples in flight that are averaged over, the likeliest first."""

NOTHING = 1e-9
"""Bits below which a test is taken to give no information: what rounding can leave."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs:
    """What a sample costs, in seconds, for every candidate and (last entry) the good end.

    Attributes:
        build: To make the artifact; 0 where it is in the cache. Spent in vain where the commit does not build.
        test: To boot and run the test, on top.
    """

    build: Floats
    test: Floats

    @classmethod
    def make_unit(cls, history: History) -> "Costs":
        """Make costs that are the same for every attempt, built or not."""
        return cls(build=np.ones(len(history) + 1), test=np.zeros(len(history) + 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Priced:
    """What can be chosen from; arrays have an entry for every candidate and, last, the good end.

    Attributes:
        costs: Seconds.
        testable: Probability that the commit gives a verdict.
        allowed: Which may be chosen.
        mainline: Share of the best value at which a first parent is preferred; 1 for never.
    """

    costs: Costs
    testable: Floats
    allowed: Mask
    mainline: float = 1.0


def compute_entropy(chance: Floats) -> Floats:
    """Compute the binary entropy in bits."""
    inner = np.clip(chance, 1e-15, 1 - 1e-15)
    entropy: Floats = -inner * np.log2(inner) - (1 - inner) * np.log2(1 - inner)
    return entropy


def compute_information(belief: Belief, pending: tuple[int, ...] = ()) -> Floats:
    """Compute the bits about the culprit expected of a sample at every candidate and, last, at the good end.

    The outcomes of samples in flight (`pending`) are averaged over, so that what they will give anyway does not count.
    Exact for fixed rates while there are at most `OUTCOMES` joint outcomes.
    """
    chances, weights, none = compute_outcomes(belief, pending)
    bad, good, flat = belief.fails_bad, belief.fails_good, belief.fails_flat
    noise_bad, noise_good, noise_flat = (
        compute_entropy(bad),
        compute_entropy(good),
        float(compute_entropy(np.array(flat))),
    )
    fails_outside = good @ weights + none * flat
    noise_outside = noise_good @ weights + none * noise_flat
    shares = np.hstack((weights * (bad - good)[:, None], weights * (noise_bad - noise_good)[:, None]))
    sums = belief.history.sum_ancestors(shares)
    width = len(chances)
    fails = np.vstack((fails_outside + sums[:, :width], fails_outside))
    noise = np.vstack((noise_outside + sums[:, width:], noise_outside))
    return np.maximum((compute_entropy(fails) - noise) @ chances, 0.0)


def choose_best(belief: Belief, priced: Priced, pending: tuple[int, ...] = ()) -> int | None:
    """Choose the commit to test next (the good end is the index after the last candidate), or None if nothing is gained."""
    information = compute_information(belief, pending)
    seconds = priced.testable * priced.costs.test + priced.costs.build
    gain = np.where(information > NOTHING, priced.testable * information, 0.0)
    value = np.where(priced.allowed, gain / np.maximum(seconds, 1e-6), 0.0)
    first = int(value.argmax())
    if value[first] <= 0:
        return None
    line = np.append(belief.history.mainline, [True]) * value
    preferred = int(line.argmax())
    return preferred if line[preferred] >= priced.mainline * value[first] else first


def compute_outcomes(belief: Belief, pending: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """Compute probabilities of the joint outcomes of samples in flight, the posterior after each (columns), and of none."""
    chances = np.ones(1)
    weights = belief.weights[:, None]
    none = np.array([belief.no_culprit])
    for place in pending:
        fails = np.where(belief.history.find_ancestors(place), belief.fails_bad, belief.fails_good)[:, None]
        weights = np.hstack((weights * fails, weights * (1 - fails)))
        none = np.concatenate((none * belief.fails_flat, none * (1 - belief.fails_flat)))
        totals = weights.sum(axis=0) + none
        kept = np.argsort(-totals * np.tile(chances, 2), kind="stable")[:OUTCOMES]
        kept = kept[totals[kept] > 0]
        chances = (np.tile(chances, 2) * totals)[kept]
        weights, none = weights[:, kept] / totals[kept], none[kept] / totals[kept]
    return chances / chances.sum(), weights, none
