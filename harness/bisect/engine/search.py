"""The search as a state machine: a fold over samples, so that a journal of them is all there is to resume.

Nothing in it is random and nothing reads a clock: the same samples give the same probes.
"""

from collections.abc import Mapping

import numpy as np

from harness.bisect.engine import verdicts
from harness.bisect.engine.changes import choose_split
from harness.bisect.engine.choose import (
    Costs,
    Priced,
    choose_best,
    compute_entropy,
    compute_information,
    compute_outcomes,
)
from harness.bisect.engine.history import OUTSIDE, History
from harness.bisect.engine.state import SearchState
from harness.bisect.records import Sample
from harness.bisect.terms import Answer, Probe, Purpose, SearchSettings, Stage

__all__ = ["Search"]

ENTERED = 0.9
"""Probability that one merge brought the culprit in at which the search is said to descend into it."""

LEADING = 0.5
"""Probability of the likeliest culprit from which on repeats at it and its parents are made to confirm it."""

CONFIRMING = 0.9
"""Probability from which on nothing but confirmation is asked for: it has to be made anyway, and gives nearly as much."""


class Search(SearchState):
    """A search for the first bad commit (or the fix): what to sample next, and when there is an answer."""

    def __init__(
        self, history: History, settings: SearchSettings | None = None, *, prior: Mapping[str, float] | None = None
    ) -> None:
        """Start; as `SearchState`."""
        super().__init__(history, settings, prior=prior)
        self._pending: list[Probe] = []
        self._answer: Answer | None = None

    def choose_next(self, count: int = 1, costs: Costs | None = None, *, spare: int = 0) -> tuple[Probe, ...]:
        """Choose up to `count` further revisions to test, jointly with those in flight; none when there is an answer.

        Fewer than `count`, or none while results are awaited, if more would give no information.

        Args:
            count: How many slots are free.
            costs: What samples cost now; the same for all if None.
            spare: How many more slots there are for what is tested whatever the samples in flight show (the ends), or most
                probably (what confirms the leader, and more of it where that will not suffice).
        """
        if self.answer() is not None:
            return ()
        if self.is_contradictory():
            return self._choose_splits() if count > 0 and not self._pending else ()
        first = len(self._pending)

        def room(slots: int) -> int:
            return slots - (len(self._pending) - first)

        fixed = [*self._probe_ends(), *self._probe_confirmations()]
        self._pending += [probe for probe in fixed if not self._is_in_flight(probe)][: count + spare]
        # Confirmations come alone: what else to test depends on how they end.
        confirming = any(probe.purpose is Purpose.CONFIRM for probe in fixed)
        while room(count) > 0 and not confirming and (probe := self._choose(costs)):
            self._pending.append(probe)
        self._pending += self._probe_likely()[: room(count + spare)]
        while room(count + spare) > 0 and self._is_short() and (probe := self._choose(costs)):
            self._pending.append(probe)
        return tuple(self._pending[first:])

    def record(self, sample: Sample) -> None:
        """Learn from a sample, asked for or not; raise as `SearchState.record`."""
        super().record(sample)
        self._take_landed(sample.revision, fresh=sample.fresh)
        self._answer = None

    def join_same(self, first: str, second: str) -> None:
        """Learn that two revisions have identical built files; see `SearchState.join_same`."""
        super().join_same(first, second)
        self._answer = None

    def abandon(self, probe: Probe) -> None:
        """Note that a probe will never get a sample."""
        if probe in self._pending:
            self._pending.remove(probe)

    def answer(self) -> Answer | None:
        """Return the answer, or None while the search goes on."""
        if self._answer is None:
            self._answer = verdicts.decide(self)
        return self._answer

    def find_leader(self) -> str | None:
        """Return the culprit of the answer, or that of the answer to expect when all that confirms it is done or in flight."""
        if (answer := self.answer()) is not None:
            return answer.culprit
        leader = self._find_confirmed()
        return None if leader is None or self._probe_likely() else self.history.commits[leader]

    @property
    def stage(self) -> Stage:
        """How far the search is."""
        if self.answer() is not None:
            return Stage.DONE
        if self._probe_ends():
            return Stage.ENDS
        if self._probe_confirmations():
            return Stage.CONFIRM
        brought = np.bincount(self.history.bundle, weights=self.belief.weights)
        tip = int(brought.argmax())
        alone = (self.history.bundle == tip).sum() == 1
        return Stage.MAINLINE if brought[tip] < ENTERED or alone else Stage.DESCENT

    def estimate_tests_left(self) -> float:
        """Estimate the samples left: uncertainty that must go, over what the next sample gives, and confirmation."""
        if self.answer() is not None:
            return 0.0
        weights = np.append(self.belief.weights, self.belief.no_culprit)
        uncertain = -float((weights * np.log2(np.maximum(weights, 1e-300))).sum())
        accepted = float(compute_entropy(np.array(self.settings.confidence)))
        most = float((compute_information(self.belief) * self.find_usable()).max())
        search = max(0.0, uncertain - accepted) / most if most > 0 else 0.0
        waiting = len(self._probe_ends())
        confirm = len(self._probe_confirmations()) or 2 * self.settings.confirmations
        return max(search, float(waiting)) + confirm

    def _probe_ends(self) -> tuple[Probe, ...]:
        # From nothing only at the end: until then a stale tree costs more builds than it can mislead.
        return tuple(Probe(revision=end, purpose=Purpose.END) for end in self.list_unverified())

    def _probe_confirmations(self) -> tuple[Probe, ...]:
        leader = int(self.belief.weights.argmax())
        if self.belief.weights[leader] < min(self.settings.confidence, CONFIRMING):
            return ()
        return tuple(
            Probe(revision=name, purpose=Purpose.CONFIRM, fresh=True) for name in self.list_unconfirmed(leader)
        )

    def _probe_likely(self) -> list[Probe]:
        """Return the probes that will most probably confirm the leader, and are not in flight."""
        leader = self._find_confirmed()
        flying = {probe.revision for probe in self._pending}
        names = () if leader is None else self.list_unconfirmed(leader)
        return [Probe(revision=name, purpose=Purpose.CONFIRM, fresh=True) for name in names if name not in flying]

    def _find_confirmed(self) -> int | None:
        """Return the leader, when it and its parents were sampled already: what is left is to confirm it."""
        leader = int(self.belief.weights.argmax())
        names = (self.history.commits[leader], *self.history.list_parents(leader))
        sampled = all(self.list_samples(name) for name in names)
        return leader if sampled and self.belief.weights[leader] >= LEADING else None

    def _is_short(self) -> bool:
        """Return whether the leader is found, and what is in flight will most probably not make it sure."""
        leader = self._find_confirmed()
        if leader is None:
            return False
        chances, weights, _ = compute_outcomes(self.belief, self._list_flying())
        return float(chances @ (weights[leader] >= self.settings.confidence)) < LEADING

    def _list_flying(self) -> tuple[int, ...]:
        return tuple(self.history.find_index(probe.revision) for probe in self._pending)

    def _is_in_flight(self, probe: Probe) -> bool:
        return any(other.revision == probe.revision and other.purpose is probe.purpose for other in self._pending)

    def _take_landed(self, revision: str, *, fresh: bool) -> None:
        """Take from those in flight what was asked for at the revision; on a fresh build or not, if both were."""
        asked = [probe for probe in self._pending if probe.revision == revision]
        if asked:
            self._pending.remove(max(asked, key=lambda probe: probe.fresh is fresh))

    def _decides(self, place: int) -> bool:
        """Return whether a sample most probably decides between a commit and its child, so that it is to confirm either."""
        if place == len(self.history):
            return False
        second, first = np.argsort(self.belief.weights)[-2:].tolist() if len(self.history) > 1 else (0, 0)
        other = first if place == second else second
        return (
            place in (first, second)
            and self.history.commits[place] in self.history.list_parents(other)
            and self.belief.weights[[first, second]].sum() >= CONFIRMING
        )

    def _choose_splits(self) -> tuple[Probe, ...]:
        """Choose what narrows down one of several changes, one at a time."""
        place = choose_split(self.history, self.list_failed(), self.find_untested())
        assert place is not None  # or there would be an answer
        self._pending.append(Probe(revision=self.history.commits[place], purpose=Purpose.SEARCH))
        return tuple(self._pending)

    def _choose(self, costs: Costs | None) -> Probe | None:
        allowed = self.find_usable()
        priced = Priced(
            costs=costs or Costs.make_unit(self.history),
            testable=self.estimate_testable(),
            allowed=allowed,
            mainline=self.settings.mainline,
        )
        place = choose_best(self.belief, priced, self._list_flying())
        if place is None:
            return None
        name = self.history.good if place == len(self.history) else self.history.commits[place]
        failed, passed = self.belief.count_samples(OUTSIDE if place == len(self.history) else place)
        if not failed and not passed:
            fresh = self._decides(place)
            return Probe(revision=name, purpose=Purpose.CONFIRM if fresh else Purpose.SEARCH, fresh=fresh)
        # A repeat where the leader has to be confirmed anyway is made on a fresh build at once. Two verdicts
        # that contradict each other may come from a stale tree: that is built from nothing too, once.
        leader = int(self.belief.weights.argmax())
        confirming = any(probe.fresh and probe.revision == name for probe in self._pending)
        wanted = self.belief.weights[leader] >= LEADING and name in self.list_unconfirmed(leader) and not confirming
        stale = bool(failed and passed and not self.count_fresh(name))
        return Probe(revision=name, purpose=Purpose.CONFIRM if wanted else Purpose.REPEAT, fresh=wanted or stale)
