"""The posterior against brute force."""

from math import comb, exp, isclose, lgamma
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bisect_published import estimate_flake
from harness.bisect.engine import History
from harness.bisect.engine.belief import Belief
from harness.bisect.engine.history import OUTSIDE
from harness.bisect.engine.kinds import LEARN, LOW, Flaw, Kind
from harness.bisect.engine.rates import Rates
from harness.bisect.terms import Noise, SearchSettings
from harness.errors import UsageError
from tests.helpers.bisect_graphs import Graph, graphs, history_of, walk

Samples = list[tuple[int, bool]]

SAMPLES = st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=12)


def places(history: History, samples: Samples) -> Samples:
    """Turn the numbers of samples into indices; one in seven is at the good end."""
    return [(OUTSIDE if number % 7 == 0 else number % len(history), bad) for number, bad in samples]


@pytest.mark.slow
@given(graphs(), SAMPLES, st.floats(0.55, 0.95), st.floats(0.02, 0.45))
def test_known_rates_give_the_exact_posterior(
    graph: Graph, samples: Samples, bad_rate: float, good_rate: float
) -> None:
    """With known rates the posterior is prior times likelihood of every sample, no culprit included."""
    history = history_of(graph)
    belief = Belief(history, Rates.fix_rates(bad_rate, good_rate), no_culprit=0.3)
    likelihood = {name: 0.7 / len(history) for name in history.commits} | {None: 0.3}
    for place, bad in places(history, samples):
        belief.record(place, bad=bad)
        reached = walk(graph, history.commits[place]) if place != OUTSIDE else set()
        for name in likelihood:
            rate = bad_rate if name in reached else good_rate
            likelihood[name] *= rate if bad else 1 - rate
    total = sum(likelihood.values())
    assert belief.weights == pytest.approx(np.array([likelihood[name] / total for name in history.commits]))
    assert isclose(belief.no_culprit, likelihood[None] / total, rel_tol=1e-6)


def beta(first: float, second: float) -> float:
    """Compute the Beta function."""
    return exp(lgamma(first) + lgamma(second) - lgamma(first + second))


@pytest.mark.slow
@given(*(st.integers(0, 12),) * 4)
def test_the_grid_is_exact_for_jeffreys(fails_bad: int, passes_bad: int, fails_good: int, passes_good: int) -> None:
    """Sums over the grid equal the Beta-Bernoulli marginals of the Jeffreys prior, up to the restriction p_b > p_g."""
    rates = Rates.mix_kinds((Kind(weight=1.0, flaw=Flaw.BOTH, wrong=(0.5, 0.5)),))
    flat = rates.compute_same(fails_bad, passes_bad)
    assert isclose(exp(flat.log[0]), beta(0.5 + fails_bad, 0.5 + passes_bad) / beta(0.5, 0.5), rel_tol=1e-9)
    assert isclose(flat.bad[0], (0.5 + fails_bad) / (1 + fails_bad + passes_bad), rel_tol=1e-9)
    counts = np.array([[fails_bad, passes_bad], [fails_good, passes_good]], dtype=float)
    both = [rates.split(first[:1], first[1:], *counts.sum(axis=0)).log[0] for first in (counts[0], counts[1])]
    # The restriction to p_b > p_g and the one to p_b < p_g together are no restriction; each has half the prior.
    unrestricted = np.prod([beta(0.5 + f, 0.5 + p) / beta(0.5, 0.5) for f, p in counts])
    assert isclose((exp(both[0]) + exp(both[1])) / 2, unrestricted, rel_tol=1e-9)


def test_a_side_that_fails_less_is_no_bad_side() -> None:
    """A split whose bad side fails less often than its good side is all but impossible."""
    rates = Rates.mix_kinds(LEARN)
    split = rates.split(np.array([9.0, 1.0]), np.array([1.0, 9.0]), 10, 10)
    assert split.log[0] - split.log[1] > 8
    assert split.bad[0] > split.good[0]
    assert split.bad[1] > split.good[1]


@pytest.mark.slow
@given(graphs(), SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(graph: Graph, samples: Samples, luck: Random) -> None:
    """The posterior is a function of the samples, not of their order."""
    history = history_of(graph)
    first, second = (Belief(history, Rates.mix_kinds(LOW), no_culprit=0.1) for _ in range(2))
    taken = places(history, samples)
    for place, bad in taken:
        first.record(place, bad=bad)
    for place, bad in luck.sample(taken, len(taken)):
        second.record(place, bad=bad)
    assert first.weights == pytest.approx(second.weights)
    assert first.no_culprit == pytest.approx(second.no_culprit)


def test_rates_are_learned() -> None:
    """After many samples the estimates are near the shares that were seen, and their intervals contain these."""
    history = history_of({"c0": ("good",), "tip": ("c0",)})
    belief = Belief(history, Rates.mix_kinds(LEARN))
    for number in range(60):
        belief.record(1, bad=number % 5 != 0)
        belief.record(OUTSIDE, bad=number % 10 == 0)
    before, after = belief.estimate_rates(1)
    assert after is not None
    assert (before.failed, before.samples, after.failed, after.samples) == (6, 60, 48, 60)
    assert before.low < 0.1 < before.high
    assert after.low < 0.8 < after.high
    assert after.mean == pytest.approx(0.8, abs=0.03)


def test_identical_builds_nearly_clear_what_lies_between() -> None:
    """Commits between two identical builds keep a small prior, never none."""
    history = history_of({"c0": ("good",), "c1": ("c0",), "tip": ("c1",)})
    belief = Belief(history, Rates.mix_kinds(LEARN))
    belief.exclude(history.find_ancestors(1) ^ history.find_ancestors(0), 0.001)
    assert belief.weights == pytest.approx(np.array([1, 0.001, 1]) / 2.001)


@pytest.mark.parametrize("rates", [None, (0.2, 0.2), (0.1, 0.3), (1.5, 0.0), (0.5, -0.1)])
def test_senseless_rates_are_refused(rates: tuple[float, float] | None) -> None:
    """Known rates must be given, be chances, and differ in the right direction."""
    with pytest.raises(UsageError):
        Rates.make_prior(SearchSettings(noise=Noise.KNOWN, rates=rates))


def test_a_flaky_past_speaks_for_a_flake() -> None:
    """A test that fails half the time by itself is the likelier reason than one range in fifty; a solid one is not."""
    assert estimate_flake(0.5, 0.02) == pytest.approx(0.49 / 0.51)
    assert estimate_flake(0.0, 0.02) == 0


def test_marginals_of_a_fair_coin_need_no_order() -> None:
    """All orders of k fails in n samples together have the probability of a Beta-binomial: 1 summed over k."""
    rates = Rates.mix_kinds(LEARN)
    total = sum(comb(6, k) * exp(rates.compute_same(k, 6 - k).log[0]) for k in range(7))
    assert total == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("flaw", "bad_side", "good_side"),
    [
        (Flaw.FAILS, (1.0, 1.0), (0.0, 1.0)),
        (Flaw.PASSES, (0.0, 1.0), (0.0, 0.0)),
        (Flaw.ALIKE, (0.5, 1.0), (0.0, 0.5)),
        (Flaw.BOTH, (0.0, 1.0), (0.0, 1.0)),
    ],
)
def test_each_kind_has_its_own_wrong_results(
    flaw: Flaw, bad_side: tuple[float, float], good_side: tuple[float, float]
) -> None:
    """A test that only fails without cause never passes at a bad revision, and so on; `ALIKE` has one rate for both."""
    rates = Rates.mix_kinds((Kind(weight=1.0, flaw=flaw, wrong=(1.0, 1.0)),))
    bad, good = np.nonzero(rates.joint)
    for places, (low, high) in ((bad, bad_side), (good, good_side)):
        assert rates.nodes[places].min() >= low - 1e-3
        assert rates.nodes[places].max() <= high + 1e-3
    if flaw is Flaw.ALIKE:
        assert rates.nodes[bad] == pytest.approx(1 - rates.nodes[good])


def test_the_kind_is_learned() -> None:
    """Failures before the culprit alone teach that the test fails without cause, not that it passes without reason."""
    history = history_of({"c0": ("good",), "tip": ("c0",)})
    belief = Belief(history, Rates.mix_kinds(LOW))
    for number in range(20):
        belief.record(1, bad=True)
        belief.record(OUTSIDE, bad=number % 4 == 0)
    assert belief.fails_good[1] == pytest.approx(0.25, abs=0.05)
    assert belief.fails_bad[1] > 0.97


def test_the_past_counts_as_samples_at_good_revisions() -> None:
    """What a test's past says is what the same samples at the good end say, but the prior of no culprit stays."""
    history = history_of({"c0": ("good",), "tip": ("c0",)})
    past = Belief(history, Rates.make_prior(SearchSettings(noise=Noise.LEARN, past=(3, 17))), no_culprit=0.2)
    assert past.no_culprit == pytest.approx(0.2)
    lived = Belief(history, Rates.mix_kinds(LEARN, SearchSettings().least_effect))
    for number in range(20):
        lived.record(OUTSIDE, bad=number < 3)
    assert past.fails_good == pytest.approx(lived.fails_good)
    assert past.fails_bad == pytest.approx(lived.fails_bad)


def test_one_pass_clears_a_revision_where_a_culprit_always_fails() -> None:
    """With `always_fails` a commit that passed once, and all before it, is no culprit, however flaky the test is."""
    history = history_of({"c0": ("good",), "c1": ("c0",), "tip": ("c1",)})
    belief = Belief(history, Rates.make_prior(SearchSettings(always_fails=True)))
    for bad in (True, False):
        belief.record(1, bad=bad)
    assert belief.weights[2] > 0.98
