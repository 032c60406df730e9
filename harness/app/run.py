"""A run as a library call: from a request to the results in its directory."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import log, machine, results, rundir, schedule
from harness.app.plan import plan_cells
from harness.app.project import Project
from harness.app.request import format_again
from harness.app.settings import Settings
from harness.app.sources import change_project
from harness.errors import InfrastructureError, UsageError
from harness.machine import Machine
from harness.model import Event
from harness.pipeline import CellTask, KnownFailure, RunContext, review_expectations
from harness.report import junit, run_page
from harness.results import CellResult, RunResult
from harness.rundir import Request
from harness.schedule import DurationHistory, Slots
from harness.store import Store, claim
from harness.wait import Deadline
from harness.writing import remove_halves

__all__ = ["RunHooks", "make_slots", "open_directory", "run_request"]

MEMORY_SHARE = 0.8
"""Part of the computer's free memory that guests may have together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHooks:
    """What is called while a run goes on.

    Attributes:
        emit: Receives what a user who watches wants to see.
        ended: Called when a cell has ended.
        keep: Called with the guest of a cell that did not pass, while it still runs; may wait for a person.
    """

    emit: Callable[[Event], None]
    ended: Callable[[CellResult], None]
    keep: Callable[[Machine], None] | None = None


def make_slots(jobs: int | None, memory: int | None) -> Slots:
    """Return how many cells run at a time, and in how much memory: as asked for, or what this computer has."""
    return Slots(cores=jobs or os.cpu_count() or 1, memory=memory or _measure_free_memory())


def _measure_free_memory() -> int:
    """Return the MiB that guests may have: a part of MemAvailable, see proc_meminfo(5)."""
    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        values = dict(line.split(":", 1) for line in file)
    return int(int(values["MemAvailable"].split()[0]) / 1024 * MEMORY_SHARE)


@contextmanager
def open_directory(settings: Settings, resume: str | None = None) -> Iterator[Path]:
    """Yield the directory of a run, a new one or one that goes on, and be the only process that runs there.

    A new one is removed again where the run is refused before any cell has begun.

    Raises:
        UsageError: The store or the directory cannot be made, there is no run to resume, or it is still going on.
    """
    claim(settings.store)
    directory = rundir.find_run(settings.runs, resume) if resume else rundir.make_directory(settings.runs)
    try:
        with rundir.lock_directory(directory):
            _remove_leftovers(settings.store, directory)
            yield directory
    except UsageError:
        if resume is None and not (directory / rundir.CELLS).exists():  # nothing was run, so it is no run
            shutil.rmtree(directory)
        raise


def _remove_leftovers(store: Path, directory: Path) -> None:
    """Remove what processes left in a run, and of its guests, that were killed or could not remove it then."""
    for place in (store, directory, *(directory / rundir.CELLS).glob("*")):
        remove_halves(place)
    for record in (directory / rundir.CELLS).glob(f"*/**/{rundir.MACHINE}/machine.json"):
        with suppress(InfrastructureError):  # it may be cut off, or of another version
            machine.clean(record.parent)


def run_request(
    request: Request,
    project: Project,
    settings: Settings,
    directory: Path,
    *,
    slots: Slots,
    deadline: Deadline,
    hooks: RunHooks,
) -> RunResult:
    """Build, boot and test the cells, and write result.json, junit.xml and report.html.

    `project` is as its files are; `directory` comes from `open_directory`.

    Raises:
        UsageError: A cell or a source is not there, or a cell needs more than the slots have.
    """
    log.add_file(directory / rundir.LOG)
    changed = change_project(project, builder=request.builder, sets=request.sets)
    tasks = [
        CellTask(
            plan=plan,
            cases=request.cases.get(plan.cell.id, ()),
            expectations=project.matrix.find_expectations(plan.cell),
            again=format_again(plan.cell.id, request, project, settings),
        )
        for plan in plan_cells(changed, request.cells, request.suites, request.distro_options)
    ]
    # Cells next to each other keep the processors busy by themselves; what runs alone may have them all.
    at_a_time = max(1, min(slots.cores, len(tasks)))
    context = RunContext(
        store=Store(settings.store), emit=hooks.emit, deadline=deadline, arguments=request.arguments,
        multiply=request.multiply, workers=max(1, (os.cpu_count() or 1) // at_a_time), fresh=request.fresh, keep=hooks.keep,
    )  # fmt: skip
    result = schedule.run_cells(
        tasks,
        context,
        directory,
        request=request,
        slots=slots,
        history=DurationHistory(settings.history),
        ended=hooks.ended,
    )
    failures = _list_known_failures(request, project)
    reviewed = review_expectations(failures, result.cells, datetime.now(UTC).date())
    result = result.model_copy(update={"expectations": reviewed})
    results.write(result, directory / rundir.RESULT)
    junit.write(result, directory / rundir.JUNIT)
    run_page.write(result, directory)
    return result


def _list_known_failures(request: Request, project: Project) -> list[KnownFailure]:
    """Return the matrix's known failures, each with all of its cells."""
    everything = not request.arguments and not request.cases
    failures = []
    for item in project.matrix.expectations:
        suite = item.cases.partition("/")[0]
        suites = {suite} if suite in project.catalog.suites else set(project.catalog.suites)
        cells = frozenset(cell.id for cell in project.expansion.by_id.values() if item.cells.holds(cell))
        whole = everything and suites <= set(request.suites)
        failures.append(KnownFailure(expectation=item, cells=cells, whole=whole))
    return failures
