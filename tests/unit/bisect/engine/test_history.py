"""The DAG of candidates: ancestors, sums, first parents, parsing."""

import random
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect.engine import History
from harness.bisect.engine.history import OUTSIDE
from harness.errors import UsageError
from tests.helpers.bisect_graphs import GOOD, Graph, graphs, history_of, walk


@pytest.mark.slow
@given(graphs())
def test_ancestors_are_those_of_a_walk(graph: Graph) -> None:
    """The ancestors of every commit are what walking its parents finds."""
    history = history_of(graph)
    for name in graph:
        found = {history.commits[place] for place in np.flatnonzero(history.find_ancestors(history.find_index(name)))}
        assert walk(graph, name) == found


@pytest.mark.slow
@given(graphs(), st.randoms(use_true_random=False))
def test_sums_are_those_of_a_walk(graph: Graph, luck: Random) -> None:
    """The sums over ancestors are what walking and adding gives, for one column and for many."""
    history = history_of(graph)
    values = np.array([[luck.random(), luck.random()] for _ in history.commits])
    expected = [
        values[[history.find_index(found) for found in walk(graph, name)]].sum(axis=0) for name in history.commits
    ]
    assert history.sum_ancestors(values) == pytest.approx(np.array(expected))
    assert history.sum_ancestors(values[:, 0]) == pytest.approx(np.array(expected)[:, 0])


@pytest.mark.slow
@given(graphs())
def test_parents_come_first_and_the_tip_last(graph: Graph) -> None:
    """Commits are ordered with parents before children, and the bad end is the last."""
    history = history_of(graph)
    assert history.bad == "tip"
    assert set(graph) == set(history.commits)
    for place, parents in enumerate(history.parents):
        assert all(parent < place for parent in parents)


@pytest.mark.slow
@given(graphs())
def test_bundles_are_what_each_mainline_commit_brought_in(graph: Graph) -> None:
    """A commit belongs to the first mainline commit that has it among its ancestors."""
    history = history_of(graph)
    line = [history.commits[place] for place in np.flatnonzero(history.mainline)]
    for place, name in enumerate(history.commits):
        first = next(tip for tip in line if name in walk(graph, tip))
        assert first == history.commits[history.bundle[place]]


@pytest.mark.slow
@given(graphs())
def test_first_parent_history_keeps_every_commit_counted(graph: Graph) -> None:
    """The first-parent history is the mainline, and its sizes add up to all candidates."""
    history = history_of(graph)
    line = history.follow_first_parent()
    assert tuple(history.commits[place] for place in np.flatnonzero(history.mainline)) == line.commits
    assert len(history) == line.sizes.sum()
    assert all(len(line.parents[place]) == (place > 0) for place in range(len(line)))


@pytest.mark.slow
@given(graphs(), st.integers(0, 99))
def test_order_of_lines_does_not_matter(graph: Graph, seed: int) -> None:
    """Parsing the output of git in any order gives the same history."""
    lines = [" ".join((name, *parents)) for name, parents in graph.items()]
    shuffled = random.Random(seed).sample(lines, len(lines))
    parsed = History.parse("\n".join(shuffled) + "\n\n", good=GOOD, bad="tip")
    assert history_of(graph).commits == parsed.commits
    assert history_of(graph).parents == parsed.parents


def test_parents_outside_are_named() -> None:
    """A parent that is no candidate keeps its name, because confirming tests it, and counts as good."""
    history = History.parse("b a old\na good\n", good="good", bad="b")
    assert history.list_parents(history.find_index("b")) == ("a", "old")
    assert history.find_index("old") == OUTSIDE == history.find_index("good")
    assert not history.find_ancestors(OUTSIDE).any()


def test_nothing_between_the_ends_is_refused() -> None:
    """A bad end that is an ancestor of the good one, or the same, is the user's mistake."""
    with pytest.raises(UsageError, match="nothing between"):
        History.parse("", good="abc", bad="abc")


def test_unknown_revision_is_refused() -> None:
    """A revision that is neither candidate nor good is the user's mistake."""
    with pytest.raises(UsageError, match="not between"):
        History.parse("b good\n", good="good", bad="b").find_index("nowhere")
