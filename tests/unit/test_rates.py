"""Failure rates by counts: exact tests against enumeration, intervals, and the share of chance among findings."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rates import compute_excess, compute_increase, compute_interval, select_discoveries

COUNTS = st.integers(1, 5).flatmap(lambda runs: st.tuples(st.integers(0, runs), st.just(runs)))


@given(COUNTS, COUNTS)
def test_fisher_is_what_enumeration_says(old: tuple[int, int], new: tuple[int, int]) -> None:
    """Of all ways to place the failures among the runs, those with as many or more on the new side are counted."""
    failed, runs = old[0] + new[0], old[1] + new[1]
    ways = [sum(place < new[1] for place in places) for places in combinations(range(runs), failed)]
    expected = Fraction(sum(count >= new[0] for count in ways), len(ways))
    assert compute_increase(old, new) == pytest.approx(float(expected))


@given(st.floats(0.001, 0.999), st.integers(1, 8))
def test_fisher_holds_its_level_at_any_rate(rate: float, runs: int) -> None:
    """Without a difference, a p of 5 % or less is seen in 5 % of all cases at most, whatever the rate is."""
    chances = [compute_excess(count, runs, rate) - compute_excess(count + 1, runs, rate) for count in range(runs + 1)]
    level = sum(
        chances[old] * chances[new]
        for old in range(runs + 1)
        for new in range(runs + 1)
        if compute_increase((old, runs), (new, runs)) <= 0.05
    )
    assert level <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("old", "new", "chance"), [((0, 10), (5, 10), 0.0163), ((0, 20), (5, 20), 0.0236), ((3, 20), (3, 20), 0.6697)]
)
def test_fisher_is_as_tables_have_it(old: tuple[int, int], new: tuple[int, int], chance: float) -> None:
    """Known values, by the hypergeometric distribution."""
    assert compute_increase(old, new) == pytest.approx(chance, abs=1e-3)


def test_excess_is_the_binomial_tail() -> None:
    """At least as many failures as there were, at the rate that is taken for usual."""
    assert compute_excess(0, 10, 0.05) == pytest.approx(1.0)
    assert compute_excess(3, 3, 0.05) == pytest.approx(0.05**3)


@given(st.dictionaries(st.integers(), st.floats(0, 1)), st.floats(0.01, 0.5))
def test_discoveries_are_the_smallest_and_bounded(values: dict[int, float], share: float) -> None:
    """What is selected is below the share, less probable than all that is not, and everything that Bonferroni selects."""
    found = select_discoveries(values, share)
    assert all(values[key] <= share for key in found)
    assert max((values[key] for key in found), default=0) <= min(
        (values[key] for key in values.keys() - found), default=1
    )
    assert found >= {key for key, value in values.items() if value <= share / max(len(values), 1)}


def test_interval_of_nothing_is_everything() -> None:
    """No run says nothing; more runs say more."""
    assert compute_interval(0, 0) == (0.0, 1.0)
    assert compute_interval(0, 100)[1] < compute_interval(0, 10)[1] < 0.3
