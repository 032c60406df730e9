"""Cases of one name: what was executed again, what is another case, and what is the same under a name that varies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import ChangeKind, Places, compare, load_baseline, open_part, open_side, write_baseline
from harness.compare.copies import CaseCopy, find_outcome, pair_copies
from harness.errors import ExitCode
from harness.model import Outcome

P, F, Y = Outcome.PASSED, Outcome.FAILED, Outcome.FLAKY


def write(path: Path, *suites: tuple[str, str, list[tuple[str, str]]]) -> str:
    """Write a JUnit file of suites, each its name, its classname, and cases with `F` for a failure."""
    parts = [
        f'<testsuite name="{name}">'
        + "".join(
            f'<testcase classname="{owner}" name="{case}">{"<failure/>" if said == "F" else ""}</testcase>'
            for case, said in cases
        )
        + "</testsuite>"
        for name, owner, cases in suites
    ]
    path.write_text(f"<testsuites>{''.join(parts)}</testsuites>", encoding="utf-8")
    return str(path)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Directories without runs and baselines."""
    return Places(runs=tmp_path / "runs", baselines=tmp_path / "baselines")


outcomes = st.sampled_from([P, F, Outcome.ERROR, Outcome.SKIPPED, Y])
copies = st.lists(st.builds(CaseCopy, st.sampled_from(["", "a", "b"]), outcomes), max_size=5)


@given(copies, copies)
def test_no_failure_is_lost(old: list[CaseCopy], new: list[CaseCopy]) -> None:
    """As many as passed at most can have passed, and with as many copies on both sides each failure counts."""
    pairs = list(pair_copies(old, new))
    now = [copy.outcome for _, copy in pairs if copy is not None]
    if [copy.place for copy in old] == [copy.place for copy in new]:
        assert sorted(now) == sorted(copy.outcome for copy in new)
    if any(copy.outcome is F for copy in new):
        assert {F, Y, Outcome.ERROR} & set(now)
    for place in {copy.place for copy in new}:
        failed = [copy.outcome for copy in new if copy.place == place]
        if set(failed) == {F}:
            assert F in now


@given(copies)
def test_a_side_is_the_same_as_itself_in_any_order(found: list[CaseCopy]) -> None:
    """The order of cases of one name means nothing to a comparison of as many."""
    for other in (found, found[::-1]):
        assert all(
            old is not None and new is not None and old.outcome is new.outcome for old, new in pair_copies(found, other)
        )


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("PP", "FP", {ChangeKind.REGRESSED, ChangeKind.SAME}),
        ("PP", "PF", {ChangeKind.REGRESSED, ChangeKind.SAME}),
        ("P", "FP", {ChangeKind.FLAKY}),
        ("P", "FF", {ChangeKind.REGRESSED}),
        ("PP", "FPP", {ChangeKind.FLAKY, ChangeKind.SAME}),
        ("FP", "P", {ChangeKind.STEADY}),
        ("P", "PF", {ChangeKind.NEW_FAILING, ChangeKind.SAME}),
        ("FP", "PF", {ChangeKind.STILL_FAILING, ChangeKind.SAME}),
        ("", "FP", {ChangeKind.FLAKY, ChangeKind.NEW}),
    ],
)
def test_only_a_surplus_is_a_rerun(
    tmp_path: Path, places: Places, old: str, new: str, changes: set[ChangeKind]
) -> None:
    """Cases of one name in one suite are reruns as far as one side has more of them than the other."""
    sides = [
        open_side(
            write(tmp_path / f"{index}.xml", ("s", "c", [("other", "P"), *(("a", said) for said in text)])), places
        )
        for index, text in enumerate((old, new))
    ]
    found = compare(*sides)
    assert found.changes - {ChangeKind.SAME} == changes - {ChangeKind.SAME, ChangeKind.NEW}
    assert (found.exit_code is ExitCode.FAILED) == bool(changes & {ChangeKind.REGRESSED, ChangeKind.NEW_FAILING})


@pytest.mark.parametrize("first", [True, False])
def test_suites_and_joins_that_look_alike_stay_apart(tmp_path: Path, places: Places, *, first: bool) -> None:
    """The same name in two browsers, and `a` + `b::c` next to `a::b` + `c`: each failure is seen, in a baseline too."""
    old = [("chromium", "a", [("b::c", "P")]), ("firefox", "a", [("b::c", "P")]), ("s", "a::b", [("c", "P")])]
    side = open_side(write(tmp_path / "old.xml", *old), places)
    write_baseline(side, tmp_path / "b.json")
    kept = load_baseline(tmp_path / "b.json", name="b")
    assert side.counts == kept.counts == {"cells": 1, "cases": 3, "ran": 3, "failed": 0}
    for bad in range(3):
        new = [
            (name, owner, [(case, "F" if index == bad else "P") for case, _ in cases])
            for index, (name, owner, cases) in enumerate(old)
        ]
        now = open_side(write(tmp_path / "new.xml", *(new if first else new[::-1])), places)
        for before in (side, kept):
            assert compare(before, now).counts == {ChangeKind.REGRESSED: 1, ChangeKind.SAME: 2}


def test_many_files_of_a_tool_are_one_side(tmp_path: Path, places: Places) -> None:
    """A file for each class, named with commas or by their directory, is one side; one of them only is another."""
    directory = tmp_path / "reports"
    directory.mkdir()
    names = [write(directory / f"TEST-{name}.xml", (name, name, [("x", "P")])) for name in "abc"]
    (directory / "summary.xml").write_text("<summary/>", encoding="utf-8")
    whole, listed = (open_part(text, places, (), ()) for text in (str(directory), ",".join(names)))
    assert whole.counts["cases"] == 3
    assert compare(whole, listed).counts == {ChangeKind.SAME: 3}
    apart = compare(open_side(names[0], places), open_side(names[1], places))
    assert apart.exit_code is ExitCode.NOTHING_RAN
    (directory / "TEST-d.xml").write_bytes(b"")
    with pytest.raises(Exception, match="empty"):
        open_side(str(directory), places)


@pytest.mark.parametrize(
    ("old", "new", "alike"),
    [
        ("t[&lt;object at 0x7f0011223344&gt;]", "t[&lt;object at 0x7f99aabbccdd&gt;]", True),
        ("t {seed=123}", "t {seed=4567}", True),
        ("t [seed=[8A3F:11]]", "t [seed=[99:B2C0]]", True),
        ("t 123e4567-e89b-12d3-a456-426614174000", "t 123e4567-e89b-12d3-a456-426614174fff", True),
        ("t /tmp/abc/x", "t /tmp/def", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("t[1]", "t[2]", False),
        ("t[0x1]", "t[0x2]", False),
    ],
)
def test_names_that_vary_are_recognized(tmp_path: Path, places: Places, old: str, new: str, *, alike: bool) -> None:
    """Addresses, seeds, UUIDs, temporary files and the form of accents do not make another case of it."""
    sides = [
        open_side(write(tmp_path / f"{said}.xml", ("s", "c", [(name, said), ("x", "P")])), places)
        for name, said in ((old, "P"), (new, "F"))
    ]
    found = compare(*sides)
    assert (ChangeKind.REGRESSED in found.changes) is alike
    assert (ChangeKind.GONE in found.changes) is not alike


def test_go_says_that_a_second_case_is_the_same_again() -> None:
    """Without another side, a failure before a pass in one place was executed again; in two places it is two."""
    assert find_outcome([CaseCopy("a", F), CaseCopy("a", P)]) is Y
    assert find_outcome([CaseCopy("a", F), CaseCopy("b", P)]) is F
    assert find_outcome([CaseCopy("a", P), CaseCopy("a", F)]) is F
