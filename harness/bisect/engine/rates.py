"""What is believed about the two failure rates of a test: p_b from the culprit on, p_g before it.

The belief is a joint distribution on a grid. With m nodes at p = sin²((2i+1)π/4m) and equal weights, sums
over the grid are Gauss-Chebyshev quadrature (Abramowitz and Stegun 25.4.38): for up to 2m-1 samples a side
they *equal* the Beta-Bernoulli marginals B(½+F, ½+P)/B(½, ½) of the Jeffreys prior, and other priors are
other weights. On a grid "a bug makes failures likelier" (p_b - p_g at least some effect) is exact: the other
nodes have no weight. Without a least effect a culprit that hardly shows can never be distinguished from none.
"""

from dataclasses import dataclass

import numpy as np

from harness.bisect.engine.history import Floats
from harness.bisect.engine.kinds import LEARN, LOW, Kind, compute_joint, make_always_failing, make_grid
from harness.bisect.terms import Noise, RateEstimate, SearchSettings
from harness.errors import UsageError

__all__ = ["Marginals", "Rates"]

CERTAIN = 1e-9
"""Rate of wrong results of a test that is taken to be deterministic."""

TINY = 1e-300

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
    def make_prior(cls, settings: SearchSettings) -> "Rates":
        """Make the prior for the settings.

        Raises:
            UsageError: Known rates are missing, not in 0..1, or the bad side does not fail more often.
        """
        match settings.noise:
            case Noise.NONE:
                return cls.fix_rates(1.0, 0.0)
            case Noise.KNOWN:
                if settings.rates is None:
                    raise UsageError("Known rates were asked for, but none are given.")
                return cls.fix_rates(*settings.rates)
            case Noise.LEARN | Noise.LOW:
                kinds = LEARN if settings.noise is Noise.LEARN else LOW
                if settings.always_fails:
                    kinds = make_always_failing(kinds)
                return cls.mix_kinds(kinds, settings.least_effect).update(*settings.past)

    @classmethod
    def fix_rates(cls, bad: float, good: float) -> "Rates":
        """Make the prior of two rates that are certain; raises as `make_prior`."""
        if not 0 <= good < bad <= 1:
            raise UsageError(f"The test must fail more often at bad revisions ({bad}) than at good ones ({good}).")
        nodes = np.clip([good, bad], CERTAIN, 1 - CERTAIN)
        return cls(nodes=nodes, joint=np.array([[0.0, 0.0], [1.0, 0.0]]), flat=np.array([1.0, 0.0]))

    @classmethod
    def mix_kinds(cls, kinds: tuple[Kind, ...], effect: float = 0.0) -> "Rates":
        """Mix kinds of noise where p_b - p_g >= effect, in 0..`MOST_EFFECT`; Jeffreys without a culprit."""
        if not 0 <= effect <= MOST_EFFECT:
            raise UsageError(f"The least effect that is looked for must be between 0 and {MOST_EFFECT}, not {effect}.")
        nodes, jeffreys = make_grid()
        return cls(nodes=nodes, joint=compute_joint(kinds, effect), flat=jeffreys)

    def update(self, fails: int, passes: int) -> "Rates":
        """Return the prior of one who has seen samples at good revisions; how probable a culprit is stays as it was."""
        likelihood = self._compute_likelihood(np.array([float(fails)]), np.array([float(passes)]))[0][0]
        joint_after, flat_after = self.joint * likelihood, self.flat * likelihood
        return Rates(nodes=self.nodes, joint=joint_after / joint_after.sum(), flat=flat_after / flat_after.sum())

    def split(self, fails: Floats, passes: Floats, all_fails: float, all_passes: float) -> Marginals:
        """Compute the marginals with a culprit.

        `fails` and `passes` are samples on the bad side of each split, `all_fails` and `all_passes` on both sides.
        """
        bad, bad_scale = self._compute_likelihood(fails, passes)
        good, good_scale = self._compute_likelihood(all_fails - fails, all_passes - passes)
        against = bad @ self.joint
        total = (against * good).sum(axis=1) + TINY
        return Marginals(
            log=np.log(total) + bad_scale + good_scale,
            bad=(((bad * self.nodes) @ self.joint) * good).sum(axis=1) / total,
            good=(against * (good * self.nodes)).sum(axis=1) / total,
        )

    def compute_same(self, fails: float, passes: float) -> Marginals:
        """Compute the marginals without a culprit; one split."""
        likelihood, scale = self._compute_likelihood(np.array([fails]), np.array([passes]))
        total = likelihood @ self.flat + TINY
        mean = (likelihood * self.nodes) @ self.flat / total
        return Marginals(log=np.log(total) + scale, bad=mean, good=mean)

    def estimate(self, fails: float, passes: float, weights: Floats) -> RateEstimate:
        """Estimate one rate: its posterior, given its samples and prior weights on the nodes."""
        likelihood, _ = self._compute_likelihood(np.array([fails]), np.array([passes]))
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

    def _compute_likelihood(self, fails: Floats, passes: Floats) -> tuple[Floats, Floats]:
        """Compute the likelihood at each node, each row's largest scaled to 1, and the logarithms of the scales."""
        logs = np.multiply.outer(fails, np.log(self.nodes)) + np.multiply.outer(passes, np.log1p(-self.nodes))
        scale = logs.max(axis=1)
        return np.exp(logs - scale[:, None]), scale
