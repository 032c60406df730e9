"""Downloads that become files, verified before anybody can see them."""

import errno
import hashlib
from contextlib import closing
from pathlib import Path

from harness.errors import InfrastructureError
from harness.fetch.streams import stream
from harness.wait import Deadline

__all__ = ["FileSink", "download"]


class FileSink:
    """Writes a download to a file and hashes it on the way.

    Attributes:
        path: The file.
        digest: Hash of what came so far.
    """

    def __init__(self, path: Path, algorithm: str = "sha256") -> None:
        self.path = path
        self._algorithm = algorithm
        self._file = path.open("wb")
        self.digest = hashlib.new(algorithm)

    def restart(self) -> None:
        """Empty the file."""
        self._file.seek(0)
        self._file.truncate()
        self.digest = hashlib.new(self._algorithm)

    def write(self, chunk: bytes, /) -> None:
        """Append to the file."""
        self._file.write(chunk)
        self.digest.update(chunk)

    def close(self) -> None:
        """End the writing; the digest remains."""
        self._file.close()


def download(url: str, path: Path, *, sha256: str | None, deadline: Deadline) -> str:
    """Download `url` to `path`, which appears only when its content is complete and verified.

    Args:
        url: An http, https or file address.
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
    try:
        with closing(FileSink(part)) as sink:
            stream(url, sink, deadline)
        digest = sink.digest.hexdigest()
        if sha256 is not None and digest != sha256:
            raise InfrastructureError(
                f"What {url} sent has the SHA-256 {digest} instead of {sha256}; it was thrown away.",
                hint="Somebody changed the file or the digest is mistyped: compare it with the publisher's.",
            )
        part.replace(path)
    except OSError as error:
        raise _translate_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return digest


def _translate_error(path: Path, error: OSError) -> InfrastructureError:
    hint = f"Look at `df -h {path.parent}`." if error.errno in {errno.ENOSPC, errno.EDQUOT} else None
    return InfrastructureError(f"The file {path} could not be written: {error.strerror or error}.", hint=hint)
