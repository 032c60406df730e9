"""Ctrl-C and termination signals: the first one stops the work, and the cleaning up is not interrupted.

A signal only sets an event, which every deadline of the program looks at: an exception raised between any two
instructions could lose a process that was just started. Work that does not look (a blocking call of a
library) gets KeyboardInterrupt, from a further signal or after `PATIENCE`.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from harness.wait import Cancellation

__all__ = ["interruptible"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PATIENCE = 5.0
"""Seconds after the first signal in which the work should have noticed it."""


@contextmanager
def interruptible() -> Iterator[Cancellation]:
    """Turn the first signal into a set event, and one that nobody heard into KeyboardInterrupt."""
    cancelled = Cancellation()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if not cancelled.is_set():
            cancelled.set()
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        elif not cancelled.heard:
            cancelled.heard = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (*SIGNALS, signal.SIGALRM)}
    try:
        yield cancelled
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
