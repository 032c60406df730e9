"""What a search has learned: its samples, and what is believed after them."""

from collections.abc import Mapping

import numpy as np

from harness.bisect.engine.belief import Belief
from harness.bisect.engine.history import OUTSIDE, Floats, History, Mask
from harness.bisect.engine.rates import Rates
from harness.bisect.engine.testability import Testability
from harness.bisect.records import Sample
from harness.bisect.terms import Goal, Noise, SearchSettings
from harness.errors import UsageError
from harness.model import Verdict

__all__ = ["SearchState"]

IMPOSSIBLE = np.log(1e-6)
"""Fit below which results of a test without noise contradict each other."""

UNKNOWN = "unknown"
"""What failed at a revision that was skipped without a reason."""


class SearchState:
    """What a search has learned so far."""

    def __init__(
        self, history: History, settings: SearchSettings | None = None, *, prior: Mapping[str, float] | None = None
    ) -> None:
        """Start.

        `prior` weighs revisions as culprits relative to the others' 1, more than 0; those that are no candidates are
        ignored. With `History.follow_first_parent` a commit's weight is that times its size.

        Raises:
            UsageError: A weight is not positive, or the known rates make no sense.
        """
        self.history = history
        self.settings = settings or SearchSettings()
        weights = history.sizes.copy()
        for place, name in enumerate(history.commits):
            weights[place] *= (prior or {}).get(name, 1.0)
        if not (weights > 0).all():
            raise UsageError("Every prior weight must be more than 0: a commit that cannot matter is still a suspect.")
        none = 0.0 if self.settings.noise is Noise.NONE else self.settings.no_culprit
        self.belief = Belief(history, Rates.make_prior(self.settings), prior=weights, no_culprit=none)
        self.samples: list[Sample] = []
        self._testability = Testability(len(history))
        self._at: dict[str, list[Sample]] = {}
        self._testable: Floats | None = None

    def record(self, sample: Sample) -> None:
        """Take in a sample, asked for or not; raises UsageError if its revision is no candidate, nor good."""
        place = self.history.find_index(sample.revision)
        self.samples.append(sample)
        self._at.setdefault(sample.revision, []).append(sample)
        if sample.verdict is Verdict.SKIP:
            self._testability.note_broken(place, sample.reason or UNKNOWN)
        else:
            self._testability.note_fine(place)
            failed = sample.verdict is Verdict.BAD
            self.belief.record(place, bad=failed != (self.settings.goal is Goal.FIX))
        self._testable = None

    def join_same(self, first: str, second: str) -> None:
        """Note that two revisions have identical built files: what lies between them is hardly the culprit.

        It is no sample: whoever keeps a journal writes it down as a record of its own.
        """
        between = self.history.find_ancestors(self.history.find_index(first)) ^ self.history.find_ancestors(
            self.history.find_index(second)
        )
        self.belief.exclude(between, self.settings.same_factor)

    def estimate_testable(self) -> Floats:
        """Estimate the probability that each candidate, and last the good end, can be tested; 0 for those that could not."""
        if self._testable is None:
            self._testable = self._testability.estimate_probabilities()
        return self._testable

    def find_usable(self) -> Mask:
        """Return which candidates, and last whether the good end, are worth a probe."""
        return self.estimate_testable() >= max(self.settings.least_testable, 1e-9)

    def list_samples(self, revision: str) -> tuple[Sample, ...]:
        """List the samples of a revision so far."""
        return tuple(self._at.get(revision, ()))

    def list_unverified(self) -> tuple[str, ...]:
        """List the ends still to be tested, the bad end first: a bad end that passes ends most false alarms."""
        if not self.settings.verify_ends:
            return ()
        # Both ends the wrong way round is a mistake of the user's; where results can be wrong, it is looked at twice.
        wanted = 2 if self.settings.noise is not Noise.NONE and self.is_swapped() else 1
        return tuple(end for end in (self.history.bad, self.history.good) if len(self.list_samples(end)) < wanted)

    def is_swapped(self) -> bool:
        """Return whether all results at both ends are the opposite of what they are said to be."""
        old, new = (self.belief.count_samples(place) for place in (OUTSIDE, len(self.history) - 1))
        return bool(old[0] and not old[1] and new[1] and not new[0])

    def is_contradictory(self) -> bool:
        """Return whether no single commit explains the results of a test without noise, both ends included."""
        return self.settings.noise is Noise.NONE and self.belief.fit < IMPOSSIBLE and not self.list_unverified()

    def list_failed(self) -> dict[int, bool]:
        """Return for each tested place whether the test failed there, at its last result."""
        found = ((self.history.find_index(sample.revision), sample.verdict) for sample in self.samples)
        return {place: verdict is Verdict.BAD for place, verdict in found if verdict is not Verdict.SKIP}

    def find_untested(self) -> Mask:
        """Return which candidates have no result and are worth a probe."""
        untested = self.find_usable()[:-1].copy()
        untested[[place for place in self.list_failed() if place != OUTSIDE]] = False
        return untested

    def list_unconfirmed(self, place: int) -> tuple[str, ...]:
        """List those of a culprit and its parents that are still to be seen on fresh builds, and can be tested."""
        names = (self.history.commits[place], *self.history.list_parents(place))
        return tuple(
            name for name in names if self.count_fresh(name) < self.settings.confirmations and not self.is_skipped(name)
        )

    def is_skipped(self, revision: str) -> bool:
        """Return whether a revision was tried and could not be tested."""
        return any(sample.verdict is Verdict.SKIP for sample in self.list_samples(revision))

    def count_fresh(self, revision: str) -> int:
        """Count the samples of a revision on fresh builds that gave a verdict."""
        return sum(sample.fresh and sample.verdict is not Verdict.SKIP for sample in self.list_samples(revision))
