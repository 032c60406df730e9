"""The directory of a run: what its files are called, what was asked for, and which run a user means.

Every verb finds a run by the one rule of `find_run`.
"""

import fcntl
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from harness.errors import NothingRanError, UsageError
from harness.results import CellId, CommandLine, NodeId, RunResult, find_problem
from harness.writing import translate_os_errors

__all__ = [
    "BISECTION", "CELLS", "JOURNAL", "JUNIT", "LAST", "LOCK", "LOG", "MACHINE", "NEEDS", "PAGE", "PLAN", "REQUEST",
    "RESULT", "Request", "find_last", "find_run", "is_run", "lock_directory", "make_directory", "open_runs",
    "parse_shard", "read_request",
]  # fmt: skip

LAST = "last"
"""What the run that was begun last is called."""

BISECTION = "bisect-"
"""How the name of a bisection begins."""

RESULT = "result.json"
"""What a run, a cell or a bisection found."""
REQUEST = "request.json"
"""What was asked for, see `Request`."""
JOURNAL = "journal.jsonl"
"""What a bisection did so far."""
JUNIT = "junit.xml"
PAGE = "report.html"
LOG = "log.txt"
LOCK = "lock"
"""File that the process holds that runs there, see flock(2); it is free when that process has ended."""
CELLS = "cells"
"""Directory with one of each cell."""
NEEDS = "needs"
"""Directory with the logs of what several cells need."""
PLAN = "plan.json"
"""What is going to be done for a cell; in the cell's directory."""
MACHINE = "machine"
"""Directory of a guest, in the cell's."""

NAME = re.compile(r"([0-9]{8})-([0-9]{1,9})")
"""Name of a run after its prefix, see `make_directory`."""


class Request(BaseModel):
    """What was asked for, as `--resume` needs it.

    Attributes:
        command: The command line that repeats the run.
        builder: Where runtimes are built.
        cases: By cell, the node ids of the cases that run; all cases of the suites for a cell that is not in it.
        multiply: How many times each case runs.
        fresh: Whether every guest is booted, where it could start from a saved memory.
        sets: What was changed about the matrix, each `KEY=VALUE`.
        distro_options: Values of the distros' own options by name.
        shard: Which of how many shards of the cells it is, or None for all of them.
        commit, attempt, matrix: Of what it is, see `harness.results.RunResult`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: CommandLine
    cells: tuple[CellId, ...]
    suites: tuple[str, ...]
    builder: str
    arguments: tuple[str, ...] = ()
    cases: dict[CellId, tuple[NodeId, ...]] = {}
    multiply: int = 1
    fresh: bool = False
    sets: tuple[str, ...] = ()
    distro_options: dict[str, str] = {}
    shard: tuple[int, int] | None = None
    commit: str | None = None
    attempt: int | None = None
    matrix: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, data: Any) -> Any:
        """Take the two options that were fields of their own."""
        if not isinstance(data, dict):
            return data
        older = {name: data[name] for name in ("mirror", "key") if data.get(name) is not None}
        kept = {name: value for name, value in data.items() if name not in {"mirror", "key"}}
        return kept | ({"distro_options": older} if older else {})

    def select_failed(self, result: RunResult) -> "Request":
        """Return a request for the cells and cases of a run that failed; raises NothingRanError if none did."""
        cells = [cell for cell in result.cells if cell.outcome.unexpected]
        if not cells:
            raise NothingRanError(f"Nothing failed in the run {result.id}.")
        return self.model_copy(
            update={
                "command": shlex.join(["harness", "run", "--failed", result.id]),
                "shard": None,
                "cells": tuple(cell.id for cell in cells),
                # A cell that broke has cases that never ran, so all of them run.
                "cases": {
                    cell.id: tuple(case.nodeid for case in cell.cases if case.outcome.unexpected)
                    for cell in cells
                    if not cell.error
                },
            }
        )


def read_request(directory: Path) -> Request:
    """Return what was asked for in a run that has begun; raises UsageError if there is none, or it cannot be read."""
    try:
        return Request.model_validate_json((directory / REQUEST).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"There is no run in {directory}: it has no {REQUEST}.") from error
    except OSError as error:
        raise UsageError(f"{directory / REQUEST} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise UsageError(
            f"{directory / REQUEST} does not say what was asked for: {find_problem(error)}.",
            hint=f"Begin a new run; what this one found is in {directory / RESULT}, if that is there.",
        ) from error


def parse_shard(text: str) -> tuple[int, int]:
    """Return the two numbers of `2/5`; raises UsageError if it is something else, or there is no such shard."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if match and 1 <= int(match[1]) <= int(match[2]):
        return int(match[1]), int(match[2])
    raise UsageError(f"`{text}` is not a shard; write for instance 2/5 for the second of five.")


def find_run(runs: Path, name: str, *, prefix: str = "") -> Path:
    """Return the directory of the run that a user means, as an absolute path.

    `last` is the run with the highest number of the latest day. What has a slash is a path. Another word is a run
    here, in the working directory, if there is one of that name, and otherwise one below `runs`. A run may also be
    named by its result.json.

    `prefix` is how the names of such runs begin; only `last` needs it.

    Raises:
        UsageError: There is none.
    """
    if name == LAST:
        return find_last(runs, prefix=prefix)
    here = Path(name)
    if here.name == RESULT and here.is_file():
        return here.absolute().parent
    if os.sep in name:
        if here.is_dir():
            return here.absolute()
        looked = f"{here} is not a directory"
    else:
        if is_run(here):
            return here.absolute()
        if (runs / name).is_dir():
            return (runs / name).absolute()
        looked = f"there is none here, and none in {runs}"
    kind = _name_kind(prefix)
    raise UsageError(
        f"There is no {kind} {name}: {looked}.",
        hint=f"A {kind} is named as below runs/ (or --runs), by its path, or `last`.",
    )


def is_run(directory: Path) -> bool:
    """Return whether a directory is that of a run or a bisection that has begun."""
    return any((directory / name).is_file() for name in (RESULT, REQUEST, JOURNAL))


def find_last(runs: Path, *, prefix: str = "") -> Path:
    """Return the run that was begun last, by the day and number in its name: no clock of a file is asked.

    A directory of a bisection without a journal is passed over: it has one sample (`--at`), or is of before bisections
    of axes had journals.

    Raises:
        UsageError: There is none.
    """
    names = ((path, NAME.fullmatch(path.name.removeprefix(prefix))) for path in runs.glob(f"{prefix}*-*"))
    numbered = [
        (match[1], int(match[2]), path)
        for path, match in names
        if match and (prefix != BISECTION or (path / JOURNAL).is_file())
    ]
    if not numbered:
        kind = _name_kind(prefix)
        raise UsageError(f"There is no {kind} in {runs}.", hint="--runs names another place to look in.")
    return max(numbered)[2].absolute()


def _name_kind(prefix: str) -> str:
    return "bisection" if prefix == BISECTION else "run"


@contextmanager
def open_runs(runs: Path) -> Iterator[None]:
    """Make something below the directory of runs, which is made too; raises UsageError if it cannot be."""
    with translate_os_errors(
        f"Nothing can be made in {runs}", hint="--runs or HARNESS_RUNS names another place for results."
    ):
        runs.mkdir(parents=True, exist_ok=True)
        yield


def make_directory(runs: Path, prefix: str = "") -> Path:
    """Make a directory for a run, named by the day and a number: `20261123-1`; raises as `open_runs` does."""
    day = f"{prefix}{datetime.now(UTC):%Y%m%d}-"
    with open_runs(runs):
        taken = [int(path.name[len(day) :]) for path in runs.glob(f"{day}*") if path.name[len(day) :].isdigit()]
        number = max(taken, default=0) + 1
        while True:
            directory = runs / f"{day}{number}"
            try:
                directory.mkdir()
            except FileExistsError:  # another process was faster
                number += 1
            else:
                return directory


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Be the only process that runs in a directory; raises UsageError if another one does."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"The run in {directory} is still going on, in another process.") from error
        yield
    finally:
        os.close(descriptor)
