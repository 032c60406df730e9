"""What the result of a cell says that ended early; no guest is booted, as its image could not be made."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness import catalog, matrix, pipeline
from harness.cli.progress import Progress
from harness.errors import CancelledError, InfrastructureError
from harness.model import Cell, CgroupMode, Outcome, Phase, State
from harness.pipeline import INTERRUPTED, Workplace
from harness.pipeline.needs import Need
from harness.pipeline.state import Evaluation
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


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_phase_that_is_interrupted_has_not_failed(
    planned: Plan, work: Workplace, tmp_path: Path, *, interrupted: bool
) -> None:
    """What the user reads of it is that it was interrupted, and after how long."""
    screen = io.StringIO()
    cancelled = Cancellation()
    progress = Progress(Console(file=screen, width=160), (CELL.id,))
    shown = replace(work, deadline=replace(work.deadline, cancelled=cancelled), emit=progress)
    it = Evaluation(plan=planned, directory=tmp_path, work=shown)

    def fail(_work: Workplace, _deadline: Deadline, _log: Path) -> bool:
        if interrupted:
            cancelled.set()
        raise LACKING

    with pytest.raises(InfrastructureError), it.phase(Phase.SUITES, "cgroup"):
        fail(shown, shown.deadline, tmp_path)
    with pytest.raises(InfrastructureError):
        Need(name="image x", phase=Phase.IMAGE, obtain=fail).make(shown, tmp_path / "log")

    said = "interrupted after" if interrupted else "failed in"
    assert [State.INTERRUPTED if interrupted else State.FAILED] == [phase.state for phase in it.phases]
    assert [f"{CELL.id}  suites {said} 0.0 s: cgroup", f"image x  image {said} 0.0 s"] == screen.getvalue().splitlines()
