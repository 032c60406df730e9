"""Download of one file: whatever the server does, what arrives is the file from its beginning to its end, once.

A broken connection is taken up where it broke (Range with If-Range); where the file has changed meanwhile, or the
server cannot go on, it begins again. A `Sink` takes the bytes while they come.
"""

import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from harness.credentials import restore_address
from harness.errors import InfrastructureError, UsageError
from harness.wait import Deadline

__all__ = ["ARCHIVE", "ATTEMPTS", "CHUNK", "TEXT", "DownloadProgress", "Sink", "stream"]

logger = logging.getLogger(__name__)

ATTEMPTS = 6
"""How often one download is taken up again, in a row, without getting on."""

ADVANCE = 1 << 20
"""Bytes after which a download has made progress, so that the attempts are counted from the start."""

TIMEOUT = 30.0
"""Longest silence of a server, in seconds."""

CHUNK = 1 << 16
"""Bytes read at once, and the most that are sent twice when a connection breaks."""

PROGRESS = 5.0
"""Seconds between two lines of progress in the log."""

TEXT = 1 << 20
"""Most bytes of a key, a signature, or a file of some lines."""
ARCHIVE = 4 << 30
"""Most bytes of an archive of source or programs, or of a compressed disk; the largest that is known has 0.5 GB."""

LENGTH = re.compile(r"[0-9]{1,15}")
"""What Content-Length says (RFC 9110, 8.6), below a petabyte."""

BUSY = (429, 500, 502, 503, 504)
"""Answers of a server that may have another one later; its wish to wait for an hour is not heard."""

BROKEN = (
    requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError,
)  # fmt: skip
"""What requests raises for a connection that cannot be made or breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """How far a download is.

    Attributes:
        received: Bytes that are here.
        total: Bytes of the whole file, or None if the server does not say.
        rate: Bytes in a second, since the download began.
        left: Seconds until the end at this rate, or None where nobody can know.
    """

    received: int
    total: int | None
    rate: float
    left: float | None

    def __str__(self) -> str:
        size = f"{self.received / 1e6:.1f}" + (f" of {self.total / 1e6:.1f}" if self.total is not None else "")
        left = f", {self.left:.0f} s left" if self.left is not None else ""
        return f"{size} MB at {self.rate / 1e6:.1f} MB/s{left}"


class Sink(Protocol):
    """Takes the content of one download, in order and once."""

    def restart(self) -> None:
        """Forget what came so far: the file comes again from its beginning."""

    def write(self, chunk: bytes, /) -> None:
        """Take the next bytes."""


def stream(
    url: str,
    sink: Sink,
    deadline: Deadline,
    *,
    most: int = ARCHIVE,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> None:
    """Give the content of `url` to a sink while it comes; after a broken connection go on from where it broke.

    The sink restarts where the file has changed, or the server cannot go on. It gets no more than `most` bytes, as nobody
    knows what comes before it is all there. `progress` is called after each chunk; None for a line in the log now and then.

    Raises:
        UsageError: The server says that there is no such file, or the address is none.
        InfrastructureError: No connection, the server refuses, it broke `ATTEMPTS` times without getting on, or what it
            sends is too large.
    """
    logger.info("download: %s", url)
    flow = _Flow(url=url, sink=sink, deadline=deadline, most=most, report=progress or _ProgressLog())
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"The address {url} cannot be downloaded: {error}.") from error
    if parts.scheme == "file":
        _copy(Path(unquote(parts.path)), flow)
        return
    with requests.Session() as session:
        _persist(session, flow)


@dataclass(slots=True, kw_only=True)
class _Flow:
    """One download on its way to its sink.

    Attributes:
        received: Bytes that the sink has.
        furthest: The most that it ever had.
        validator: What the server calls the content that it has; None if nobody knows whether a rest belongs to it.
    """

    url: str
    sink: Sink
    deadline: Deadline
    most: int
    report: Callable[[DownloadProgress], None]
    received: int = 0
    furthest: int = 0
    validator: str | None = None
    begin: float = field(default_factory=time.monotonic)
    fresh: int = 0

    def restart(self) -> None:
        if self.received:
            self.sink.restart()
            self.received = 0

    def take(self, chunks: Iterator[bytes], total: int | None) -> None:
        self._bound(total or 0)
        for chunk in chunks:
            self._bound(self.received + len(chunk))
            self.sink.write(chunk)
            self.received += len(chunk)
            self.fresh += len(chunk)
            self.deadline.check()
            rate = self.fresh / max(time.monotonic() - self.begin, 1e-6)
            left = (total - self.received) / rate if total is not None and rate else None
            self.report(DownloadProgress(received=self.received, total=total, rate=rate, left=left))

    def _bound(self, size: int) -> None:
        if size > self.most:
            raise InfrastructureError(
                f"What {self.url} sends is not what was asked for: it has more than {self.most / 1e6:.1f} MB.",
                hint="Is it the right address? Nothing of it is kept.",
            )

    def record_advance(self) -> bool:
        """Return whether the last attempt made progress, and count it."""
        ahead = self.received - self.furthest
        self.furthest = max(self.furthest, self.received)
        return ahead >= ADVANCE


class _ProgressLog:
    """Writes progress to the log, but not all of it."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: DownloadProgress) -> None:
        if time.monotonic() - self._last > PROGRESS:
            self._last = time.monotonic()
            logger.info("download: %s", progress)


def _copy(path: Path, flow: _Flow) -> None:
    """Give a file of this computer to the sink as a download."""
    try:
        # Opened so that no pipe without a writer is waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageError(f"There is no such file: {path} is no plain file.")
            flow.take(iter(lambda: file.read(CHUNK), b""), os.fstat(file.fileno()).st_size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError(f"There is no such file: {path}.") from error
    except ValueError as error:
        raise UsageError(f"There is no such file: the name has a NUL in it: {path}.") from error
    except PermissionError as error:
        raise UsageError(f"The file {path} may not be read.") from error


def _persist(session: requests.Session, flow: _Flow) -> None:
    failures = 0
    while True:
        try:
            reason = _attempt(session, flow)
        except BROKEN as error:
            reason = _find_reason(error)
        except (requests.RequestException, ValueError) as error:
            # The standard library raises ValueError for an address, also one that a server sent, that cannot be read.
            raise UsageError(f"The address {flow.url} cannot be downloaded: {error}.") from error
        if not reason:
            return
        failures = 1 if flow.record_advance() else failures + 1
        logger.info("download broke after %d bytes (%s): %s", flow.received, reason, flow.url)
        if failures == ATTEMPTS:
            break
        flow.deadline.pause(min(2.0, 0.2 * 2 ** (failures - 1)))
    host = urlsplit(flow.url).hostname
    raise InfrastructureError(
        f"The download of {flow.url} broke {ATTEMPTS} times; the last reason was: {reason}.",
        hint=f"Is there a network, and is {host} reached directly or by the proxy in `https_proxy`?",
    )


def _attempt(session: requests.Session, flow: _Flow) -> str:
    """Ask once for what is missing; the answer is empty, or why it is not all there."""
    headers = {"Accept-Encoding": "identity"}
    begin = flow.received if flow.validator else 0
    if begin:
        headers |= {"Range": f"bytes={begin}-", "If-Range": flow.validator or ""}
    timeout = max(1.0, min(TIMEOUT, flow.deadline.remaining))
    with session.get(restore_address(flow.url), headers=headers, stream=True, timeout=timeout) as response:
        code = response.status_code
        if code in BUSY:
            return f"HTTP {code} {response.reason}"
        if begin and code == requests.codes.requested_range_not_satisfiable:
            flow.validator = None
            return "the server's file ends before what is here of it"
        _check_status(flow.url, response)
        if code == requests.codes.partial_content and not _is_continuation(response, begin):
            flow.validator = None
            return "the server sent another part than was asked for"
        if code == requests.codes.ok:
            flow.restart()
        flow.validator = _find_validator(response)
        # Of a length that is none (or two) nothing follows: how long the content is shows at its end.
        length = response.headers.get("Content-Length", "")
        known = LENGTH.fullmatch(length) is not None
        flow.take(response.iter_content(CHUNK), flow.received + int(length) if known else None)
    return ""


def _check_status(url: str, response: requests.Response) -> None:
    code = response.status_code
    if code in {requests.codes.not_found, requests.codes.gone}:
        raise UsageError(
            f"The server has no such file: {url} (HTTP {code}).",
            hint="Check the version that was asked for; the server may have dropped old ones.",
        )
    if code not in {requests.codes.ok, requests.codes.partial_content}:
        raise InfrastructureError(f"The server did not send {url}: HTTP {code} {response.reason}.")


def _find_validator(response: requests.Response) -> str | None:
    """Return what If-Range may name: a strong ETag, else the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _is_continuation(response: requests.Response, size: int) -> bool:
    """Return whether a part that was sent is the rest from `size` on."""
    return size > 0 and response.headers.get("Content-Range", "").startswith(f"bytes {size}-")


def _find_reason(error: Exception) -> str:
    """Return the innermost cause, which says more than requests' wrapping of it."""
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return str(inner) or type(inner).__name__
