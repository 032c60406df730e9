"""Tests of identifiers of cells, and of cells as results write them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import AXES, Cell, CgroupMode, format_axes, parse_axes, parse_cell_id
from harness.model.axes import BARE_NUMBER, NAME, REVISION, VERSION

names = st.from_regex(NAME, fullmatch=True)
versions = st.from_regex(VERSION, fullmatch=True)
words = st.sampled_from(["1.0.0-rc93", "main", "a-b", "rc1", "1.2-3-gabcdef0", "x-host", "host", "0"])
revisions = st.from_regex(REVISION, fullmatch=True) | st.sampled_from(
    ["252", "v252", "257.9", "origin/main", "v252^", "a-to-b", "a-to", "to-"]
)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Make any cell whose values matrix.yaml could have."""
    systemd = draw(revisions)
    return Cell(
        distro=draw(names),
        channel=draw(names | words),
        release=draw(st.none() | versions | words),
        systemd=systemd,
        systemd_built=BARE_NUMBER.match(systemd) is None,
        upgrade=draw(st.none() | revisions),
        go=draw(st.none() | versions),
        cgroup=draw(st.sampled_from(CgroupMode)),
        runtime=draw(names | words.filter(lambda word: "." not in word)),
        runtime_version=draw(st.none() | versions | words),
        flavor=draw(st.none() | names | words),
    )


@pytest.mark.slow
@given(cells())
def test_an_id_leads_back_to_its_cell(cell: Cell) -> None:
    """Printing and parsing an id are inverse, and an id is safe as the name of a file."""
    assert parse_cell_id(cell.id) == cell
    assert not set(cell.id) & set("/ \\:*?\"'<>|\0")


@pytest.mark.slow
@given(cells())
def test_axes_lead_back_to_their_cell(cell: Cell) -> None:
    """So are the axes as results have them."""
    assert parse_axes(format_axes(cell)) == cell


@pytest.mark.parametrize(
    "text",
    [
        "debian-bookworm+systemd-252+legacy+nspawn",
        "debian-bookworm-backports+systemd-254+legacy+nspawn",
        "debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5",
        "debian-bookworm+systemd-v241-rc1+go-1.27+legacy+runc-1.0.0-rc93",
        "flatcar-edge-2079.99.0+systemd-243+go-1.8.7+hybrid+rkt-1.30.0-host",
        "debian-bullseye+systemd-247+hybrid+runc-distro",
        "debian-bookworm+systemd-252-to-254+unified+nspawn",
    ],
)
def test_ids_that_people_know_stay(text: str) -> None:
    """An id without odd characters is as it was in older results."""
    assert parse_cell_id(text).id == text


def test_what_an_id_must_not_have_is_written_in_hexadecimal_digits() -> None:
    """So that a slash and an underscore do not give two cells one id."""
    cell = parse_cell_id("debian-sid+systemd-v252+legacy+nspawn")
    assert replace(cell, systemd="a/b").id == "debian-sid+systemd-a@2fb+legacy+nspawn"
    assert replace(cell, systemd="a_b").id == "debian-sid+systemd-a_b+legacy+nspawn"
    assert replace(cell, runtime_version="my-fix").id == "debian-sid+systemd-v252+legacy+nspawn-my@2dfix"


@pytest.mark.parametrize("text", ["", "junit", "a+b+c+d+e+f", "a-b+systemd-252+legacy", "a-b+systemd-252+odd+runc-1"])
def test_other_texts_are_no_ids(text: str) -> None:
    """They are refused, and not read as some cell."""
    with pytest.raises(ValueError, match=r"."):
        parse_cell_id(text)


def test_the_table_sets_every_field_of_a_cell() -> None:
    """A field that no axis sets could not be in an id."""
    assert [name for axis in AXES for name in axis.field_names] == list(Cell.__dataclass_fields__)
