"""Standard output and error that outlive their readers.

Whoever reads our output may have seen enough (`harness gate RUN | head -1`) or want none of it (`>&-`). The work is done
all the same, and the exit code is that of the work: a gate that refuses must not look like one that allows.
"""

import io
import os
import sys
from typing import Any, TextIO

__all__ = ["outlive_readers"]


class _Raw(io.FileIO):
    """A descriptor from which a broken pipe is taken away at the first write that meets it."""

    def write(self, data: Any, /) -> int:
        """Write, or take for written."""
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(memoryview(data))


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
