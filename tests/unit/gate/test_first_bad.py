"""Where a regression begins, and the command that finds its commit."""

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import RunOutcomes, compare
from harness.gate import FirstBad, find_first_bads
from harness.model import Cell, CgroupMode, Outcome
from tests.helpers.sides import CASE, cell_side, side

BASE = Cell(
    distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.LEGACY, runtime="runc", runtime_version="1.1.5",
    go="1.21",
)  # fmt: skip
SYSTEMD = {"247": "bullseye", "252": "bookworm", "257": "trixie", "262": "sid"}
CELLS = [
    replace(BASE, systemd=systemd, channel=channel, go=go)
    for systemd, channel in SYSTEMD.items()
    for go in ("1.21", "1.27")
]


def found(new: RunOutcomes, old: RunOutcomes | None = None) -> tuple[FirstBad, ...]:
    """Where regressions begin, where all passed before."""
    before = old or side(
        *(replace(cell, cases=dict.fromkeys(cell.cases, Outcome.PASSED)) for cell in new.cells.values())
    )
    return find_first_bads(compare(before, new), before, new)


def failing(*bad: Cell) -> RunOutcomes:
    """All cells, of which some fail."""
    return side(*(cell_side(cell, {CASE: Outcome.FAILED if cell in bad else Outcome.PASSED}) for cell in CELLS))


def test_first_bad_systemd_is_told_with_the_command_to_paste() -> None:
    """The smallest systemd at which it fails, the greatest below at which it passes, in how many cells; the real options."""
    (one,) = found(failing(*(cell for cell in CELLS if cell.systemd in {"257", "262"})))

    assert one.text == "first bad systemd 257 (252 passes) in 4 cells"
    assert shlex.split(one.command) == [
        "harness", "bisect-systemd", "--good", "v252", "--bad", "v257", "--cell", one.cell, "--test", CASE,
    ]  # fmt: skip
    assert one.cell in {cell.id for cell in CELLS if cell.systemd == "257"}


def test_first_bad_go_comes_with_the_command_that_finds_the_release() -> None:
    """Between two versions of the axis there are releases, which bisect-go tries."""
    (one,) = found(failing(*(cell for cell in CELLS if cell.go == "1.27")))

    assert one.text == "first bad Go 1.27 (1.21 passes) in 4 cells"
    assert shlex.split(one.command) == [
        "harness", "bisect-go", "--good", "1.21", "--bad", "1.27", "--cell", one.cell, "--test", CASE,
    ]  # fmt: skip


@pytest.mark.slow
@given(st.sets(st.sampled_from(CELLS)))
def test_claim_is_true_of_the_cells(bad: set[Cell]) -> None:
    """Whatever fails: at `bad` some cell fails and below none does; at `good` all cells next to it pass, and none between does."""
    for one in found(failing(*bad)):
        if one.what != "systemd":
            continue
        go = next(cell.go for cell in CELLS if cell.id == one.cell)
        row = {cell.systemd: cell in bad for cell in CELLS if cell.go == go}
        values = sorted(row, key=int)
        assert row[one.bad]
        assert not any(row[value] for value in values if int(value) < int(one.bad))
        assert values.index(one.good) == values.index(one.bad) - 1
        assert (one.again != "") == any(not row[value] for value in values if int(value) > int(one.bad))


def test_what_fails_everywhere_begins_nowhere() -> None:
    """Where no smaller value passes nothing is claimed, and no command is offered."""
    (one,) = found(failing(*CELLS))

    assert one.text == "fails at every systemd and Go of this run that can be compared in 8 cells"
    assert one.command == ""


def test_update_of_the_distro_is_a_beginning_too() -> None:
    """The same cell passed in the baseline with a smaller systemd; a new package of the same version has no commits."""

    def at(version: str, outcome: Outcome) -> RunOutcomes:
        return side(cell_side(BASE, {CASE: outcome}, facts={"systemd": version}))

    (one,) = found(at("258~rc1-2", Outcome.FAILED), at("257.9-1~deb13u1", Outcome.PASSED))
    (same,) = found(at("252.39-1~deb12u2", Outcome.FAILED), at("252.39-1~deb12u1", Outcome.PASSED))

    assert one.text == f"first bad systemd 258~rc1-2 (the baseline passed with 257.9-1~deb13u1) in {BASE.id}"
    assert "--good v257.9 --bad v258-rc1" in one.command
    assert (same.what, same.command) == ("systemd", "")


def test_built_revisions_are_named_as_they_are() -> None:
    """A cell whose systemd is built from a revision is bisected between such revisions."""
    cells = [replace(BASE, systemd=systemd, systemd_built=True) for systemd in ("v251", "v252-12-g1a2b3c4")]
    new = side(cell_side(cells[0], {CASE: Outcome.PASSED}), cell_side(cells[1], {CASE: Outcome.FAILED}))
    (one,) = found(new)

    assert "--good v251 --bad v252-12-g1a2b3c4 " in one.command


def test_name_of_a_case_cannot_leave_its_word() -> None:
    """A hostile parameter stays one word of the command."""
    case = "cgroup/t.py::t[$(reboot)'; `x` \"]"
    cells = [cell_side(cell, {case: Outcome.FAILED if cell.systemd == "262" else Outcome.PASSED}) for cell in CELLS]
    assert all(shlex.split(one.command)[-1] == case for one in found(side(*cells)))


def test_results_without_axes_have_no_beginning() -> None:
    """A file of another tool says nothing about systemd or Go."""
    (one,) = found(side(cell_side("junit", {"x": Outcome.FAILED})))
    assert (one.what, one.command) == ("", "")
