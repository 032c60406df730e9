"""Ctrl-C and termination signals: the first one stops the work, and the cleaning up is not interrupted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interruptible"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn the first signal into KeyboardInterrupt here and into a set event for other threads' deadlines.

    Later signals do nothing: what is being cleaned up then (machines, mounts, containers) has deadlines of its own.
    """
    cancelled = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if not cancelled.is_set():
            cancelled.set()
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
