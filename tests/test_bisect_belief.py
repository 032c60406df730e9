"""The posterior against brute force."""

from math import comb, exp, isclose, lgamma

import numpy as np
import pytest
from bisect_graphs import graphs, history_of, walk
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect.engine import Noise, Settings
from harness.bisect.engine.belief import Belief
from harness.bisect.engine.history import OUTSIDE
from harness.bisect.engine.rates import JEFFREYS, Rates, without_culprit
from harness.errors import UsageError

SAMPLES = st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=12)


def places(history, samples):
    """Samples with their number made an index; one in seven is at the good end."""
    return [(OUTSIDE if number % 7 == 0 else number % len(history), bad) for number, bad in samples]


@given(graphs(), SAMPLES, st.floats(0.55, 0.95), st.floats(0.02, 0.45))
def test_known_rates_give_the_exact_posterior(graph, samples, bad_rate, good_rate):
    """With known rates the posterior is prior times likelihood of every sample, no culprit included."""
    history = history_of(graph)
    belief = Belief(history, Rates.known(bad_rate, good_rate), no_culprit=0.3)
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


def beta(first, second):
    """The Beta function."""
    return exp(lgamma(first) + lgamma(second) - lgamma(first + second))


@given(*(st.integers(0, 12),) * 4)
def test_the_grid_is_exact_for_jeffreys(fails_bad, passes_bad, fails_good, passes_good):
    """Sums over the grid equal the Beta-Bernoulli marginals of the Jeffreys prior, up to the restriction p_b > p_g."""
    rates = Rates.mixture([(1.0, *JEFFREYS)], 0.0)
    flat = rates.same(fails_bad, passes_bad)
    assert isclose(exp(flat.log[0]), beta(0.5 + fails_bad, 0.5 + passes_bad) / beta(0.5, 0.5), rel_tol=1e-9)
    assert isclose(flat.bad[0], (0.5 + fails_bad) / (1 + fails_bad + passes_bad), rel_tol=1e-9)
    counts = np.array([[fails_bad, passes_bad], [fails_good, passes_good]], dtype=float)
    both = [rates.split(first[:1], first[1:], *counts.sum(axis=0)).log[0] for first in (counts[0], counts[1])]
    # The restriction to p_b > p_g and the one to p_b < p_g together are no restriction; each has half the prior.
    unrestricted = np.prod([beta(0.5 + f, 0.5 + p) / beta(0.5, 0.5) for f, p in counts])
    assert isclose((exp(both[0]) + exp(both[1])) / 2, unrestricted, rel_tol=1e-9)


def test_a_side_that_fails_less_is_no_bad_side():
    """A split whose bad side fails less often than its good side is all but impossible."""
    rates = Rates.learned()
    split = rates.split(np.array([9.0, 1.0]), np.array([1.0, 9.0]), 10, 10)
    assert split.log[0] - split.log[1] > 8
    assert split.bad[0] > split.good[0]
    assert split.bad[1] > split.good[1]


@given(graphs(), SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(graph, samples, luck):
    """The posterior is a function of the samples, not of their order."""
    history = history_of(graph)
    first, second = (Belief(history, Rates.mostly_reliable(), no_culprit=0.1) for _ in range(2))
    taken = places(history, samples)
    for place, bad in taken:
        first.record(place, bad=bad)
    for place, bad in luck.sample(taken, len(taken)):
        second.record(place, bad=bad)
    assert first.weights == pytest.approx(second.weights)
    assert first.no_culprit == pytest.approx(second.no_culprit)


def test_rates_are_learned():
    """After many samples the estimates are near the shares that were seen, and their intervals contain these."""
    history = history_of({"c0": ("good",), "tip": ("c0",)})
    belief = Belief(history, Rates.learned())
    for number in range(60):
        belief.record(1, bad=number % 5 != 0)
        belief.record(OUTSIDE, bad=number % 10 == 0)
    before, after = belief.estimates(1)
    assert after is not None
    assert (before.failed, before.samples, after.failed, after.samples) == (6, 60, 48, 60)
    assert before.low < 0.1 < before.high
    assert after.low < 0.8 < after.high
    assert after.mean == pytest.approx(0.8, abs=0.03)


def test_identical_builds_nearly_clear_what_lies_between():
    """Commits between two identical builds keep a small prior, never none."""
    history = history_of({"c0": ("good",), "c1": ("c0",), "tip": ("c1",)})
    belief = Belief(history, Rates.learned())
    belief.exclude(history.ancestors(1) ^ history.ancestors(0), 0.001)
    assert belief.weights == pytest.approx(np.array([1, 0.001, 1]) / 2.001)


@pytest.mark.parametrize("rates", [None, (0.2, 0.2), (0.1, 0.3), (1.5, 0.0), (0.5, -0.1)])
def test_senseless_rates_are_refused(rates):
    """Known rates must be given, be chances, and differ in the right direction."""
    with pytest.raises(UsageError):
        Rates.of(Settings(noise=Noise.KNOWN, rates=rates))


def test_a_flaky_past_speaks_for_a_flake():
    """A test that fails half the time by itself is the likelier reason than one range in fifty; a solid one is not."""
    assert without_culprit(0.5, 0.02) == pytest.approx(0.49 / 0.51)
    assert without_culprit(0.0, 0.02) == 0


def test_marginals_of_a_fair_coin_need_no_order():
    """All orders of k fails in n samples together have the probability of a Beta-binomial: 1 summed over k."""
    rates = Rates.learned()
    total = sum(comb(6, k) * exp(rates.same(k, 6 - k).log[0]) for k in range(7))
    assert total == pytest.approx(1.0)
