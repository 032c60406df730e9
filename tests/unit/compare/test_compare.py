"""What changed between two runs, and shards as one run."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import (
    CellOutcomes,
    ChangeKind,
    RunOutcomes,
    change_of,
    compare,
    drop_axes,
    find_differences,
    group_changes,
    join,
)
from harness.compare.changes import ROWS, TABLE
from harness.errors import UsageError
from harness.model import Cell, CgroupMode, Outcome
from tests.helpers.sides import CASE, cell_side, side

NSPAWN = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, runtime="nspawn")
BAD = {Outcome.FAILED}
GOOD = {Outcome.PASSED, Outcome.XPASSED}

outcomes = st.sampled_from(list(Outcome))
cells = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.tuples(st.dictionaries(st.sampled_from(["x", "y", "z"]), outcomes), st.sampled_from([None, "It broke."])),
)


def made(found: dict[str, tuple[dict[str, Outcome], str | None]], name: str) -> RunOutcomes:
    return side(*(cell_side(cell, cases, error=error) for cell, (cases, error) in found.items()), name=name)


def naive(old: RunOutcomes, new: RunOutcomes) -> Counter[ChangeKind]:
    """Every case of every cell on either side, asked one by one."""
    counts: Counter[ChangeKind] = Counter()
    for name in {*old.cells, *new.cells}:
        one, other = old.cells.get(name), new.cells.get(name)
        for nodeid in {*(one.cases if one else ()), *(other.cases if other else ())}:
            before = one.cases.get(nodeid, Outcome.ERROR if one.error else None) if one else None
            now = other.cases.get(nodeid, Outcome.ERROR if other.error else None) if other else None
            if other is None and ROWS[before] == 0:
                continue  # was skipped, and its cell is gone
            counts[change_of(before, now)] += 1
    return counts


@pytest.mark.slow
@given(cells, cells)
def test_counts_are_those_of_asking_one_by_one(
    one: dict[str, tuple[dict[str, Outcome], str | None]], other: dict[str, tuple[dict[str, Outcome], str | None]]
) -> None:
    """The fast comparison has the counts of the naive one, and lists each case that it counts, or its cell."""
    old, new = made(one, "old"), made(other, "new")
    found = compare(old, new)

    assert found.counts == naive(old, new)
    listed = Counter(case.change for case in found.cases)
    told = {cell.cell for cell in found.cells}
    for change, count in found.counts.items():
        if change is not ChangeKind.SAME and not told:
            assert listed[change] == count


@pytest.mark.slow
@given(cells)
def test_a_run_beside_itself_has_no_regression(found: dict[str, tuple[dict[str, Outcome], str | None]]) -> None:
    """Nothing regressed, is new, gone or fixed."""
    one = made(found, "one")
    still = {ChangeKind.SAME, ChangeKind.STILL_FAILING, ChangeKind.STILL_BROKEN, ChangeKind.STILL_FLAKY}

    assert set(compare(one, one).counts) <= still


@pytest.mark.parametrize("old", [None, *Outcome])
@pytest.mark.parametrize("new", [None, *Outcome])
def test_each_change_means_what_it_says(old: Outcome | None, new: Outcome | None) -> None:
    """Every pair of outcomes has a change; a failure is never called harmless, and an error never a regression."""
    change = change_of(old, new)

    assert len(TABLE) == len(TABLE[0]) == len(set(ROWS.values()))
    if new is Outcome.FAILED:
        assert change in {ChangeKind.REGRESSED, ChangeKind.NEW_FAILING, ChangeKind.STILL_FAILING}
    else:
        assert change not in {ChangeKind.REGRESSED, ChangeKind.NEW_FAILING, ChangeKind.STILL_FAILING}
    assert (new is Outcome.ERROR) == (change in {ChangeKind.BROKEN, ChangeKind.STILL_BROKEN})
    assert (new is Outcome.FLAKY) == (change in {ChangeKind.FLAKY, ChangeKind.STILL_FLAKY})
    if old in GOOD and new in BAD:
        assert change is ChangeKind.REGRESSED
    if old in BAD and new in GOOD:
        assert change is ChangeKind.FIXED
    if old in GOOD and new in {None, Outcome.SKIPPED}:
        assert change is ChangeKind.GONE


def test_cases_of_a_broken_cell_are_broken_and_not_gone() -> None:
    """A cell that broke before its cases ran says nothing about them."""
    old = side(cell_side("a", {"x": Outcome.PASSED, "y": Outcome.FAILED}))
    new = side(cell_side("a", {"y": Outcome.PASSED}, error="The guest died."))
    found = compare(old, new)

    assert found.counts == {ChangeKind.BROKEN: 1, ChangeKind.FIXED: 1}
    assert [(cell.change, cell.cases, cell.text) for cell in found.cells] == [(ChangeKind.BROKEN, 1, "The guest died.")]


def test_failures_of_a_new_cell_are_told_one_by_one() -> None:
    """A cell that is there for the first time is one line, but for what fails in it."""
    found = compare(side(), side(cell_side("a", {"x": Outcome.PASSED, "y": Outcome.FAILED})))

    assert [(case.nodeid, case.change) for case in found.cases] == [("y", ChangeKind.NEW_FAILING)]
    assert [(cell.cell, cell.change) for cell in found.cells] == [("a", ChangeKind.NEW)]


def test_groups_are_the_largest_first() -> None:
    """By cell, suite or case; of equal size by name."""
    new = side(
        cell_side("a", dict.fromkeys([CASE, "pod/test_z.py::t"], Outcome.FAILED)),
        cell_side("b", {CASE: Outcome.FAILED}),
    )
    cases = compare(side(), new).of(ChangeKind.NEW_FAILING)

    assert [*group_changes(cases, "cell")] == ["a", "b"]
    assert {suite: len(items) for suite, items in group_changes(cases, "suite").items()} == {"cgroup": 2, "pod": 1}
    assert [*group_changes(cases, "case")] == [CASE, "pod/test_z.py::t"]


def test_two_results_of_a_cell_are_told_with_both_places() -> None:
    """Shards that overlap are a conflict, whatever their results say."""
    one = side(cell_side("a", {}, place="one/result.json"), name="one")
    other = side(cell_side("a", {}, place="two/result.json"), name="two")
    _, problems = join([one, other])

    assert problems == (
        "The cell a has two results: one in one/result.json, one in two/result.json; leave one out, or count both with --pool.",
    )


@pytest.mark.parametrize("outcomes", [(Outcome.PASSED, Outcome.FAILED), (Outcome.FAILED, Outcome.PASSED)])
def test_of_two_results_of_a_cell_the_worse_counts(outcomes: tuple[Outcome, Outcome]) -> None:
    """In any order, as when CI merges the shards."""
    whole, _ = join([side(cell_side("a", {"x": outcome})) for outcome in outcomes])

    assert whole.cells["a"].outcome is Outcome.FAILED


def test_missing_shard_is_named() -> None:
    """Each shard that is not there has a sentence; all shards there have none, in any order."""
    shards = [side(name=f"s{number}", shards=((number, 3),)) for number in (3, 1, 2)]

    assert join(shards)[1] == ()
    assert join(shards[:2])[1] == ("The shard 2/3 is missing: none of s3, s1 is it.",)
    assert "different divisions" in join([*shards, side(shards=((1, 2),))])[1][0]


@given(st.permutations(["2026-11-24T00:00:00+00:00", "2031-01-01T00:00:00+00:00", "", "no time"]))
def test_clocks_of_shards_decide_nothing(times: list[str]) -> None:
    """Whatever the clocks of the computers said, the same cells are joined, and nothing is said against it."""
    shards = [side(cell_side(f"c{number}", {"x": Outcome.PASSED}), started=time) for number, time in enumerate(times)]
    whole, problems = join(shards)

    assert [*whole.cells] == ["c0", "c1", "c2", "c3"]
    assert problems == ()


def test_cells_are_compared_across_an_axis() -> None:
    """Cells that differ only there are the same cell; two such cells on one side are refused by name."""
    newer = replace(NSPAWN, systemd="257", channel="trixie")
    old, new = side(cell_side(NSPAWN, {"x": Outcome.PASSED})), side(cell_side(newer, {"x": Outcome.FAILED}))
    axes = ("systemd", "distro")

    assert compare(old, new).common == 0
    assert compare(drop_axes(old, axes), drop_axes(new, axes)).counts == {ChangeKind.REGRESSED: 1}
    with pytest.raises(UsageError, match=f"{NSPAWN.id}.* and {newer.id}".replace("+", r"\+")):
        drop_axes(side(*old.cells.values(), *new.cells.values()), axes)
    with pytest.raises(UsageError, match="no axis `kernel`"):
        drop_axes(old, ["kernel"])


def test_what_else_differs_is_told_with_its_share_of_the_regressions() -> None:
    """A fact that changed where the regressions are comes first; what is the same is not reported."""

    def cell(name: str, kernel: str, **more: str) -> CellOutcomes:
        return cell_side(name, {}, facts={"kernel": kernel, "cgroup": "legacy", **more})

    old = side(cell("a", "6.1"), cell("b", "6.1"), cell("c", "6.1"), facts={"harness": "1"})
    new = side(cell("a", "6.7"), cell("b", "6.7"), cell("c", "6.1", boot="cold"), facts={"harness": "2"})
    kernel, boot, harness = find_differences(old, new, frozenset({"a"}))

    assert (kernel.fact, kernel.old, kernel.new) == ("kernel", "6.1", "6.7")
    assert (kernel.cells, kernel.regressed, kernel.of) == (2, 1, 1)
    assert (boot.fact, boot.old, boot.regressed) == ("boot", "", 0)
    assert (harness.fact, harness.cells) == ("harness", 0)


@pytest.mark.parametrize(
    "cell",
    [
        NSPAWN,
        replace(NSPAWN, systemd="v252", systemd_built=True, distro="flatcar", channel="edge", release="2079.99.0"),
        replace(NSPAWN, runtime="rkt", runtime_version="1.30.0", flavor="host", go="1.12"),
    ],
)
def test_cell_is_known_again_from_its_axes(cell: Cell) -> None:
    """What a result says of its axes is enough to ask expressions of its cell; other tools' results have none."""
    assert cell_side(cell, {}).cell == cell
    assert cell_side("junit", {}).cell is None


SHARDS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=8, unique=True)


@given(SHARDS, st.randoms())
def test_the_newest_attempt_of_each_shard_counts(made: list[tuple[int, int]], random: Random) -> None:
    """In whatever order attempts arrive, and whichever are lost: of each shard the newest counts, and older ones are listed."""
    sides = [
        side(
            cell_side(f"c{index}", {CASE: Outcome.PASSED if attempt == 4 else Outcome.FAILED}),
            name=f"{index}.{attempt}", shards=((index, 3),), attempt=attempt, commit="abc",
        )
        for index, attempt in made
        if attempt
    ]  # fmt: skip
    if not sides:
        return
    random.shuffle(sides)
    joined, conflicts = join(sides)
    newest = {index: max(attempt for other, attempt in made if other == index) for index, attempt in made if attempt}
    assert {name: cell.place for name, cell in joined.cells.items()}.keys() == {f"c{index}" for index in newest}
    for index, attempt in newest.items():
        assert joined.cells[f"c{index}"].cases[CASE] is (Outcome.PASSED if attempt == 4 else Outcome.FAILED)
    assert len(joined.older) == len(sides) - len(newest)
    assert len(conflicts) == 3 - len(newest)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"commit": "b"}, "different commits"),
        ({"matrix": "b"}, "different matrices"),
        ({"facts": {"harness": "2"}}, "different versions of the harness"),
        ({"attempt": 2, "commit": "b"}, "different commits"),
    ],
)
def test_parts_of_different_runs_never_mix(more: dict[str, Any], said: str) -> None:
    """Shards of two commits, matrices or harnesses are refused by name, also as different attempts."""
    same: dict[str, Any] = {"commit": "a", "matrix": "a", "facts": {"harness": "1"}, "attempt": 1}
    one = side(cell_side("c", {CASE: Outcome.PASSED}), name="one", **same)
    other = side(cell_side("d", {CASE: Outcome.PASSED}), name="two", **(same | more))
    assert [text for text in join([one, other])[1] if said in text and "one" in text and "two" in text]
    assert join([one, replace(other, commit="", matrix="", facts={})])[1] == ()
