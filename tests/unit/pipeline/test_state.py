"""The phases of a cell: what each is given, what it reports, and what the result keeps of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog
from harness.errors import InfrastructureError
from harness.model import Event, Outcome, Phase, State
from harness.pipeline import BUDGETS, CellTask, RunContext
from harness.pipeline.context import IN_GUEST, Evaluation
from harness.plan import Plan
from harness.wait import Deadline
from tests import ROOT


@pytest.mark.parametrize("phase", Phase)
def test_only_what_runs_in_a_guest_takes_longer_under_emulation(
    planned: Plan, work: RunContext, tmp_path: Path, phase: Phase
) -> None:
    """A phase has its own time, times the accelerator's factor in the guest, and never more than the run has left."""
    long = replace(work, deadline=Deadline.after(1e6, "run"))
    slow = Evaluation(task=CellTask(plan=planned), context=long, directory=tmp_path, factor=10)
    with slow.run_phase(phase, "x") as progress:
        assert progress.deadline.seconds == pytest.approx(BUDGETS[phase] * (10 if phase in IN_GUEST else 1))
        assert f"{phase} of {planned.cell.id}" == progress.deadline.what
    with replace(slow, context=work).run_phase(phase, "x") as progress:
        assert progress.deadline.ends <= work.deadline.ends


def test_a_phase_is_reported_and_kept(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """It is seen when it begins and when it ends, with what it found out about itself, and whether it had work."""
    seen: list[Event] = []
    it = Evaluation(task=CellTask(plan=planned), context=replace(work, emit=seen.append), directory=tmp_path)
    with it.run_phase(Phase.BUILD, "runc") as progress:
        progress.text = "runc 1.1.5"
    with it.run_phase(Phase.IMAGE, "bookworm") as progress:
        progress.cached = True
    with pytest.raises(ValueError, match="anything"), it.run_phase(Phase.BOOT, "under tcg"):
        raise ValueError("anything")

    assert {planned.cell.id} == {event.cell for event in seen}
    assert [(event.phase, event.state, event.text) for event in seen] == [
        (Phase.BUILD, State.RUNNING, "runc"),
        (Phase.BUILD, State.DONE, "runc 1.1.5"),
        (Phase.IMAGE, State.RUNNING, "bookworm"),
        (Phase.IMAGE, State.CACHED, "bookworm"),
        (Phase.BOOT, State.RUNNING, "under tcg"),
        (Phase.BOOT, State.FAILED, "under tcg"),
    ]
    phases = it.make_result().phases
    assert [State.DONE, State.CACHED, State.FAILED] == [phase.state for phase in phases]
    began = [str(phase.started) for phase in phases]
    assert sorted(began) == began


def test_what_another_task_could_not_make_is_not_tried_again(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """The phase that needs it ends with that task's error; it never began."""
    seen: list[Event] = []
    lacking = InfrastructureError("The image could not be made.")
    task = CellTask(plan=planned, broken={Phase.IMAGE: lacking})
    it = Evaluation(task=task, context=replace(work, emit=seen.append), directory=tmp_path)
    with pytest.raises(InfrastructureError) as caught, it.run_phase(Phase.IMAGE, "bookworm"):
        pytest.fail("The phase has begun.")
    assert caught.value is lacking
    assert ([], []) == (seen, it.phases)


def test_a_guest_is_booted_when_the_run_or_a_suite_wants_it(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """Otherwise it may start from a saved memory."""
    it = Evaluation(task=CellTask(plan=planned), context=work, directory=tmp_path)
    assert not it.fresh
    assert replace(it, context=replace(work, fresh=True)).fresh
    suites = {name: file.model_copy(update={"fresh_boot": True}) for name, file in planned.suites.items()}
    assert replace(it, task=CellTask(plan=replace(planned, suites=suites))).fresh


def test_a_guest_has_a_network_when_a_person_or_a_suite_wants_it(
    planned: Plan, work: RunContext, tmp_path: Path
) -> None:
    """And else none; no suite of this project wants one, as the harness brings what cases need."""
    it = Evaluation(task=CellTask(plan=planned), context=work, directory=tmp_path)
    assert not it.network
    assert replace(it, context=replace(work, network=True)).network
    suites = {name: file.model_copy(update={"network": True}) for name, file in planned.suites.items()}
    assert replace(it, task=CellTask(plan=replace(planned, suites=suites))).network
    assert not any(file.network for file in catalog.load(ROOT).suites.values())


def test_the_result_has_what_has_become_of_the_cell(planned: Plan, work: RunContext, tmp_path: Path) -> None:
    """Also before any case has run: then it is an error only if something broke."""
    it = Evaluation(task=CellTask(plan=planned, again="harness run"), context=work, directory=tmp_path)
    it.facts["kernel"] = "6.1"
    it.warnings = ("console.log:3: a warning",)
    result = it.make_result()
    assert (planned.cell.id, "harness run", {"kernel": "6.1"}) == (result.id, result.again, result.facts)
    assert ("debian/bookworm", "252") == (result.axes["distro"], result.axes["systemd"])
    assert it.warnings == result.warnings
    it.error = "It broke."
    assert Outcome.ERROR == it.make_result().outcome
