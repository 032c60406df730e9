"""Plays one search of ours against a made-up truth."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from bench.bisect_histories import Truth
from harness.bisect.engine import Search
from harness.bisect.records import Sample
from harness.bisect.terms import Answer, AnswerKind, Probe, Purpose, SearchSettings
from harness.model import Verdict

__all__ = ["Played", "observe", "play"]

MOST = 600
"""Samples after which a search has to say what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a search went.

    Attributes:
        answer: What it found.
        right: Whether it names exactly the culprit, or says that there is none where there is none.
        held: Whether the culprit is among its suspects.
        purposes: Boots for each purpose.
        rounds: Times at which the search was asked for more.
    """

    answer: Answer
    right: bool
    held: bool
    purposes: Counter[Purpose]
    rounds: int

    @property
    def between(self) -> int:
        """Boots between verifying the ends and confirming: what git's count is comparable with."""
        return self.purposes[Purpose.SEARCH] + self.purposes[Purpose.REPEAT]


def observe(truth: Truth, request: Probe) -> Sample:
    """One boot of what was asked for."""
    place = truth.history.find_index(request.revision)
    if not truth.builds(place):
        return Sample(revision=request.revision, verdict=Verdict.SKIP, fresh=request.fresh)
    return Sample(
        revision=request.revision, verdict=Verdict.BAD if truth.fails(place) else Verdict.GOOD, fresh=request.fresh
    )


def play(
    truth: Truth,
    settings: SearchSettings,
    *,
    workers: int = 1,
    spare: int = 0,
    watch: Callable[[Search], None] | None = None,
) -> Played:
    """Search until there is an answer, with so many boots in a round; `watch` looks at the search before each round."""
    search = Search(truth.history, settings)
    purposes: Counter[Purpose] = Counter()
    rounds = 0
    while (answer := search.answer()) is None:
        if watch:
            watch(search)
        rounds += 1
        for request in search.choose_next(workers, spare=spare):
            seen = observe(truth, request)
            search.record(seen)
            purposes[request.purpose] += seen.verdict is not Verdict.SKIP
    return judged(truth, answer, purposes, rounds)


def judged(truth: Truth, answer: Answer, purposes: Counter[Purpose], rounds: int) -> Played:
    """Compare an answer with the truth."""
    named = {suspect.revision for suspect in answer.suspects}
    if truth.culprit is None:
        right = held = answer.kind in {AnswerKind.FLAKY, AnswerKind.BAD_PASSES, AnswerKind.GOOD_FAILS}
    else:
        culprit = truth.history.commits[truth.culprit]
        right, held = answer.culprit == culprit, culprit in named
    return Played(answer=answer, right=right, held=held, purposes=purposes, rounds=rounds)
