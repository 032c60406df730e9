"""Download of one file, verified before anybody can see it, and safe unpacking of archives.

A broken connection is taken up where it broke (Range with If-Range), a wrong digest never gets the
file's name, and unpacking cannot write or point outside its directory.
"""

import errno
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from harness import log, proc
from harness.errors import InfrastructureError, UsageError
from harness.store import file_digest
from harness.wait import Deadline

__all__ = ["download", "unpack"]

logger = log.get(__name__)

ATTEMPTS = 6
"""How often one download is taken up again after its connection broke."""

TIMEOUT = 30.0
"""Longest silence of a server, in seconds."""

CHUNK = 1 << 16
"""Bytes read at once; so many at most are sent twice when a connection breaks."""

PROGRESS = 5.0
"""Seconds between two lines of progress in the log."""

BROKEN = (
    requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError,
)  # fmt: skip
"""What requests raises for a connection that cannot be made or breaks."""


def download(url: str, path: Path, *, sha256: str | None, deadline: Deadline) -> str:
    """Download `url` to `path`, which appears only when its content is complete and verified.

    Args:
        url: An http or https address.
        path: The file; its directory exists.
        sha256: What its content must hash to, in hexadecimal digits; None to take what comes.
        deadline: When to give up.

    Returns:
        SHA-256 of the content, in hexadecimal digits.

    Raises:
        UsageError: The server says that there is no such file, or the address is none.
        InfrastructureError: No connection, it broke too often, the digest is wrong, or the disk is full.
        DeadlineError: It took too long.
    """
    part = path.with_name(f"{path.name}.part")
    logger.info("download: %s", url)
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=_retries()))
            session.mount("https://", HTTPAdapter(max_retries=_retries()))
            _persist(session, url, part, deadline)
        digest = file_digest(part)
        if sha256 is not None and digest != sha256:
            raise InfrastructureError(
                f"What {url} sent has the SHA-256 {digest} instead of {sha256}; it was thrown away.",
                hint="Somebody changed the file or the digest is mistyped: compare it with the publisher's.",
            )
        part.replace(path)
    except OSError as error:
        raise _disk_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return digest


def _retries() -> urllib3.Retry:
    """For a server that is busy; its wish to wait for an hour is not heard. `_persist` sees to the connection."""
    return urllib3.Retry(
        total=None, connect=0, read=0, status=3, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504),
        respect_retry_after_header=False, raise_on_status=False,
    )  # fmt: skip


def _persist(session: requests.Session, url: str, part: Path, deadline: Deadline) -> None:
    """Download into `part`; after a broken connection go on from where it broke."""
    part.write_bytes(b"")
    validator: str | None = None
    reason = "the server does not know how long its own file is"
    for attempt in range(ATTEMPTS):
        try:
            # Without a validator nobody knows whether the rest belongs to the beginning.
            size = part.stat().st_size if validator else 0
            headers = {"Accept-Encoding": "identity"}
            if validator and size:
                headers |= {"Range": f"bytes={size}-", "If-Range": validator}
            timeout = max(1.0, min(TIMEOUT, deadline.remaining))
            with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
                if response.status_code == requests.codes.requested_range_not_satisfiable:
                    validator = None
                    continue
                _check_status(url, response)
                validator = _validator(response)
                _receive(response, part, size if _continues(response, size) else 0, deadline)
        except BROKEN as error:
            reason = _reason(error)
            logger.info("download broke after %d bytes (%s): %s", part.stat().st_size, reason, url)
            deadline.pause(min(2.0, 0.2 * 2**attempt))
        except requests.RequestException as error:
            raise UsageError(f"The address {url} cannot be downloaded: {error}.") from error
        else:
            return
    raise InfrastructureError(
        f"The download of {url} broke {ATTEMPTS} times; the last reason was: {reason}.",
        hint=f"Is there a network, and is {urlsplit(url).hostname} reached directly or by the proxy in `https_proxy`?",
    )


def _check_status(url: str, response: requests.Response) -> None:
    code = response.status_code
    if code in {requests.codes.not_found, requests.codes.gone}:
        raise UsageError(
            f"The server has no such file: {url} (HTTP {code}).",
            hint="Check the version that was asked for; the server may have dropped old ones.",
        )
    if not response.ok:
        raise InfrastructureError(f"The server did not send {url}: HTTP {code} {response.reason}.")


def _validator(response: requests.Response) -> str | None:
    """What If-Range may name: a strong ETag, else the date of the last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _continues(response: requests.Response, size: int) -> bool:
    """Whether the answer is the rest from `size` on, and not the whole file again."""
    if response.status_code != requests.codes.partial_content:
        return False
    return response.headers.get("Content-Range", "").startswith(f"bytes {size}-")


def _receive(response: requests.Response, part: Path, begin: int, deadline: Deadline) -> None:
    """Write the body to `part` from byte `begin` on."""
    total = begin + int(response.headers.get("Content-Length", 0))
    told = time.monotonic()
    with part.open("r+b") as file:
        file.truncate(begin)
        file.seek(begin)
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            deadline.check()
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                logger.info("download: %.1f of %.1f MB", file.tell() / 1e6, total / 1e6)


def _reason(error: Exception) -> str:
    """The innermost cause, which says more than requests' wrapping of it."""
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return str(inner) or type(inner).__name__


def _disk_error(path: Path, error: OSError) -> InfrastructureError:
    hint = f"Look at `df -h {path.parent}`." if error.errno in {errno.ENOSPC, errno.EDQUOT} else None
    return InfrastructureError(f"The file {path} could not be written: {error.strerror or error}.", hint=hint)


def unpack(archive: Path, into: Path, deadline: Deadline) -> None:
    """Unpack a tar archive, compressed or not, into an empty directory.

    GNU tar does it: Python 3.11.2, Debian 12's, has no extraction filters, and tar knows zstd too. Absolute
    names lose their slash and names with `..` are refused by tar itself; links that lead outside are refused here.

    Raises:
        InfrastructureError: It is no archive, or a member leads outside `into`.
    """
    argv = ["tar", "--extract", "--file", str(archive), "--directory", str(into), "--no-same-owner"]
    proc.run([*argv, "--delay-directory-restore"], deadline=deadline, hint=f"{archive.name} is damaged, or malicious.")
    inside = into.resolve()
    for folder, directories, files in os.walk(into):
        for name in (*directories, *files):
            path = Path(folder, name)
            if path.is_symlink() and not _target(path).is_relative_to(inside):
                raise InfrastructureError(
                    f"The archive {archive.name} has a link that leads outside of it:"
                    f" {path.relative_to(into)} -> {path.readlink()}."
                )


def _target(link: Path) -> Path:
    """Where a symbolic link leads; a chain that never ends leads to itself."""
    return Path(os.path.realpath(link))
