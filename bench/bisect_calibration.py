"""How true the stated confidence is: what was stated before each step and at the end, next to how often it was so."""

from collections.abc import Iterator

import numpy as np

from bench.bisect_draws import SEED, Case, cases, mean, say
from bench.bisect_histories import Truth
from bench.bisect_play import MOST, Played, play
from harness.bisect.engine import Search
from harness.bisect.terms import AnswerKind, Noise, SearchSettings

__all__ = ["calibration"]

FLAKES = 0.05
"""Share of searches without a culprit: what the settings say by default."""

RELIABLE = 0.75
"""Share of tests without flips where the default is measured, which takes most tests to be reliable."""

RATES = (0.02, 0.05, 0.1, 0.2, 0.3)


def calibration(draws: int) -> None:
    """Compare the likeliest culprit's posterior before each step, in bins, with how often it was the culprit.

    One search in twenty has no culprit, as the settings say. Steps of one search are not independent: the
    sampling error is that of the mean over searches, and "met" is a difference of at most two of them.
    """
    for name, noise, reliable, alike in (
        ("learn, alike", Noise.LEARN, 0.0, True),
        ("learn, each its own", Noise.LEARN, 0.0, False),
        ("low, alike", Noise.LOW, RELIABLE, True),
        ("low, each its own", Noise.LOW, RELIABLE, False),
    ):
        searches = [_watched(truth, noise) for truth in _truths(draws, reliable, alike=alike)]
        for low in range(4, 10):
            inside = [[one for one in seen if low <= int(one[0] * 10) < low + 1] for seen, _ in searches]
            _row(f"{name}: leader at {low / 10:.1f} to {(low + 1) / 10:.1f}", inside)
        ends = [[(one.answer.confidence, one.right)] for _, one in searches if one.answer.kind is AnswerKind.CULPRIT]
        _row(f"{name}: named as the culprit", ends)


def _truths(draws: int, reliable: float, *, alike: bool) -> Iterator[Truth]:
    """Flips of 2 to 30 % on both sides, the same or each side's own, in all but a share of reliable tests."""
    for case in cases(draws):
        rng = np.random.default_rng((SEED, 6, case.seed))
        misses, alarms = rng.choice(RATES, 2)
        if alike:
            alarms = misses
        if rng.random() < reliable:
            misses = alarms = 0.0
        yield _without_culprit(case, rng.random()) if rng.random() < FLAKES else case.truth(bad=1 - misses, good=alarms)


def _without_culprit(case: Case, rate: float) -> Truth:
    return Truth(history=case.history, culprit=None, fails_good=rate, rng=np.random.default_rng(case.seed))


def _watched(truth: Truth, noise: Noise) -> tuple[list[tuple[float, bool]], Played]:
    seen: list[tuple[float, bool]] = []

    def watch(search: Search) -> None:
        leader = int(search.belief.weights.argmax())
        seen.append((float(search.belief.weights[leader]), leader == truth.culprit))

    played = play(truth, SearchSettings(noise=noise, most_tests=MOST), watch=watch)
    return seen, played


def _row(name: str, searches: list[list[tuple[float, bool]]]) -> None:
    steps = [one for seen in searches for one in seen]
    if not steps:
        return
    said, so = mean(one[0] for one in steps), mean(one[1] for one in steps)
    excess = np.array([sum(true - stated - (so - said) for stated, true in seen) for seen in searches])
    error = float(np.sqrt((excess**2).sum())) / len(steps)
    text = f"stated {said:.3f}, true {so:.3f} +- {error:.3f} ({len(steps)} steps)"
    say(name, text, f"within {2 * error:.3f}", met=abs(said - so) <= 2 * error)
