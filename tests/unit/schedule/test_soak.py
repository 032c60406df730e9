"""A soak: hundreds of cells whose guests are simulated, with faults chosen by a seed, interrupted and continued to the end."""

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from harness import catalog, matrix, pipeline, results
from harness.errors import CancelledError
from harness.model import Cell, CgroupMode, Outcome
from harness.pipeline import CellTask, RunContext
from harness.plan import make_plan
from harness.results import INTERRUPTED, CaseResult, CellResult, RunResult
from harness.rundir import RESULT, Request
from harness.schedule import DurationHistory, Slots, runner
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

CELLS = 500
FAULTS = 0.05
"""Share of evaluations that are interrupted, and of cells that are an error by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCells:
    """A DOUBLE of `pipeline.evaluate`: what becomes of a cell, and when a run is interrupted, follows from the seed alone.

    Attributes:
        asked: How often each cell was evaluated.
        ended: How often each came to its end.
    """

    seed: int
    asked: Counter[str]
    ended: Counter[str]

    def predict(self, name: str) -> tuple[Outcome, str | None]:
        """Return the outcome of the only case of a cell, and the cell's error."""
        chance = Random(f"{self.seed} {name}")
        broken = chance.random() < FAULTS
        return chance.choice([Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED]), "The guest died." if broken else None

    def evaluate(self, task: CellTask, _: RunContext, directory: Path) -> CellResult:
        """Write the result that the seed has for a cell, or of one that is interrupted."""
        name = task.plan.cell.id
        self.asked[name] += 1
        interrupted = Random(f"{self.seed} {name} {self.asked[name]}").random() < FAULTS
        outcome, error = self.predict(name)
        case = CaseResult(nodeid="double/test_it.py::test_it", outcome=outcome, raw=outcome, seconds=0.1)
        result = CellResult(id=name, axes={}, cases=(case,), error=error)
        if interrupted:
            result = result.model_copy(update={"error": INTERRUPTED, "interrupted": True})
        directory.mkdir(parents=True, exist_ok=True)
        results.write(result, directory / RESULT)
        if interrupted:
            raise CancelledError(INTERRUPTED)
        self.ended[name] += 1
        return result


def run_all(cells: SimulatedCells, place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunResult, int]:
    """Run the cells, again and again until nothing interrupts them; return the result and how often they were run."""
    known = catalog.load(ROOT)
    cell = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
    plan = make_plan(cell, matrix.load(ROOT / "matrix.yaml", known), known, ("cgroup",))
    tasks = [CellTask(plan=replace(plan, cell=replace(cell, systemd=f"{100 + number}"))) for number in range(CELLS)]
    monkeypatch.setattr(pipeline, "evaluate", cells.evaluate)
    monkeypatch.setattr(pipeline, "list_prerequisites", lambda _: ())
    place.mkdir()
    request = Request(
        command="harness run", builder="docker", cells=tuple(task.plan.cell.id for task in tasks), suites=("double",)
    )
    context = RunContext(store=Store(place / "store"), emit=lambda _: None, deadline=Deadline.after(600, "soak"))
    for times in range(1, CELLS):
        result = runner.run_cells(
            tasks, context, place, request=request, slots=Slots(cores=4, memory=99_999),
            history=DurationHistory(place / "history.json"), ended=lambda _: None,
        )  # fmt: skip
        if not result.interrupted:
            return result, times
    raise AssertionError("it never ends")


def count_pages() -> int:
    """Return the memory of this process, in pages (proc_pid_statm(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.slow
def test_many_cells_with_faults_come_to_what_the_seed_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every verdict is right, no cell that had ended is run again, and neither memory nor descriptors grow with runs."""
    first = SimulatedCells(seed=1, asked=Counter(), ended=Counter())
    result, times = run_all(first, tmp_path / "first", monkeypatch)
    descriptors, pages = len(os.listdir("/proc/self/fd")), count_pages()  # noqa: PTH208
    again = SimulatedCells(seed=1, asked=Counter(), ended=Counter())
    replayed, _ = run_all(again, tmp_path / "again", monkeypatch)

    assert times > 5
    assert {cell.id: (cell.cases[0].outcome, cell.error) for cell in result.cells} == {
        name: first.predict(name) for name in first.asked
    }
    assert len(result.cells) == CELLS
    assert set(first.ended.values()) == {1}
    assert [cell.cases for cell in replayed.cells] == [cell.cases for cell in result.cells]
    assert first.asked == again.asked
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208
    assert (count_pages() - pages) * os.sysconf("SC_PAGE_SIZE") < 20 << 20
