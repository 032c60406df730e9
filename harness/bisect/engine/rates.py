"""What is believed about the two failure rates of a test: p_b from the culprit on, p_g before it.

The belief is a joint distribution on a grid. With m nodes at p = sin²((2i+1)π/4m) and equal weights, sums
over the grid are Gauss-Chebyshev quadrature (Abramowitz and Stegun 25.4.38): for up to 2m-1 samples a side
they *equal* the Beta-Bernoulli marginals B(½+F, ½+P)/B(½, ½) of the Jeffreys prior, and other priors are
other weights. On a grid "a bug makes failures likelier" (p_b - p_g at least some effect) is exact: the other
nodes have no weight. Without a least effect a culprit that hardly shows can never be told from none.
"""

from dataclasses import dataclass

import numpy as np

from harness.bisect.engine.history import Floats
from harness.bisect.engine.terms import Noise, RateEstimate, Settings
from harness.errors import UsageError

__all__ = ["Marginals", "Rates", "without_culprit"]

NODES = 40
"""Grid nodes; exact up to 79 samples a side, and finer than what more samples can tell apart."""

CERTAIN = 1e-9
"""Rate of wrong results of a test that is taken to be deterministic."""

TINY = 1e-300

SLIP = 1e-4
"""Rate of wrong results of a reliable test."""

MOST_EFFECT = 0.9
"""Largest least effect: the grid must have nodes that far apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginals:
    """What the samples say under each of several splits into a good and a bad side.

    Attributes:
        log: Logarithm of the probability of the samples.
        bad: Predictive probability that the next sample on the bad side fails.
        good: The same on the good side.
    """

    log: Floats
    bad: Floats
    good: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """A prior over the failure rates.

    Attributes:
        nodes: Grid of rates, ascending.
        joint: Weight of (p_b, p_g) with a culprit; rows are p_b; sums to 1.
        flat: Weight of the one rate without a culprit; sums to 1.
    """

    nodes: Floats
    joint: Floats
    flat: Floats

    @classmethod
    def of(cls, settings: Settings) -> "Rates":
        """The prior for the settings.

        Raises:
            UsageError: Known rates are missing, not in 0..1, or the bad side does not fail more often.
        """
        match settings.noise:
            case Noise.NONE:
                return cls.known(1.0, 0.0)
            case Noise.KNOWN:
                if settings.rates is None:
                    raise UsageError("Known rates were asked for, but none are given.")
                return cls.known(*settings.rates)
            case Noise.LEARN:
                return cls.learned(settings.least_effect)
            case Noise.LOW:
                return cls.mostly_reliable(settings.least_effect)

    @classmethod
    def known(cls, bad: float, good: float) -> "Rates":
        """Two rates that are certain; raises as `of`."""
        if not 0 <= good < bad <= 1:
            raise UsageError(f"The test must fail more often at bad revisions ({bad}) than at good ones ({good}).")
        nodes = np.clip([good, bad], CERTAIN, 1 - CERTAIN)
        return cls(nodes=nodes, joint=np.array([[0.0, 0.0], [1.0, 0.0]]), flat=np.array([1.0, 0.0]))

    @classmethod
    def learned(cls, effect: float = 0.0) -> "Rates":
        """Half Jeffreys on both sides (git_bayesect's choice), half a test that is right more often than wrong.

        The second half saves a fifth of the tests at 20 % flips, and costs one bit where it is mistaken.
        """
        return cls.mixture([(0.5, *JEFFREYS), (0.5, *MOSTLY_RIGHT)], effect)

    @classmethod
    def mostly_reliable(cls, effect: float = 0.0) -> "Rates":
        """The default: most tests hardly ever lie, some lie now and then, a few are wild."""
        return cls.mixture(LOW, effect, RELIABLE)

    @classmethod
    def mixture(cls, parts: "list[Part]", effect: float, reliable: float = 0.0) -> "Rates":
        """A mixture of products of Beta distributions where p_b - p_g >= effect; Jeffreys without a culprit.

        Args:
            parts: Weights and distributions; the weights sum to 1 less `reliable`.
            effect: Smallest difference, in 0..`MOST_EFFECT`.
            reliable: Weight of a test that is wrong with a chance of `SLIP` only.

        Raises:
            UsageError: The effect is out of range.
        """
        if not 0 <= effect <= MOST_EFFECT:
            raise UsageError(f"The least effect that is looked for must be between 0 and {MOST_EFFECT}, not {effect}.")
        angle = (2 * np.arange(NODES) + 1) * np.pi / (4 * NODES)
        nodes = np.concatenate(([SLIP], np.sin(angle) ** 2, [1 - SLIP]))
        jeffreys = np.concatenate(([0.0], np.full(NODES, 1 / NODES), [0.0]))
        difference = np.subtract.outer(nodes, nodes)
        # Nodes on the diagonal count half: the other half belongs to p_b < p_g.
        wanted = (difference >= effect) * np.where(difference == 0, 0.5, 1.0)
        joint = np.zeros((len(nodes), len(nodes)))
        for weight, bad, good in parts:
            product = np.outer(jeffreys * _beta(nodes, *bad), jeffreys * _beta(nodes, *good)) * wanted
            joint += weight * product / product.sum()
        joint[-1, 0] += reliable
        return cls(nodes=nodes, joint=joint / joint.sum(), flat=jeffreys)

    def split(self, fails: Floats, passes: Floats, all_fails: float, all_passes: float) -> Marginals:
        """Marginals with a culprit.

        Args:
            fails: For each split, failed samples on its bad side.
            passes: For each split, passed samples on its bad side.
            all_fails: Failed samples on both sides.
            all_passes: Passed samples on both sides.
        """
        bad, bad_scale = self._likelihood(fails, passes)
        good, good_scale = self._likelihood(all_fails - fails, all_passes - passes)
        against = bad @ self.joint
        total = (against * good).sum(axis=1) + TINY
        return Marginals(
            log=np.log(total) + bad_scale + good_scale,
            bad=(((bad * self.nodes) @ self.joint) * good).sum(axis=1) / total,
            good=(against * (good * self.nodes)).sum(axis=1) / total,
        )

    def same(self, fails: float, passes: float) -> Marginals:
        """Marginals without a culprit; one split."""
        likelihood, scale = self._likelihood(np.array([fails]), np.array([passes]))
        total = likelihood @ self.flat + TINY
        mean = (likelihood * self.nodes) @ self.flat / total
        return Marginals(log=np.log(total) + scale, bad=mean, good=mean)

    def estimate(self, fails: float, passes: float, weights: Floats) -> RateEstimate:
        """Posterior of one rate, given its samples and prior weights on the nodes."""
        likelihood, _ = self._likelihood(np.array([fails]), np.array([passes]))
        posterior = likelihood[0] * weights
        posterior /= posterior.sum() + TINY
        below = posterior.cumsum()
        low, high = np.searchsorted(below, (0.05, 0.95))
        return RateEstimate(
            failed=round(fails),
            samples=round(fails + passes),
            mean=float(posterior @ self.nodes),
            low=float(self.nodes[low]),
            high=float(self.nodes[min(high, len(self.nodes) - 1)]),
        )

    def _likelihood(self, fails: Floats, passes: Floats) -> tuple[Floats, Floats]:
        """Likelihood at each node, scaled so that each row's largest is 1, and the logarithms of the scales."""
        logs = np.multiply.outer(fails, np.log(self.nodes)) + np.multiply.outer(passes, np.log1p(-self.nodes))
        scale = logs.max(axis=1)
        return np.exp(logs - scale[:, None]), scale


Part = tuple[float, tuple[float, float], tuple[float, float]]
"""Weight, Beta parameters of p_b, Beta parameters of p_g."""

RELIABLE = 0.84
"""Share of the tests that people bisect with that hardly ever lie.

That part is sharp, so that it gives way at the first result that contradicts the others: a broad one would excuse it.
"""

JEFFREYS = ((0.5, 0.5), (0.5, 0.5))
MOSTLY_RIGHT = ((4.0, 1.0), (1.0, 4.0))
"""Wrong in 20 % of samples on average, on either side."""

LOW: list[Part] = [(0.12, *MOSTLY_RIGHT), (0.04, *JEFFREYS)]
"""The others."""


def without_culprit(flakes: float, breaks: float) -> float:
    """Prior probability that a failure after a pass is a flake, by Bayes' rule.

    Args:
        flakes: How often the test fails without cause, from its past; in 0..1.
        breaks: How often a range of commits like this one breaks a test, in 0..1, not 0.
    """
    flaky = flakes * (1 - breaks)
    return flaky / (flaky + breaks)


def _beta(nodes: Floats, first: float, second: float) -> Floats:
    """Density of a Beta distribution at the nodes, up to a factor, over that of the Jeffreys prior."""
    density: Floats = nodes ** (first - 0.5) * (1 - nodes) ** (second - 0.5)
    return density
