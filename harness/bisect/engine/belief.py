"""The posterior over culprits, and over "there is no culprit and the test is flaky".

Commits that no sample distinguishes have the same likelihood, so the rates are integrated once per group of
such commits; a group is refined when a commit is tested for the first time.
"""

import numpy as np

from harness.bisect.engine.history import Floats, History, Mask
from harness.bisect.engine.rates import Rates
from harness.bisect.terms import RateEstimate

__all__ = ["Belief"]


class Belief:
    """What the samples so far say; O(candidates) per sample.

    Attributes:
        rates: Prior over the failure rates.
    """

    def __init__(self, history: History, rates: Rates, *, prior: Floats | None = None, no_culprit: float = 0.0) -> None:
        """Start with a prior.

        `prior` weighs each candidate, more than 0 and of any scale; the commits' sizes do if None.
        """
        weights = history.sizes if prior is None else prior
        with np.errstate(divide="ignore"):
            self._log_prior = np.log(weights / weights.sum()) + np.log1p(-no_culprit)
            self._log_none = float(np.log(no_culprit))
        self.history = history
        self.rates = rates
        self.fails = 0
        self.passes = 0
        self._group = np.zeros(len(history), dtype=np.int64)
        self._pattern = np.zeros((1, 0), dtype=np.int64)
        self._tested: dict[int, int] = {}
        self._counts = np.zeros((0, 2))
        self._update()

    def record(self, place: int, *, bad: bool) -> None:
        """Take in one sample at a commit (`OUTSIDE` for one that is good under every hypothesis)."""
        column = self._tested.get(place)
        if column is None:
            column = self._tested[place] = len(self._tested)
            self._counts = np.vstack((self._counts, (0.0, 0.0)))
            self._refine(self.history.find_ancestors(place))
        self._counts[column, 0 if bad else 1] += 1
        self.fails += bad
        self.passes += not bad
        self._update()

    def exclude(self, between: Mask, factor: float) -> None:
        """Multiply the prior of some candidates by a factor in 0..1, more than 0."""
        self._log_prior = self._log_prior + between * np.log(factor)
        self._update()

    def count_samples(self, place: int) -> tuple[int, int]:
        """Count the failed and passed samples at a commit."""
        column = self._tested.get(place)
        return (0, 0) if column is None else (int(self._counts[column, 0]), int(self._counts[column, 1]))

    def estimate_rates(self, place: int | None) -> tuple[RateEstimate, RateEstimate | None]:
        """Estimate the failure rates before a culprit and from it on, or the one rate if it is None."""
        if place is None:
            return self.rates.estimate(self.fails, self.passes, self.rates.flat), None
        fails, passes = self._pattern[self._group[place]] @ self._counts
        before = self.rates.estimate(self.fails - fails, self.passes - passes, self.rates.joint.sum(axis=0))
        return before, self.rates.estimate(fails, passes, self.rates.joint.sum(axis=1))

    @property
    def fit(self) -> float:
        """Logarithm of the probability of all samples under the hypothesis that explains them best."""
        return float(max(self._best, self._flat_log if self._log_none > -np.inf else -np.inf))

    def _refine(self, mask: Mask) -> None:
        key = 2 * self._group + mask
        present = np.flatnonzero(np.bincount(key, minlength=2 * len(self._pattern)))
        place = np.zeros(2 * len(self._pattern), dtype=np.int64)
        place[present] = np.arange(len(present))
        self._group = place[key]
        self._pattern = np.column_stack((self._pattern[present // 2], present % 2))

    def _update(self) -> None:
        fails, passes = (self._pattern @ self._counts).T
        split = self.rates.split(fails, passes, self.fails, self.passes)
        flat = self.rates.compute_same(self.fails, self.passes)
        logs = self._log_prior + split.log[self._group]
        none = self._log_none + float(flat.log[0])
        top = max(float(logs.max()), none)
        weights = np.exp(logs - top)
        rest = float(np.exp(none - top))
        total = float(weights.sum()) + rest
        self.weights: Floats = weights / total
        """Posterior probability of each candidate to be the culprit."""
        self.no_culprit = rest / total
        """Posterior probability that there is none."""
        self.fails_bad: Floats = split.bad[self._group]
        """For each candidate as culprit: probability that the next sample on its bad side fails."""
        self.fails_good: Floats = split.good[self._group]
        """The same on its good side."""
        self.fails_flat = float(flat.bad[0])
        """Probability that the next sample fails if there is no culprit."""
        self.evidence = top + float(np.log(total))
        """Logarithm of the probability of all samples, over all hypotheses."""
        self._best = float(split.log.max())
        self._flat_log = float(flat.log[0])
