"""Who may do what to a directory of the store now: locks for its making, and marks of its use.

Both are flock(2), which the kernel frees when the owner dies, however it dies. Nothing here is older or
younger than something else by the clock.
"""

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import InfrastructureError
from harness.wait import Deadline, poll
from harness.writing import STORE_HINT, translate_os_errors

__all__ = ["Uses", "get_lock_path", "hold_lock", "read_last_use", "reserve_unused", "try_lock"]

MARK = "last-use"
"""File in a directory of the store: its users hold a shared lock on it, and its time is the last use."""

STEP = 1_000
"""Nanoseconds between two uses at least."""


def get_lock_path(home: Path) -> Path:
    """Return the lock file for the making and removal of a directory; what comes after a dot is left out."""
    return home.with_name(f"{home.name.partition('.')[0]}.lock")


@contextmanager
def hold_lock(path: Path, deadline: Deadline) -> Iterator[None]:
    """Hold the lock file `path`, alone among threads and processes, while the context lasts.

    Raises:
        DeadlineError: Somebody else held it until the deadline.
        UsageError: Its directory cannot be made.
        InfrastructureError: The file cannot be made or locked: the disk is full, or may not be written.
    """
    lock = FileLock(path, fallback_to_soft=False)  # a soft lock would outlive its owner
    poll(lambda: _take(lock, path) or None, deadline, every=0.2)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the lock file while the context lasts, or give False if somebody else does; raises as `hold_lock`."""
    lock = FileLock(path, fallback_to_soft=False)
    ours = _take(lock, path)
    try:
        yield ours
    finally:
        if ours:
            lock.release()


def _take(lock: FileLock, path: Path) -> bool:
    with translate_os_errors(f"{path.parent} cannot be made", hint=STORE_HINT):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        raise InfrastructureError(
            f"The lock {path} cannot be taken: {error.strerror or error}.",
            hint=f"Look at `df -h {path.parent}` and `ls -ld {path.parent}`; {STORE_HINT}",
        ) from error
    return True


class Uses:
    """The directories that this process uses: nobody removes them to make room while it lives.

    A use also sets the time of the last one. It is later than every use before it even where the clock was set
    back, so that the order of uses is always right and only the times are as wrong as the clock was.
    """

    def __init__(self, root: Path) -> None:
        self._newest = root / MARK
        self._guard = threading.Lock()
        self._marks: dict[Path, int] = {}
        weakref.finalize(self, _close, self._marks)

    def add(self, home: Path) -> bool:
        """Use a directory from now on, and say whether it is there: False if somebody is removing it."""
        mark = home / MARK
        with self._guard:
            held = self._marks.get(mark)
            if held is None or not _is_at(held, mark):
                try:
                    descriptor = os.open(mark, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                except FileNotFoundError:
                    return False
                except OSError:
                    return True  # a store that may only be read is not pruned by us, and hardly by others
                if not _try_share(descriptor) or not _is_at(descriptor, mark):
                    os.close(descriptor)
                    return False
                if held is not None:
                    os.close(held)
                self._marks[mark] = descriptor
            self._touch(mark)
        return True

    def _touch(self, mark: Path) -> None:
        # Somebody else's store may be one that we can read only.
        with suppress(OSError):
            newest = self._newest.stat().st_mtime_ns if self._newest.exists() else 0
            now = max(time.time_ns(), newest + STEP)
            self._newest.touch()
            for path in (mark, self._newest):
                os.utime(path, ns=(now, now))


def read_last_use(home: Path) -> int:
    """Return when a directory of the store was used last, in nanoseconds since 1970; see `Uses` for jumping clocks."""
    try:
        return (home / MARK).stat().st_mtime_ns
    except FileNotFoundError:
        return home.stat().st_mtime_ns


@contextmanager
def reserve_unused(home: Path) -> Iterator[bool]:
    """Keep processes from using a directory while the context lasts; yields False if one already does."""
    try:
        descriptor = os.open(home / MARK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        yield True  # it is gone
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _try_share(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file still has its name: not if its directory was removed, even if it was made again."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _close(marks: dict[Path, int]) -> None:
    for descriptor in marks.values():
        os.close(descriptor)
