"""What a bisection has done, as lines of JSON that are only ever appended; its state is a fold over them.

A record is on the disk before the step that it announces begins. A line that a dying process cut off is
dropped, so a bisection that is killed anywhere goes on as if the running tests had never begun.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from harness.bisect.records import READER, AnyRecord, Asked, AxesBegun, Begun, Ended, Record, Reverted, Same, Sample
from harness.errors import InfrastructureError, UsageError
from harness.rundir import JOURNAL

__all__ = ["Journal", "JournalState", "begin", "read", "resume"]

B = TypeVar("B", Begun, AxesBegun)


@dataclass(slots=True, kw_only=True)
class JournalState(Generic[B]):
    """What the records say together.

    Attributes:
        asked: How many samples were asked for.
        reverted: What became of taking the culprit back.
    """

    begun: B
    asked: int = 0
    results: list[Sample | Same] = field(default_factory=list)
    reverted: Reverted | None = None
    ended: Ended | None = None

    def __post_init__(self) -> None:
        self.results += self.begun.known_skips

    @property
    def samples(self) -> Iterator[Sample]:
        """The samples, in order."""
        return (record for record in self.results if isinstance(record, Sample))

    def add(self, record: AnyRecord) -> None:
        """Take in the next record."""
        match record:
            case Asked():
                self.asked = max(self.asked, record.number)
            case Sample() | Same():
                self.results.append(record)
            case Reverted():
                self.reverted = record
            case Ended():
                self.ended = record
            case Begun() | AxesBegun():
                raise ValueError("there is a second beginning")


class Journal(Generic[B]):
    """A journal that this process alone writes to."""

    def __init__(self, directory: Path, state: JournalState[B], descriptor: int) -> None:
        self.directory = directory
        self.state: JournalState[B] = state
        self._descriptor = descriptor

    def write(self, record: AnyRecord) -> None:
        """Append a record, which is on the disk when this returns; raises InfrastructureError if the disk is full."""
        _append(self._descriptor, self.directory / JOURNAL, record)
        self.state.add(record)


@contextmanager
def begin(directory: Path, begun: B) -> Iterator[Journal[B]]:
    """Begin a journal in a directory that has none."""
    directory.mkdir(parents=True, exist_ok=True)
    with _hold_lock(directory, os.O_CREAT | os.O_EXCL) as descriptor:
        _append(descriptor, directory / JOURNAL, begun)
        yield Journal(directory, JournalState(begun=begun), descriptor)


@contextmanager
def resume(directory: Path, kind: type[B]) -> Iterator[Journal[B]]:
    """Open the journal of a bisection that goes on; raise as `read`, and UsageError if another process is at it."""
    with _hold_lock(directory, 0) as descriptor:
        state, size = _read(directory, kind)
        os.ftruncate(descriptor, size)
        yield Journal(directory, state, descriptor)


def read(directory: Path, kind: type[B]) -> JournalState[B]:
    """Return what a bisection has done so far; another process may be at it.

    `kind` says how it was begun: by the commits of a repository, or by the axes of two cells.

    Raises:
        UsageError: There is no bisection of this kind in the directory.
        InfrastructureError: The journal is damaged elsewhere than at its end.
    """
    return _read(directory, kind)[0]


def _read(directory: Path, kind: type[B]) -> tuple[JournalState[B], int]:
    """Return the state, and how many bytes of the journal are whole."""
    path = directory / JOURNAL
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UsageError(f"There is no bisection in {directory}: {path} cannot be read: {error.strerror}.") from error
    records: list[AnyRecord] = []
    size = 0
    for number, line in enumerate(lines, 1):
        try:
            if not line.endswith(b"\n"):
                break
            records.append(READER.validate_json(line))
        except ValidationError as error:
            if number == len(lines):
                break
            problem = error.errors()[0]["msg"]
            raise InfrastructureError(f"{path}:{number}: the journal is damaged: {problem}.") from error
        size += len(line)
    return _fold(directory, records, kind), size


def _fold(directory: Path, records: Sequence[AnyRecord], kind: type[B]) -> JournalState[B]:
    if not records or not isinstance(records[0], Begun | AxesBegun):
        raise UsageError(f"The bisection in {directory} ended before it began; start a new one.")
    if not isinstance(records[0], kind):
        verb = records[0].format_words()[1]
        raise UsageError(
            f"The bisection in {directory} is of another kind.", hint=f"Continue it with `harness {verb} --resume`."
        )
    state: JournalState[B] = JournalState(begun=records[0])
    for record in records[1:]:
        state.add(record)
    return state


def _append(descriptor: int, path: Path, record: Record) -> None:
    data = record.model_dump_json().encode() + b"\n"
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError as error:
        raise InfrastructureError(f"The journal {path} cannot be written: {error.strerror}.") from error


@contextmanager
def _hold_lock(directory: Path, flags: int) -> Iterator[int]:
    path = directory / JOURNAL
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o644)
    except FileNotFoundError as error:
        raise UsageError(f"There is no bisection in {directory}: it has no {JOURNAL}.") from error
    except OSError as error:
        raise InfrastructureError(f"The journal {path} cannot be opened: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"Another process is at the bisection in {directory}.") from error
        yield descriptor
    finally:
        os.close(descriptor)
