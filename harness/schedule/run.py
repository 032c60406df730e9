"""A run: its directory, its tasks on threads, its result.

runs/<id>/request.json   what was asked for; `--resume` reads it
runs/<id>/result.json    written anew when a cell has ended, so that a run that is killed leaves what it knew
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from harness import log, pipeline, results
from harness.errors import CancelledError, HarnessError
from harness.matrix import Expectation
from harness.pipeline import Workplace
from harness.plan import Plan
from harness.results import CellResult, RunResult
from harness.rundir import CELLS, NEEDS, REQUEST, RESULT, Request
from harness.schedule.board import Board, Slots, Task
from harness.schedule.history import History
from harness.wait import wait_for_any

__all__ = ["Job", "run"]

logger = log.get(__name__)

EXPECTED = {"build": 60.0, "image": 60.0, "cell": 60.0}
"""Seconds that a task without history is taken to need."""

OVERHEAD = 256
"""Memory of QEMU and pytest beside the guest's own, in MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One cell of a run.

    Attributes:
        plan: What is done.
        expectations: Known failures of its cases.
        again: The command line that repeats it.
    """

    plan: Plan
    expectations: tuple[Expectation, ...]
    again: str


def run(
    jobs: Sequence[Job],
    work: Callable[[Job], Workplace],
    directory: Path,
    *,
    request: Request,
    slots: Slots,
    history: History,
    ended: Callable[[CellResult], None],
) -> RunResult:
    """Run the cells; those that have a result in the directory already are not run again.

    Args:
        jobs: The cells.
        work: Makes the workplace of a cell.
        directory: The run's directory, see `rundir.make_directory`.
        request: What was asked for.
        slots: How many cells at a time, and the memory that their guests may have.
        history: How long things took before.
        ended: Called when a cell has ended.

    Returns:
        What became of the run; marked as interrupted where it was.

    Raises:
        UsageError: A cell needs more than the slots have.
    """
    results.write(request, directory / REQUEST)
    it = _Run(jobs=jobs, work=work, directory=directory, request=request, history=history, ended=ended)
    for job in jobs:
        done = finished(directory / CELLS / job.plan.cell.id)
        if done is not None:
            it.cells[done.id] = done
    board = Board(it.tasks(), slots)
    it.save()
    it.work_off(board, slots.cores)
    return it.save()


def finished(directory: Path) -> CellResult | None:
    """The result of a cell that ran to its end, or None."""
    try:
        result = CellResult.model_validate_json((directory / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None
    return None if result.error == pipeline.INTERRUPTED else result


class _Run:
    """A run in progress; all but the tasks themselves happens in the caller's thread."""

    def __init__(
        self,
        *,
        jobs: Sequence[Job],
        work: Callable[[Job], Workplace],
        directory: Path,
        request: Request,
        history: History,
        ended: Callable[[CellResult], None],
    ) -> None:
        self.jobs = {job.plan.cell.id: job for job in jobs}
        self.work = work
        self.directory = directory
        self.request = request
        self.history = history
        self.ended = ended
        self.cells: dict[str, CellResult] = {}
        self.broken: dict[str, HarnessError] = {}
        self.interrupted = False
        self._begin = time.monotonic()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._calls: dict[str, Callable[[], CellResult | None]] = {}

    def tasks(self) -> list[Task]:
        """A task for each cell, and one before them for each build and image that is not in the store."""
        known = self.history.read()
        tasks: dict[str, Task] = {}
        for name, job in self.jobs.items():
            if name in self.cells:
                continue
            needs = pipeline.needs(job.plan)
            for need in needs:
                seconds = known.get(need.name, EXPECTED[need.name.split(" ", 1)[0]])
                tasks.setdefault(need.name, Task(name=need.name, seconds=seconds))
                self._calls.setdefault(need.name, self._preparation(job, need))
            tasks[name] = Task(
                name=name,
                seconds=known.get(name, EXPECTED["cell"]),
                memory=job.plan.memory + OVERHEAD,
                after=tuple(need.name for need in needs),
            )
            self._calls[name] = self._evaluation(job)
        return list(tasks.values())

    def _preparation(self, job: Job, need: pipeline.Need) -> Callable[[], None]:
        def prepare() -> None:
            logs = self.directory / NEEDS
            try:
                need.make(self.work(job), logs / f"{need.name.replace('/', '-').replace(' ', '-')}.log")
            except CancelledError:
                raise
            except HarnessError as error:
                self.broken[need.name] = error

        return prepare

    def _evaluation(self, job: Job) -> Callable[[], CellResult]:
        def evaluate() -> CellResult:
            place = self.directory / CELLS / job.plan.cell.id
            broken = {
                need.phase: self.broken[need.name] for need in pipeline.needs(job.plan) if need.name in self.broken
            }
            return pipeline.evaluate(job.plan, replace(self.work(job), broken=broken), place)

        return evaluate

    def work_off(self, board: Board, threads: int) -> None:
        """Start tasks as the board says, and take their results, until all have ended or the run is interrupted."""
        running: dict[Future[CellResult | None], tuple[str, float]] = {}
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="cell") as pool:
            while running or not (board.finished or self.interrupted):
                if not self.interrupted:
                    for task in board.start(time.monotonic()):
                        running[pool.submit(self._calls[task.name])] = (task.name, time.monotonic())
                for future in wait_for_any(running):
                    name, began = running.pop(future)
                    board.end(name)
                    self._take(name, future, time.monotonic() - began)

    def _take(self, name: str, future: "Future[CellResult | None]", seconds: float) -> None:
        try:
            result = future.result()
        except (CancelledError, KeyboardInterrupt):
            self.interrupted = True
            return
        if name not in self.broken:
            self.history.add({name: seconds})
        if result is not None:
            self.cells[result.id] = result
            self.ended(result)
            self.save()

    def save(self) -> RunResult:
        """Write the result as far as it is known, and return it."""
        result = RunResult(
            id=self.directory.name,
            harness=results.harness_version(),
            command=self.request.command,
            started=self._started,
            seconds=round(time.monotonic() - self._begin, 3),
            computer={"cores": str(os.cpu_count()), "kernel": os.uname().release},
            cells=tuple(self.cells[name] for name in self.jobs if name in self.cells),
            interrupted=self.interrupted,
        )
        results.write(result, self.directory / RESULT)
        return result
