"""The directory of a run: a new one, one that is there, and whose it is while the run goes on."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.writing import refusing

__all__ = ["LAST", "find", "held", "last", "making", "new_directory"]

LAST = "last"
"""What the run that was begun last is called."""

NAME = re.compile(r"([0-9]{8})-([0-9]{1,9})")
"""Name of a run, see `new_directory`."""

LOCK = "lock"
"""File in the directory that the process holds that runs there, see flock(2); it is free when that process has ended."""


@contextmanager
def making(runs: Path) -> Iterator[None]:
    """Make something below the directory of runs, which is made first where it is not there.

    Raises:
        UsageError: It cannot be made, or nothing can be made in it.
    """
    with refusing(f"Nothing can be made in {runs}", hint="--runs or HARNESS_RUNS names another place for results."):
        runs.mkdir(parents=True, exist_ok=True)
        yield


def new_directory(runs: Path, prefix: str = "") -> Path:
    """A new directory for a run, named by the day and a number: `20261123-1`; raises as `making` does.

    Args:
        runs: Where runs are.
        prefix: What the name begins with.
    """
    day = f"{prefix}{datetime.now(UTC):%Y%m%d}-"
    with making(runs):
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


def find(runs: Path, name: str) -> Path:
    """The directory of a run.

    Args:
        runs: Where runs are.
        name: A path, a name below `runs`, or `last`.

    Raises:
        UsageError: There is none.
    """
    if name == LAST:
        return last(runs)
    directory = Path(name) if os.sep in name else runs / name
    if not directory.is_dir():
        raise UsageError(
            f"There is no run {name}: {directory} is no directory.",
            hint="A run is named as below runs/ (or --runs), by its path, or `last`.",
        )
    return directory


def last(runs: Path) -> Path:
    """The run that was begun last, by the day and number in its name: no clock of a file is asked.

    Raises:
        UsageError: There is none.
    """
    found = [(match[1], int(match[2]), path) for path in runs.glob("*-*") if (match := NAME.fullmatch(path.name))]
    if not found:
        raise UsageError(f"There is no run in {runs}.", hint="`harness run` makes one; --runs names another place.")
    return max(found)[2]


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Be the only process that runs in a directory.

    Raises:
        UsageError: Another one does.
    """
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"The run in {directory} is still going on, in another process.") from error
        yield
    finally:
        os.close(descriptor)
