"""What cells wait for together."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, matrix
from harness.model import Cell, CgroupMode, Event, Phase, State
from harness.pipeline import BUDGETS, Prerequisite, RunContext, list_prerequisites
from harness.plan import make_plan
from harness.wait import Deadline
from tests import ROOT

KNOWN = catalog.load(ROOT)
WANTED = matrix.load(ROOT / "matrix.yaml", KNOWN)
RUNC = Cell(
    distro="debian", channel="bookworm", systemd="v255", cgroup=CgroupMode.UNIFIED,
    runtime="runc", runtime_version="1.1.5", go="1.27", systemd_built=True,
)  # fmt: skip


def list_needs(cell: Cell) -> dict[str, Phase]:
    """Names of what a cell waits for, with the phase that each belongs to."""
    plan = make_plan(cell, WANTED, KNOWN, ("cgroup",))
    return {need.name: need.phase for need in list_prerequisites(plan)}


def test_a_cell_waits_for_its_image_and_for_what_is_built() -> None:
    """What comes with the image is waited for with it; a runtime or a systemd of its own is one thing more each."""
    plain = replace(RUNC, systemd="252", runtime="nspawn", runtime_version=None, go=None, systemd_built=False)
    assert {"image debian/bookworm": Phase.IMAGE} == list_needs(plain)
    needs = list_needs(RUNC)
    assert [Phase.IMAGE, Phase.BUILD, Phase.BUILD] == list(needs.values())
    names = list(needs)
    assert ("image debian/bookworm", True, True) == (names[0], "systemd" in names[1], "runc 1.1.5" in names[2])


def test_cells_that_need_the_same_name_it_the_same() -> None:
    """The cgroup mode is nothing to an image or a build; another Go is another build."""
    assert list_needs(RUNC) == list_needs(replace(RUNC, cgroup=CgroupMode.HYBRID))
    assert 1 == len(list_needs(RUNC).keys() - list_needs(replace(RUNC, go="1.21")).keys())


@pytest.mark.parametrize(("made", "state"), [(True, State.DONE), (False, State.CACHED)])
def test_it_is_reported_whether_it_had_to_be_made(
    work: RunContext, tmp_path: Path, *, made: bool, state: State
) -> None:
    """It gets its log and the time of its phase, within what the run has."""
    seen: list[Event] = []
    given: list[Deadline] = []

    def obtain(_: RunContext, deadline: Deadline, log: Path) -> bool:
        given.append(deadline)
        log.write_text("made")
        return made

    need = Prerequisite(name="image x", phase=Phase.IMAGE, obtain=obtain)
    need.make(replace(work, emit=seen.append), tmp_path / "log")
    need.make(replace(work, deadline=Deadline.after(1e6, "run")), tmp_path / "log")

    assert [State.RUNNING, state] == [event.state for event in seen]
    assert {("image x", Phase.IMAGE)} == {(event.cell, event.phase) for event in seen}
    assert (work.deadline.ends, "image x") == (given[0].ends, given[0].what)
    assert given[1].seconds == pytest.approx(BUDGETS[Phase.IMAGE])
