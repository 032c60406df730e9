"""What the result of a cell says that ended early; no guest is booted, as its image could not be made."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, matrix, pipeline
from harness.errors import CancelledError, InfrastructureError
from harness.model import Cell, CgroupMode, Outcome, Phase
from harness.pipeline import INTERRUPTED, Workplace
from harness.plan import Plan, plan
from harness.results import CellResult
from harness.store import Store
from harness.wait import Cancellation, Deadline

ROOT = Path(__file__).parents[1]
CELL = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
LACKING = InfrastructureError("The image could not be made.", hint="Look at its log.")


@pytest.fixture
def planned() -> Plan:
    known = catalog.load(ROOT)
    return plan(CELL, matrix.load(ROOT / "matrix.yaml", known), known, ("cgroup",))


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    store = Store(tmp_path / "store")
    return Workplace(
        store=store, emit=lambda _: None, deadline=Deadline.after(60, "cell"), broken={Phase.IMAGE: LACKING}
    )


def test_error_is_told_with_its_hint(planned: Plan, work: Workplace, tmp_path: Path) -> None:
    """A cell that could not be begun is an error, and its result says why and what to do."""
    result = pipeline.evaluate(planned, work, tmp_path / "cell")

    assert Outcome.ERROR == result.outcome
    assert "The image could not be made.\nLook at its log." == result.error


def test_error_of_an_interrupted_cell(planned: Plan, work: Workplace, tmp_path: Path) -> None:
    """What goes wrong after an interruption is its consequence: the cell is interrupted, and runs again on `--resume`."""
    cancelled = Cancellation()
    cancelled.set()
    work = replace(work, deadline=replace(work.deadline, cancelled=cancelled))

    with pytest.raises(CancelledError):
        pipeline.evaluate(planned, work, tmp_path / "cell")
    assert INTERRUPTED == CellResult.model_validate_json((tmp_path / "cell" / "result.json").read_bytes()).error
