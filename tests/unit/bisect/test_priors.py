"""What commits weigh before anything is tested, and what samples are expected to cost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect.engine import History
from harness.bisect.estimates import Estimates
from harness.bisect.priors import load_priors, weigh_commits
from harness.bisect.records import Same, Sample
from harness.bisect.repository import Commit, Range
from harness.bisect.terms import Purpose
from harness.model import Verdict

FILES = st.lists(
    st.sampled_from(
        ["src/nspawn/nspawn.c", "src/core/cgroup.c", "docs/x.md", "test/t.sh", "hwdb.d/a", "meson.build", "ü"]
    ),
    max_size=3,
)


def commit(name: str, *files: str, parents: tuple[str, ...] = ("p",)) -> Commit:
    """Return a commit that touches files."""
    return Commit(name=name, parents=parents, author="", date="", subject="", files=files)


@given(files=FILES, paths=FILES, merge=st.booleans())
def test_never_a_filter(files: list[str], paths: list[str], merge: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever a commit touches and whatever the user names, it weighs at least the floor of 1/20 and at most 1."""
    weight = load_priors().weigh(commit("a", *files, parents=("p", "q") if merge else ("p",)), paths)

    assert load_priors().floor == 0.05
    assert 0.05 <= weight <= 1


@pytest.mark.parametrize(("first", "second"), [
    ("src/nspawn/nspawn.c", "src/resolve/resolved.c"), ("src/resolve/resolved.c", "man/systemd.xml"),
    ("src/core/main.c", "src/core/test-main.c"), ("src/core/main.c", "docs/a.md"), ("libcontainer/a.go", "libcontainer/a_test.go"),
])  # fmt: skip
def test_order(first: str, second: str) -> None:
    """Code of PID 1 and containers is likelier than other code, and code is likelier than text, data and tests."""
    assert load_priors().weigh(commit("a", first), ()) > load_priors().weigh(commit("b", second), ())


def test_heaviest_path_counts() -> None:
    """A commit with code and its documentation weighs as the code."""
    table = load_priors()

    assert table.weigh(commit("a", "man/x.xml", "src/core/main.c"), ()) == table.weigh(
        commit("a", "src/core/main.c"), ()
    )


@pytest.mark.parametrize("path", ["docs", "docs/", "./docs/x.md", "docs/*.md"])
def test_named_paths(path: str) -> None:
    """What the user names weighs most, whatever the table says of it."""
    assert load_priors().weigh(commit("a", "docs/x.md"), [path]) == 1
    assert load_priors().weigh(commit("a", "src/core/main.c"), [path]) < 1
    assert load_priors().weigh(commit("a", "docs2/x.c"), [path]) < 1


def test_first_parent_line() -> None:
    """On the first-parent line a merge weighs as the mean of what it brought in."""
    graph = {"m": ("b", "s2"), "b": ("good",), "s1": ("good",), "s2": ("s1",)}
    history = History.make(graph, good="good", bad="m")
    files = {"b": "man/b", "s1": "src/core/a.c", "s2": "src/core/b.c"}
    commits = {name: commit(name, *([files[name]] if name in files else []), parents=graph[name]) for name in graph}
    known = Range(history=history, commits=commits)
    found = weigh_commits(known, history.follow_first_parent(), ())

    assert set(found) == {"b", "m"}
    assert found["m"] == pytest.approx((load_priors().merge + 1 + 1) / 3)
    assert found["b"] == load_priors().floor


def line(count: int) -> History:
    """Return commits in a line."""
    names = [f"c{number}" for number in range(count)]
    return History.make(
        dict(zip(names, [("good",), *((name,) for name in names)], strict=False)), good="good", bad=names[-1]
    )


def observed(revision: str, build: float, *, fresh: bool = False) -> Sample:
    """Return a sample that was built."""
    return Sample(
        number=1, revision=revision, purpose=Purpose.SEARCH, verdict=Verdict.GOOD, fresh=fresh, artifact=revision,
        seconds={"build": build, "boot": 10.0, "suites": 20.0},
    )  # fmt: skip


def test_costs() -> None:
    """What is in the store costs no build, what is near a built revision costs little, what is far costs a whole one."""
    history = line(400)
    it = Estimates(history, lambda _: 1, ["c100"])
    costs = it.estimate_costs()

    assert costs.build[100] == 0
    assert 0 < costs.build[101] < costs.build[120] < costs.build[399]
    assert costs.build[-1] < costs.build[399]
    assert len(costs.build) == len(costs.test) == 401


def test_costs_are_learned() -> None:
    """Measured builds and boots replace what was assumed; a fresh build is not there for the next revision."""
    it = Estimates(line(400), lambda _: 1)
    it.learn(observed("c399", 300.0, fresh=True))

    assert it.whole == pytest.approx(300)
    assert it.test == pytest.approx(30)
    assert (it.estimate_costs().build == it.whole).all()
    it.learn(observed("c200", 300.0))
    it.learn(Same(first="c200", second="c201", seconds={"build": 3.0}))
    assert it.estimate_costs().build[200] == it.estimate_costs().build[201] == 0
    assert np.isfinite(it.estimate_costs().build).all()


@given(tests=st.floats(0, 50))
def test_time_left(tests: float) -> None:
    """More samples take longer; the last two count as builds from nothing, the others as builds have been so far."""
    it = Estimates(line(40), lambda _: 1)
    it.learn(observed("c39", 300.0, fresh=True))
    it.learn(observed("c20", 10.0))

    assert it.estimate_seconds(tests) <= it.estimate_seconds(tests + 1)
    assert it.estimate_seconds(3) - it.estimate_seconds(2) == pytest.approx(it.test + 10)
