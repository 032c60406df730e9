"""What a process prints, kept as far as it may be: in memory, on the disk, or at the end of a file.

It comes through a pipe and not into a file of the process's own, so that it is ours to find out that a disk is full.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["AT_ONCE", "Spool", "open_spool"]

IN_MEMORY = 1 << 20
"""Bytes up to which an output is kept in memory."""

PIPE = 1 << 20
"""Bytes that a pipe takes: as many as an ordinary user may ask for, see pipe(7)."""

AT_ONCE = 32 << 20
"""Bytes that are taken from a process that prints faster than it is looked at, before its deadline is looked at again."""

END = 64 * 1024
"""Bytes of the end that are kept of what is too long, and that are read again of a file."""


class Spool:
    """Takes the output of one process.

    Attributes:
        inlet: The descriptor that the process writes to; closed here when it has started.
        cut: Bytes that were left out.
    """

    def __init__(self, file: IO[bytes], most: int | None, *, whole: bool) -> None:
        self._file = file
        self._begin = file.seek(0, os.SEEK_END)
        self._most = most
        self._whole = whole
        self._size = 0
        self._end = b""
        self.cut = 0
        self._outlet, self.inlet = os.pipe()
        fcntl.fcntl(self._outlet, fcntl.F_SETPIPE_SZ, PIPE)
        os.set_blocking(self._outlet, False)

    def drain(self, most: int = PIPE) -> None:
        """Take what the process has printed so far, at most about `most` bytes; raises OSError if the disk is full."""
        left = most
        while left > 0:
            try:
                data = os.read(self._outlet, min(left, 1 << 16))
            except BlockingIOError:
                return
            if not data:
                return
            left -= len(data)
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        room = len(data) if self._most is None else max(0, self._most - self._size)
        self._file.write(data[:room])
        self._size += len(data[:room])
        rest = data[room:]
        if rest:
            self._end = (self._end + rest)[-END:]
            self.cut += len(rest)

    def read_text(self) -> str:
        """Return the output, or of that in a file the end; what was left out is noted where it was."""
        if self.cut:
            self.cut -= len(self._end)
            if self.cut:
                self._file.write(f"\n[{self.cut} bytes were left out here]\n".encode())
            self._file.write(self._end)
            self._end = b""
        self._file.flush()
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(self._begin if self._whole else max(self._begin, size - END))
        return self._file.read().decode(errors="replace")

    def close(self) -> None:
        """Close both ends of the pipe."""
        for descriptor in (self._outlet, self.inlet):
            if descriptor >= 0:
                os.close(descriptor)
        self._outlet = self.inlet = -1

    def close_inlet(self) -> None:
        """Leave the end that is written to, to the process."""
        os.close(self.inlet)
        self.inlet = -1


@contextmanager
def open_spool(output: Path | None, most: int | None = None) -> Iterator[Spool]:
    """Yield what takes the output of a process; raises OSError.

    `output` is a file to append it to; `most` the bytes that are kept, all for None.
    """
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
    file: IO[bytes]
    with (
        tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)
        if output is None
        else output.open("a+b", buffering=0)  # another process may append too
    ) as file:
        spool = Spool(file, most, whole=output is None)
        try:
            yield spool
        finally:
            spool.close()
