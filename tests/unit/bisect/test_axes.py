"""Which differences of two cells flip an outcome: the smallest sets, found by asking each cell once."""

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect.axes import AxisChange, apply_changes, find_differences, find_smallest
from harness.model import Cell, CgroupMode, Verdict

GOOD = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, runtime="nspawn")
CHANGES = tuple(AxisChange(axes=(axis,)) for axis in ("systemd", "go", "cgroup", "flavor"))

CELLS = st.builds(
    Cell,
    distro=st.just("debian"),
    channel=st.sampled_from(["bookworm", "trixie"]),
    systemd=st.sampled_from(["252", "257", "v257"]),
    systemd_built=st.booleans(),
    go=st.sampled_from([None, "1.21", "1.27"]),
    cgroup=st.sampled_from(CgroupMode),
    runtime=st.sampled_from(["nspawn", "runc"]),
    runtime_version=st.sampled_from([None, "1.1.5"]),
    flavor=st.sampled_from([None, "host"]),
)


@pytest.mark.slow
@given(good=CELLS, bad=CELLS)
def test_all_changes_together_are_the_other_cell(good: Cell, bad: Cell) -> None:
    """No change is lost or there twice, and each one alone changes the cell."""
    changes = find_differences(good, bad)
    assert bad == apply_changes(good, bad, frozenset(changes))
    axes = [axis for change in changes for axis in change.axes]
    assert len(axes) == len(set(axes))
    assert all(apply_changes(good, bad, frozenset([change])) != good for change in changes)


def test_what_follows_from_each_other_changes_together() -> None:
    """An image brings its systemd, and a runtime that is not built has no Go; nothing else is tied."""
    bad = Cell(
        distro="debian", channel="trixie", systemd="257", go="1.27", cgroup=CgroupMode.UNIFIED, runtime="runc",
        runtime_version="1.1.5",
    )  # fmt: skip
    assert [("distro", "systemd"), ("cgroup",), ("runtime", "go")] == [
        each.axes for each in find_differences(GOOD, bad)
    ]
    assert "distro==debian-trixie and systemd==257" == find_differences(GOOD, bad)[0].format_value(bad)


@pytest.mark.slow
@given(
    fails=st.sets(st.frozensets(st.sampled_from(CHANGES), min_size=1)),
    skips=st.sets(st.frozensets(st.sampled_from(CHANGES), min_size=1, max_size=3)),
)
def test_smallest_sets_are_those_of_the_naive_search(
    fails: set[frozenset[AxisChange]], skips: set[frozenset[AxisChange]]
) -> None:
    """All failing sets of the least size are found, whatever fails and cannot be tried; no set is asked twice."""
    asked: list[frozenset[AxisChange]] = []

    def ask(chosen: frozenset[AxisChange]) -> Verdict:
        asked.append(chosen)
        if len(chosen) < len(CHANGES) and chosen in skips:
            return Verdict.SKIP
        return Verdict.BAD if len(chosen) == len(CHANGES) or chosen in fails else Verdict.GOOD

    found = find_smallest(CHANGES, ask)
    subsets = [frozenset(each) for size in range(1, 5) for each in combinations(CHANGES, size)]
    failing = [each for each in subsets if ask(each) is Verdict.BAD]
    least = min(map(len, failing))
    assert {each for each in failing if len(each) == least} == set(found.sets)
    assert {each for each in skips if len(each) <= least and len(each) < len(CHANGES)} == set(found.skipped)
    told = asked[: len(found.verdicts)]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(
    ("verdict", "of"),
    [(Verdict.BAD, frozenset()), (Verdict.SKIP, frozenset()), (Verdict.GOOD, CHANGES), (Verdict.SKIP, CHANGES)],
)
def test_ends_that_are_not_what_they_are_said_to_be_end_it(verdict: Verdict, of: frozenset[AxisChange]) -> None:
    """Nothing is found, and nothing else is asked."""
    right = {frozenset[AxisChange](): Verdict.GOOD, frozenset(CHANGES): Verdict.BAD} | {frozenset(of): verdict}
    ask: Callable[[frozenset[AxisChange]], Verdict] = right.__getitem__
    assert () == find_smallest(CHANGES, ask).sets
