"""What the result of a cell says that ended early; no guest is booted, as its image could not be made."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness import catalog, matrix, pipeline
from harness.cli.progress import ProgressTable
from harness.errors import CancelledError, InfrastructureError
from harness.model import Cell, CgroupMode, Outcome, Phase, State
from harness.pipeline import CellTask, Prerequisite, RunContext
from harness.pipeline.state import Evaluation
from harness.plan import Plan, make_plan
from harness.results import INTERRUPTED, CellResult
from harness.schedule import runner
from harness.store import Store
from harness.wait import Cancellation, Deadline
from tests import ROOT

CELL = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
LACKING = InfrastructureError("The image could not be made.", hint="Look at its log.")


@pytest.fixture
def planned() -> Plan:
    known = catalog.load(ROOT)
    return make_plan(CELL, matrix.load(ROOT / "matrix.yaml", known), known, ("cgroup",))


@pytest.fixture
def work(tmp_path: Path) -> RunContext:
    store = Store(tmp_path / "store")
    return RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(60, "cell"))


@pytest.mark.slow
def test_error_is_told_with_its_hint(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """A cell that could not be begun is an error, and its result says why and what to do."""
    result = pipeline.evaluate(CellTask(plan=planned, broken={Phase.IMAGE: LACKING}), work, tmp_path / "cell")

    assert Outcome.ERROR == result.outcome
    assert "The image could not be made.\nLook at its log." == result.error


@pytest.mark.slow
def test_error_of_an_interrupted_cell(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """What goes wrong after an interruption is its consequence: the cell is interrupted, and runs again on `--resume`."""
    cancelled = Cancellation()
    cancelled.set()
    work = replace(work, deadline=replace(work.deadline, cancelled=cancelled))

    with pytest.raises(CancelledError):
        pipeline.evaluate(CellTask(plan=planned, broken={Phase.IMAGE: LACKING}), work, tmp_path / "cell")
    result = CellResult.model_validate_json((tmp_path / "cell" / "result.json").read_bytes())
    assert (True, INTERRUPTED) == (result.interrupted, result.error)
    assert runner.read_finished(tmp_path / "cell") is None


def test_an_older_interrupted_cell_is_not_finished(tmp_path: Path) -> None:
    """Before there was a field for it, an interrupted cell was known by its error; `--resume` runs it again."""
    for error, done in ((INTERRUPTED, False), ("The image could not be made.", True)):
        (tmp_path / "result.json").write_text(json.dumps({"id": "a", "axes": {}, "error": error}), encoding="utf-8")
        assert done == (runner.read_finished(tmp_path) is not None)


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_phase_that_is_interrupted_has_not_failed(
    planned: Plan, work: RunContext, tmp_path: Path, *, interrupted: bool
) -> None:
    """What the user reads of it is that it was interrupted, and after how long."""
    screen = io.StringIO()
    cancelled = Cancellation()
    progress = ProgressTable(Console(file=screen, width=160), (CELL.id,))
    shown = replace(work, deadline=replace(work.deadline, cancelled=cancelled), emit=progress)
    it = Evaluation(task=CellTask(plan=planned), context=shown, directory=tmp_path)

    def fail(_work: RunContext, _deadline: Deadline, _log: Path) -> bool:
        if interrupted:
            cancelled.set()
        raise LACKING

    with pytest.raises(InfrastructureError), it.run_phase(Phase.SUITES, "cgroup"):
        fail(shown, shown.deadline, tmp_path)
    with pytest.raises(InfrastructureError):
        Prerequisite(name="image x", phase=Phase.IMAGE, obtain=fail).make(shown, tmp_path / "log")

    said = "interrupted after" if interrupted else "failed in"
    assert [State.INTERRUPTED if interrupted else State.FAILED] == [phase.state for phase in it.phases]
    assert [f"{CELL.id}  suites {said} 0.0 s: cgroup", f"image x  image {said} 0.0 s"] == screen.getvalue().splitlines()
