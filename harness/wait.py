"""Points in time at which to stop, and the one way to wait.

A `Deadline` is made once at the top and passed down; nobody adds up timeouts. It also carries the
cancellation of the whole run, so that Ctrl-C ends every wait in every thread.
"""

import time
from collections.abc import Callable, Collection
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import CancelledError, DeadlineError

__all__ = ["Cancellation", "Deadline", "poll", "wait_for_any"]

T = TypeVar("T")

SLICE = 0.1
"""Seconds after which a wait looks whether the run is being interrupted."""


class Cancellation:
    """Whether the run is being interrupted.

    It is set in a signal handler, which may run while any lock is held, so it has none (threading.Event does).

    Attributes:
        heard: Whether some work has noticed it, so that what runs now is the cleaning up.
    """

    def __init__(self) -> None:
        self.heard = False
        self._set = False

    def set(self) -> None:
        """Interrupt the run."""
        self._set = True

    def is_set(self) -> bool:
        """Return whether the run is being interrupted."""
        return self._set

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until the run is interrupted."""
        ends = time.monotonic() + seconds
        while not self._set and (left := ends - time.monotonic()) > 0:
            time.sleep(min(SLICE, left))  # noqa: TID251 - this is what the ban points to


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A point in (monotonic) time at which a piece of work must have ended.

    Attributes:
        ends: Value of `time.monotonic()` at the end, in seconds.
        what: The work, as a noun phrase for messages: "boot of debian-bookworm".
        seconds: How long the work was given in all.
        cancelled: Set when the run is being interrupted; shared by all deadlines of a run.
    """

    ends: float
    what: str
    seconds: float
    cancelled: Cancellation = field(default_factory=Cancellation)

    @classmethod
    def after(cls, seconds: float, what: str, *, cancelled: Cancellation | None = None) -> "Deadline":
        """Return a deadline `seconds` from now for the work named by `what`."""
        event = cancelled if cancelled is not None else Cancellation()
        return cls(ends=time.monotonic() + seconds, what=what, seconds=seconds, cancelled=event)

    def within(self, seconds: float, what: str) -> "Deadline":
        """Return a deadline for a part of this work: `seconds` from now, but never later than this one."""
        now = time.monotonic()
        ends = min(self.ends, now + seconds)
        return Deadline(ends=ends, what=what, seconds=ends - now, cancelled=self.cancelled)

    @property
    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.ends - time.monotonic())

    def check(self) -> None:
        """Raise if the time is over (DeadlineError) or the run is interrupted (CancelledError)."""
        if self.cancelled.is_set():
            self.cancelled.heard = True
            raise CancelledError(f"The {self.what} was interrupted.")
        if time.monotonic() >= self.ends:
            raise DeadlineError(f"The {self.what} did not end within {self.seconds:.0f} s.")

    def pause(self, seconds: float) -> None:
        """Wait `seconds`, or less when the deadline or an interruption comes first; raises as `check` does."""
        self.cancelled.wait(min(seconds, self.remaining))
        self.check()


def poll(attempt: Callable[[], T | None], deadline: Deadline, *, every: float = 0.05) -> T:
    """Call `attempt` until it returns something else than None, and return that.

    `attempt` raises to fail early, on a state that cannot recover.

    It looks once, quickly; None means "not yet".

    Raises:
        DeadlineError: The deadline came first.
    """
    while True:
        value = attempt()
        if value is not None:
            return value
        deadline.pause(every)


def wait_for_any(running: Collection[Future[T]]) -> set[Future[T]]:
    """Wait until at least one of some futures has ended, and return those that have.

    In slices, because Python handles a signal in the main thread, between two of its steps: one that arrives right
    before a wait without end is handled after it, and Ctrl-C would end nothing (signal, "Execution of Python signal
    handlers").
    """
    while True:
        ended = futures.wait(running, timeout=SLICE, return_when=futures.FIRST_COMPLETED).done
        if ended:
            return ended
