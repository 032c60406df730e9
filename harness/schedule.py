"""Runs the cells of a run, keeps its directory, and writes its result.

`result.json` is written anew when a cell has ended, so that a run that is killed leaves what it knew.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness import log, pipeline, results
from harness.errors import CancelledError
from harness.matrix import Expectation
from harness.pipeline import Workplace
from harness.plan import Plan
from harness.results import CellResult, RunResult

__all__ = ["Job", "new_directory", "run"]

logger = log.get(__name__)

RESULT = "result.json"
DISTRIBUTION = "rkt-upgrade-harness"


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


def new_directory(runs: Path) -> Path:
    """A new directory for a run, named by the day and a number: `20261123-1`."""
    runs.mkdir(parents=True, exist_ok=True)
    day = datetime.now(UTC).strftime("%Y%m%d")
    taken = [int(path.name.rpartition("-")[2]) for path in runs.glob(f"{day}-*") if path.name[9:].isdigit()]
    number = max(taken, default=0) + 1
    while True:
        directory = runs / f"{day}-{number}"
        try:
            directory.mkdir()
        except FileExistsError:  # another process was faster
            number += 1
        else:
            return directory


def run(
    jobs: Sequence[Job],
    work: Callable[[Job], Workplace],
    directory: Path,
    *,
    command: str,
    ended: Callable[[CellResult], None],
) -> RunResult:
    """Run the cells one after another.

    Args:
        jobs: The cells.
        work: Makes the workplace of a cell.
        directory: The run's directory, see `new_directory`.
        command: The command line that repeats the run.
        ended: Called when a cell has ended.

    Returns:
        What became of the run; marked as interrupted where it was.
    """
    begin = time.monotonic()
    result = RunResult(
        id=directory.name,
        harness=version(DISTRIBUTION),
        command=command,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        computer={"cores": str(os.cpu_count()), "kernel": os.uname().release},
    )
    results.write(result, directory / RESULT)
    interrupted = False
    for job in jobs:
        try:
            cell = pipeline.evaluate(job.plan, work(job), directory / "cells" / job.plan.cell.id)
        except (CancelledError, KeyboardInterrupt):
            logger.info("the run was interrupted in %s", job.plan.cell.id)
            interrupted = True
            break
        ended(cell)
        result = result.model_copy(update={"cells": (*result.cells, cell)})
        results.write(result, directory / RESULT)
    result = result.model_copy(update={"seconds": round(time.monotonic() - begin, 3), "interrupted": interrupted})
    results.write(result, directory / RESULT)
    return result
