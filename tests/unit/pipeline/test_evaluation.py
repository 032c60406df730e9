"""What the result of a cell says that ended early; no guest is booted, as its image could not be made."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from harness import machine, pipeline
from harness.catalog import SuiteFile
from harness.cli.progress import ProgressTable
from harness.errors import CancelledError, InfrastructureError
from harness.machine import Machine
from harness.model import Event, Outcome, Phase, State
from harness.pipeline import CellTask, Prerequisite, RunContext, evaluation
from harness.pipeline.context import Evaluation
from harness.plan import Plan
from harness.results import INTERRUPTED, CellResult
from harness.rundir import PLAN
from harness.schedule import runner
from harness.wait import Cancellation, Deadline
from tests.helpers import fake_guest, trees

LACKING = InfrastructureError("The image could not be made.", hint="Look at its log.")


def test_error_is_told_with_its_hint(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """A cell that could not be begun is an error, and its result says why and what to do."""
    result = pipeline.evaluate(CellTask(plan=planned, broken={Phase.IMAGE: LACKING}), work, tmp_path / "cell")

    assert Outcome.ERROR == result.outcome
    assert "The image could not be made.\nLook at its log." == result.error


def test_what_the_computer_refuses_is_a_sentence(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """An error of the system in a cell, in its directory or later, is one of this computer and none of the harness."""
    (tmp_path / "cell" / PLAN).mkdir(parents=True)

    result = pipeline.evaluate(CellTask(plan=planned), work, tmp_path / "cell")

    where = tmp_path / "cell" / PLAN
    assert result.error == f"This computer refused what the harness needs: Is a directory: {where}."


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


def test_a_mistake_of_ours_is_an_error_of_its_cell(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """It is written down with the plan, and does not stop the cells next to it."""

    def fail(_: Event) -> None:
        raise KeyError("colour")

    result = pipeline.evaluate(CellTask(plan=planned), replace(work, emit=fail), tmp_path / "cell")

    assert "The harness met an error of its own: KeyError: 'colour'" == result.error
    assert result == CellResult.model_validate_json((tmp_path / "cell" / "result.json").read_bytes())
    assert planned.cell.distro == json.loads((tmp_path / "cell" / "plan.json").read_bytes())["cell"]["distro"]


SUITE = """
def test_passes(host): assert host.run("echo up").stdout == "up\\n"
def test_fails_as_known(): assert False, "it hangs"
def test_fails_otherwise(): assert False, "it burns"
"""

KNOWN = f"""{trees.AXES}\
expectations:
  - {{cells: runtime==nspawn, cases: "demo/*_fails_*", matching: hangs, reason: It hangs., issue: https://example.org/1,
      expires: {datetime.now(UTC).date() + timedelta(days=1)}}}
"""


@pytest.mark.slow
def test_suites_run_in_the_guest_and_their_cases_are_judged(
    planned: Plan, work: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real pytest on a guest that is this computer: what is known to fail does, the rest is kept for a person."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "test_demo.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    known = trees.load(trees.project(tmp_path / "project"), KNOWN)
    kept: list[Machine] = []
    plan = replace(planned, suites={"demo": SuiteFile(name="demo", description="Three cases.")}, root=tmp_path)
    it = Evaluation(
        task=CellTask(plan=plan, expectations=known.expectations),
        context=replace(work, keep=kept.append),
        directory=tmp_path,
    )
    with fake_guest.guest(tmp_path) as directory:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        evaluation._run_in_guest(it, machine.attach(directory), fresh=None)

    found = {case.nodeid.rpartition("::")[2]: (case.outcome, case.expectation) for case in it.cases}
    assert found == {
        "test_passes": (Outcome.PASSED, None),
        "test_fails_as_known": (Outcome.XFAILED, "Expected: It hangs. (https://example.org/1)"),
        "test_fails_otherwise": (Outcome.FAILED, "Another failure than the expected one, which matches `hangs`."),
    }
    assert [(Phase.SUITES, State.DONE, "1 passed, 1 failed, 1 xfailed")] == [
        (phase.phase, phase.state, phase.text) for phase in it.phases
    ]
    assert [directory] == [guest.files.directory for guest in kept]


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
    progress = ProgressTable(Console(file=screen, width=160), (planned.cell.id,))
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
    assert [
        f"{planned.cell.id}  suites {said} 0.0 s: cgroup",
        f"image x  image {said} 0.0 s",
    ] == screen.getvalue().splitlines()
