"""What the process as a whole needs: output that outlives its readers, and signals that do not cut off the cleaning up.

Whoever reads our output may have seen enough (`harness gate RUN | head -1`) or want none of it (`>&-`). The work is done
all the same, and the exit code is that of the work: a gate that refuses must not look like one that allows.

The first Ctrl-C or termination signal stops the work. It only sets an event, which every deadline of the program looks
at: an exception raised between any two instructions could lose a process that was just started. Work that does not look
(a blocking call of a library) gets KeyboardInterrupt, from a further signal or after `PATIENCE`.
"""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

import typer

from harness.text import show
from harness.wait import Cancellation

__all__ = ["complain", "find_lost_output", "interruptible", "outlive_readers"]


class _Raw(io.FileIO):
    """A descriptor from which a broken pipe or a full disk is taken away at the first write that meets it."""

    lost: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, or take for written where nobody reads; a disk that is full must not end the work either."""
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                self.lost = error
            return len(memoryview(data))


def find_lost_output() -> str | None:
    """Return why what was printed on the standard output could not be written, where somebody wanted it."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.lost.strerror if isinstance(raw, _Raw) and raw.lost is not None else None


def outlive_readers() -> None:
    """Replace this process's standard output and error; to be called before anything is written."""
    sys.stdout, sys.stderr = _patient(sys.stdout, 1), _patient(sys.stderr, 2)


def _patient(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # the descriptor was closed when Python started
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it is open as long as the process
    terminal = stream.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(_Raw(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=terminal or descriptor == 2,  # noqa: PLR2004 - standard error, as Python has it
    )


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


def complain(text: str) -> None:
    """Print lines on stderr; whoever wrote them, no terminal acts upon them."""
    typer.echo(show(text), err=True)
