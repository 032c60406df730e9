"""A run: its tasks on threads, its result.

runs/<id>/request.json   what was asked for; `--resume` reads it
runs/<id>/result.json    written again when a cell has ended, so that a run that is killed leaves what it knew; it says
                         that it was interrupted until the last one has
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from harness import pipeline, read_version, results
from harness.errors import CancelledError, HarnessError
from harness.pipeline import CellTask, Prerequisite, RunContext
from harness.results import INTERRUPTED, CellResult, RunResult
from harness.rundir import CELLS, NEEDS, REQUEST, RESULT, Request
from harness.schedule.durations import DurationHistory
from harness.schedule.scheduler import Scheduler, Slots, Task
from harness.wait import wait_for_any

__all__ = ["run_cells"]

EXPECTED = 60.0
"""Seconds that a task without history is taken to need."""

OVERHEAD = 256
"""Memory of QEMU and pytest in addition to the guest's own, in MiB."""


def run_cells(
    tasks: Sequence[CellTask],
    context: RunContext,
    directory: Path,
    *,
    request: Request,
    slots: Slots,
    history: DurationHistory,
    ended: Callable[[CellResult], None],
) -> RunResult:
    """Run the cells; those that have a result in the directory already are not run again.

    The result is marked as interrupted where the run was.

    Raises:
        UsageError: A cell needs more than the slots have.
    """
    results.write(request, directory / REQUEST)
    run = _Run(tasks=tasks, context=context, directory=directory, request=request, history=history, ended=ended)
    for task in tasks:
        done = read_finished(directory / CELLS / task.plan.cell.id)
        if done is not None:
            run.cells[done.id] = done
    scheduler = Scheduler(run.make_tasks(), slots)
    run.save()
    run.work_off(scheduler, slots.cores)
    return run.save(ended=True)


def read_finished(directory: Path) -> CellResult | None:
    """Return the result of a cell that ran to its end, or None."""
    try:
        result = CellResult.model_validate_json((directory / RESULT).read_bytes())
    except (OSError, ValidationError):
        return None
    return None if result.interrupted or result.error == INTERRUPTED else result


class _Run:
    """A run in progress; all but the tasks themselves happens in the caller's thread."""

    def __init__(
        self,
        *,
        tasks: Sequence[CellTask],
        context: RunContext,
        directory: Path,
        request: Request,
        history: DurationHistory,
        ended: Callable[[CellResult], None],
    ) -> None:
        self.tasks = {task.plan.cell.id: task for task in tasks}
        self.context = context
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

    def make_tasks(self) -> list[Task]:
        """Return a task for each cell, and one before them for each build and image that is not in the store."""
        took = self.history.read()
        tasks: dict[str, Task] = {}
        for name, task in self.tasks.items():
            if name in self.cells:
                continue
            prerequisites = pipeline.list_prerequisites(task.plan)
            for each in prerequisites:
                tasks.setdefault(each.name, Task(name=each.name, seconds=took.get(each.name, EXPECTED)))
                self._calls.setdefault(each.name, self._make_preparation(each))
            tasks[name] = Task(
                name=name,
                seconds=took.get(name, EXPECTED),
                memory=task.plan.memory + OVERHEAD,
                after=tuple(each.name for each in prerequisites),
            )
            self._calls[name] = self._make_evaluation(task, prerequisites)
        return list(tasks.values())

    def _make_preparation(self, prerequisite: Prerequisite) -> Callable[[], None]:
        def prepare() -> None:
            log = self.directory / NEEDS / f"{prerequisite.name.replace('/', '-').replace(' ', '-')}.log"
            try:
                prerequisite.make(self.context, log)
            except CancelledError:
                raise
            except HarnessError as error:
                self.broken[prerequisite.name] = error

        return prepare

    def _make_evaluation(self, task: CellTask, prerequisites: Sequence[Prerequisite]) -> Callable[[], CellResult]:
        def evaluate() -> CellResult:
            broken = {each.phase: self.broken[each.name] for each in prerequisites if each.name in self.broken}
            directory = self.directory / CELLS / task.plan.cell.id
            return pipeline.evaluate(replace(task, broken=broken), self.context, directory)

        return evaluate

    def work_off(self, scheduler: Scheduler, threads: int) -> None:
        """Start tasks as the scheduler says, and take their results, until all have ended or the run is interrupted."""
        running: dict[Future[CellResult | None], tuple[str, float]] = {}
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="cell") as pool:
            while running or not (scheduler.finished or self.interrupted):
                if not self.interrupted:
                    for task in scheduler.start(time.monotonic()):
                        running[pool.submit(self._calls[task.name])] = (task.name, time.monotonic())
                for future in wait_for_any(running):
                    name, began = running.pop(future)
                    scheduler.end(name)
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

    def save(self, *, ended: bool = False) -> RunResult:
        """Write the result as far as it is known, and return it."""
        result = RunResult(
            id=self.directory.name,
            harness=read_version(),
            command=self.request.command,
            started=self._started,
            seconds=round(time.monotonic() - self._begin, 3),
            computer={"cores": str(os.cpu_count()), "kernel": os.uname().release},
            cells=tuple(self.cells[name] for name in self.tasks if name in self.cells),
            interrupted=self.interrupted or not ended,
            shard=self.request.shard,
            commit=self.request.commit,
            attempt=self.request.attempt,
            matrix=self.request.matrix,
        )
        results.write(result, self.directory / RESULT)
        return result
