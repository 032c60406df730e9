"""What is chosen next: information against brute force, costs, batches, stretches that do not build."""

from collections.abc import Iterable
from itertools import product
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.bisect_histories import linear
from harness.bisect.engine.belief import Belief
from harness.bisect.engine.choose import Costs, Priced, choose_best, compute_information
from harness.bisect.engine.kinds import LEARN
from harness.bisect.engine.rates import Rates
from harness.bisect.engine.testability import Testability
from tests.helpers.bisect_graphs import Graph, graphs, history_of, walk


def bits(chances: Iterable[float]) -> float:
    """Entropy of a distribution, in bits."""
    return -sum(chance * log2(chance) for chance in chances if chance > 1e-12)


def naive(belief: Belief, graph: Graph, samples: list[str]) -> float:
    """Mutual information of the culprit and samples at some commits, over all joint outcomes."""
    history = belief.history
    known = [
        (weight, belief.fails_bad[place], belief.fails_good[place], name)
        for place, (weight, name) in enumerate(zip(belief.weights, history.commits, strict=True))
    ] + [(belief.no_culprit, belief.fails_flat, belief.fails_flat, None)]
    before = bits([weight for weight, *_ in known])
    after = 0.0
    for outcome in product((True, False), repeat=len(samples)):
        joint = []
        for weight, bad, good, name in known:
            chance = weight
            for sample, failed in zip(samples, outcome, strict=True):
                rate = bad if name in walk(graph, sample) else good
                chance *= rate if failed else 1 - rate
            joint.append(chance)
        total = sum(joint)
        after += total * bits([chance / total for chance in joint])
    return before - after


@pytest.mark.slow
@settings(max_examples=60)
@given(graphs(8), st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=6), st.integers(0, 99))
def test_information_is_what_all_outcomes_give(graph: Graph, samples: list[tuple[int, bool]], pending: int) -> None:
    """The information of a sample, alone or next to one in flight, is that of enumerating outcomes and culprits."""
    history = history_of(graph)
    belief = Belief(history, Rates.mix_kinds(LEARN), no_culprit=0.2)
    for number, bad in samples:
        belief.record(number % len(history), bad=bad)
    waiting = pending % len(history)
    alone, beside = compute_information(belief), compute_information(belief, (waiting,))
    for place, name in enumerate(history.commits):
        assert alone[place] == pytest.approx(naive(belief, graph, [name]), abs=1e-6)
        both = naive(belief, graph, [name, history.commits[waiting]])
        assert beside[place] == pytest.approx(both - naive(belief, graph, [history.commits[waiting]]), abs=1e-6)
    assert alone[-1] == pytest.approx(naive(belief, graph, ["good"]), abs=1e-6)


@pytest.mark.slow
@given(graphs())
def test_without_noise_the_choice_is_git_s(graph: Graph) -> None:
    """For a test that never lies, the chosen commit has git's best score, min(X, N - X)."""
    history = history_of(graph)
    priced = Priced(
        costs=Costs.make_unit(history),
        testable=np.ones(len(history) + 1),
        allowed=np.ones(len(history) + 1, dtype=bool),
    )
    chosen = choose_best(Belief(history, Rates.fix_rates(1.0, 0.0)), priced)
    scores = {name: min(len(walk(graph, name)), len(graph) - len(walk(graph, name))) for name in graph}
    if chosen is None:
        assert len(graph) == 1
    else:
        assert scores[history.commits[chosen]] == max(scores.values())


@pytest.fixture
def settled() -> Belief:
    """A belief that hesitates between few commits of 64, with a noisy test."""
    belief = Belief(linear(64), Rates.fix_rates(0.8, 0.2))
    for place in (31, 47, 39):
        belief.record(place, bad=place >= 39)
    return belief


def test_a_cached_build_is_tested_again_where_builds_are_dear(settled: Belief) -> None:
    """With builds a hundred times as dear as boots, a repeat at a built commit is worth more than a new one."""
    everywhere = np.ones(65)
    cheap = Priced(costs=Costs(build=0 * everywhere, test=everywhere), testable=everywhere, allowed=everywhere > 0)
    build = 100 * everywhere
    build[[31, 39, 47]] = 0
    dear = Priced(costs=Costs(build=build, test=everywhere), testable=everywhere, allowed=everywhere > 0)
    assert choose_best(settled, cheap) not in {31, 39, 47}
    assert choose_best(settled, dear) in {31, 39, 47}


@pytest.mark.parametrize(("workers", "rounds"), [(1, 9), (3, 5), (7, 3)])
def test_a_batch_divides_what_is_left_into_equal_parts(workers: int, rounds: int) -> None:
    """N commits chosen together leave about one part in N+1, as in bisect.md 2.8."""
    belief = Belief(linear(512), Rates.fix_rates(1.0, 0.0))
    everywhere = np.ones(513)
    priced = Priced(costs=Costs.make_unit(belief.history), testable=everywhere, allowed=everywhere > 0)
    pending: tuple[int, ...] = ()
    for _ in range(workers):
        chosen = choose_best(belief, priced, pending)
        assert chosen is not None
        pending += (chosen,)
    parts = np.diff([0, *sorted(place + 1 for place in pending), 512])
    assert max(parts) <= 2 * 512 / (workers + 1)
    assert ceil(log2(512) / log2(512 / max(parts))) <= rounds + 1


def test_stretches_are_left_and_lone_commits_are_not() -> None:
    """Many broken commits in a row make their neighbours improbable; broken ones among fine ones do not."""
    stretch, lone = Testability(400), Testability(400)
    for place in range(100, 110):
        stretch.note_broken(place, "build")
    for place in range(0, 400, 8):
        lone.note_fine(place)
    for place in range(3, 400, 40):
        lone.note_broken(place, "build")
    assert stretch.estimate_probabilities()[111] < 0.2
    assert stretch.estimate_probabilities()[399] > stretch.estimate_probabilities()[111]
    assert lone.estimate_probabilities()[4] > 0.5


@pytest.mark.slow
@given(st.sets(st.integers(0, 49), max_size=8), st.sets(st.integers(0, 49), max_size=8))
def test_probabilities_are_probabilities(broken: set[int], fine: set[int]) -> None:
    """What is known is 0 or 1, all else strictly between."""
    testability = Testability(50)
    for place in fine - broken:
        testability.note_fine(place)
    for place in broken:
        testability.note_broken(place, "build")
    found = testability.estimate_probabilities()
    for place in range(50):
        if place in broken:
            assert found[place] == 0
        elif place in fine:
            assert found[place] == 1
        else:
            assert 0 < found[place] < 1


def test_one_reason_says_nothing_about_another() -> None:
    """A commit that does not boot, between two that do not build, is not taken for one of their stretch."""
    same, other = Testability(100), Testability(100)
    for place in (46, 48, 54, 56):
        same.note_broken(place, "build")
        other.note_broken(place, "build")
    same.note_fine(50)
    other.note_fine(50)
    same.note_broken(51, "build")
    other.note_broken(51, "boot")
    assert other.estimate_probabilities()[53] > same.estimate_probabilities()[53]
