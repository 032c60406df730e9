"""A small set of the simulations of bench/bisect_simulation.py; the figures there are the full set's."""

import time

import numpy as np
import pytest

from bench.bisect_draws import boots, cases, mean, share
from bench.bisect_histories import Truth, linear, merged, stretches
from bench.bisect_play import play
from bench.bisect_rivals import git_bisect, majority
from bench.bisect_simulation import ENDS
from harness.bisect.engine import Search
from harness.bisect.records import Sample
from harness.bisect.terms import Noise, SearchSettings
from harness.model import Verdict


@pytest.mark.slow
def test_without_noise_it_is_as_good_as_git() -> None:
    """Mean tests with `none` are at most git's plus 0.3, and every culprit is right."""
    drawn = list(cases(30))
    ours = [play(case.truth(), SearchSettings(noise=Noise.NONE)) for case in drawn]
    assert share(ours) == 1
    assert mean(one.between for one in ours) <= mean(git_bisect(case.truth()).runs for case in drawn) + 0.3


@pytest.mark.slow
def test_the_default_is_cheap_on_a_reliable_test() -> None:
    """The default takes at most 1.55 times git's tests and those of the ends (the full set's target is 1.5)."""
    drawn = list(cases(30))
    ours = [play(case.truth(), SearchSettings()) for case in drawn]
    assert share(ours) == 1
    assert boots(ours) - ENDS <= 1.55 * mean(git_bisect(case.truth()).runs for case in drawn)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [Noise.LOW, Noise.LEARN])
def test_flips_are_survived_where_git_and_majorities_are_not(noise: Noise) -> None:
    """With 10 % of results flipped and rates unknown, nearly all culprits are right; git finds few of them."""
    drawn = list(cases(30))
    truths = [case.truth(bad=0.9, good=0.1) for case in drawn]
    ours = [play(truth, SearchSettings(noise=noise)) for truth in truths]
    assert share(ours) >= 0.95
    for rival in (git_bisect, majority):
        found = [rival(case.truth(bad=0.9, good=0.1)).suspects == {case.culprit} for case in drawn]
        assert mean(found) < 0.9


@pytest.mark.slow
def test_stretches_waste_few_builds() -> None:
    """In long unbuildable stretches a quarter of git's wasted builds is enough for the set with the culprit."""
    rng = np.random.default_rng(8)
    wasted = [0, 0]
    for _ in range(30):
        history = linear(512)
        truth = Truth(history=history, culprit=int(rng.integers(512)), broken=stretches(512, 0.2, 60, rng), rng=rng)
        played = play(truth, SearchSettings(noise=Noise.NONE))
        assert played.held
        wasted[0] += played.answer.skips
        wasted[1] += git_bisect(truth).wasted
    assert wasted[0] <= wasted[1] / 4


@pytest.mark.slow
def test_choosing_among_50_000_commits_is_quick() -> None:
    """One choice in a DAG of 50,000 commits takes at most half a second of processor time."""
    history = merged(50_000, np.random.default_rng(1))
    search = Search(history)
    search.record(Sample(revision=history.bad, verdict=Verdict.BAD))
    search.record(Sample(revision=history.good, verdict=Verdict.GOOD))
    started = time.process_time()
    assert search.choose_next()
    assert time.process_time() - started <= 0.5
