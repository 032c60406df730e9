"""Small histories for the bisection tests, and the naive way to walk them."""

from hypothesis import strategies as st

from harness.bisect.engine import History

GOOD = "good"

Graph = dict[str, tuple[str, ...]]
"""Commits with their parents."""


@st.composite
def graphs(draw: st.DrawFn, largest: int = 24) -> Graph:
    """Any DAG with one tip that reaches everything: octopus merges, several roots, parents outside."""
    size = draw(st.integers(1, largest))
    graph: Graph = {}
    for place in range(size):
        known = [*graph, GOOD, "older"]
        parents = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        graph[f"c{place}"] = tuple(parents)
    tips = [name for name in graph if not any(name in parents for parents in graph.values())]
    return graph | {"tip": tuple(tips)}


def history_of(graph: Graph) -> History:
    """Return the history of such a graph."""
    return History.make(graph, good=GOOD, bad="tip")


def walk(graph: Graph, name: str) -> set[str]:
    """Candidates among a commit's ancestors, itself included, by walking."""
    if name not in graph:
        return set()
    return {name}.union(*(walk(graph, parent) for parent in graph[name]))
