"""One pass over a compressed disk image: hashed as it comes, decompressed at the same time, and written with holes.

Nothing is kept of the compressed file, so that an image takes no more room than its own blocks, and no more memory than
some pieces of it. The digest is of the compressed bytes, which is what a publisher signs.
"""

import bz2
import hashlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from harness import fetch
from harness.distros.flatcar.trust import HINT, TrustError
from harness.fetch import DownloadProgress, FileSink
from harness.wait import Deadline, wait_for_any

__all__ = ["SparseFile", "fetch_disk", "fetch_file"]

BLOCK = 4096
"""Bytes of a hole at least, and what holes are aligned to: a block of the usual file systems."""

PIECE = 1 << 20
"""Most bytes that are decompressed at once: a few compressed bytes may stand for gigabytes of zeros."""

QUEUE = 64
"""Chunks that wait to be decompressed at most; with `fetch.CHUNK` each that is 4 MB."""

LARGEST = 16 << 30
"""Bytes of the largest disk; the real one has 8.5 GB."""

ZEROS = bytes(PIECE)

Tell = Callable[[DownloadProgress], None]


class SparseFile:
    """A file that is written from its beginning to its end, with holes where whole blocks are zero."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append to the file."""
        place = 0
        while place < len(data):
            length = min(BLOCK - self.size % BLOCK, len(data) - place)
            zeros = data.startswith(ZEROS[:length], place)
            # Neighbours of the same sort go together.
            while place + length < len(data) and zeros == self._is_zero(data, place + length):
                length = min(length + BLOCK, len(data) - place)
            if not zeros:
                _write_all(self._file.fileno(), data[place : place + length], self.size)
            self.size += length
            place += length

    def restart(self) -> None:
        """Empty the file."""
        self._file.truncate(0)
        self.size = 0

    def close(self) -> None:
        """Give the file its size, also where it ends in a hole."""
        try:
            self._file.truncate(self.size)
        finally:
            self._file.close()

    @staticmethod
    def _is_zero(data: bytes, place: int) -> bool:
        return data.startswith(ZEROS[: min(BLOCK, len(data) - place)], place)


def _write_all(descriptor: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, place)
        view, place = view[done:], place + done


class _Disk:
    """A sink that hashes what comes, and decompresses it in a thread of its own, in order."""

    def __init__(self, path: Path, url: str, deadline: Deadline) -> None:
        self._url = url
        self._deadline = deadline
        self._file = SparseFile(path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bzip2")
        self._waiting: deque[Future[None]] = deque()
        self._begin()

    def _begin(self) -> None:
        self._digest = hashlib.sha512()
        self._stream = bz2.BZ2Decompressor()
        self._whole = False

    def restart(self) -> None:
        """Begin again."""
        self._drain(0, heed=False)
        self._file.restart()
        self._begin()

    def write(self, chunk: bytes, /) -> None:
        """Take the next compressed bytes."""
        self._waiting.append(self._thread.submit(self._inflate, chunk))
        self._digest.update(chunk)
        self._drain(QUEUE)

    def finish(self, sha512: str) -> None:
        """All is here: raise unless it is what was signed."""
        self._drain(0)
        if not self._whole:
            raise TrustError(f"What {self._url} sent was cut off: its compressed data has no end.", hint=HINT)
        digest = self._digest.hexdigest()
        if digest != sha512:
            raise TrustError(
                f"What {self._url} sent is not what was signed: its SHA-512 is {digest} instead of {sha512}.", hint=HINT
            )

    def close(self) -> None:
        """End the thread and the file."""
        self._thread.shutdown(cancel_futures=True)
        self._file.close()

    def _drain(self, remain: int, *, heed: bool = True) -> None:
        """Wait until so few chunks wait; raise what went wrong with one, unless that is past."""
        while len(self._waiting) > remain:
            wait_for_any([self._waiting[0]])
            ended = self._waiting.popleft()
            if heed:
                ended.result()

    def _inflate(self, chunk: bytes) -> None:
        while chunk or not self._stream.needs_input:
            try:
                data = self._stream.decompress(chunk, PIECE)
            except OSError as error:
                raise TrustError(
                    f"What {self._url} sent is not what was signed: it is damaged or altered ({error}).", hint=HINT
                ) from error
            chunk = b""
            self._file.write(data)
            if self._file.size > LARGEST:
                raise TrustError(f"What {self._url} sent is no disk image: it is larger than {LARGEST >> 30} GB.")
            self._deadline.check()
            self._whole = self._stream.eof
            if self._whole:  # parallel compressors write several streams, one after the other
                chunk = self._stream.unused_data
                self._stream = bz2.BZ2Decompressor()


def fetch_disk(url: str, path: Path, sha512: str, deadline: Deadline, *, progress: Tell | None = None) -> None:
    """Download a disk image that was compressed by bzip2, and write it as it was before.

    It is written while it comes, so nobody may use it before the end. `sha512` is what the compressed image must hash
    to, from where it was signed.

    Raises:
        TrustError: It is not what was signed: altered, cut off, or another file.
        UsageError: There is no such file.
        InfrastructureError: It could not be downloaded; see `fetch.stream`.
    """
    with closing(_Disk(path, url, deadline)) as disk:
        fetch.stream(url, disk, deadline, progress=progress)
        disk.finish(sha512)


def fetch_file(url: str, path: Path, deadline: Deadline, *, most: int, progress: Tell | None = None) -> None:
    """Download a file as it is; nothing is known of it before its signature was checked, but that it has `most` bytes.

    Raises:
        UsageError: There is no such file.
        InfrastructureError: It could not be downloaded; see `fetch.stream`.
    """
    with closing(FileSink(path)) as sink:
        fetch.stream(url, sink, deadline, most=most, progress=progress)
