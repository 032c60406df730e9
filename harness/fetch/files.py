"""Download of one file, resumed and verified, and safe unpacking of archives."""

import errno
import hashlib
import os
from contextlib import closing
from pathlib import Path

from harness import proc
from harness.errors import InfrastructureError
from harness.fetch.streams import ARCHIVE, stream
from harness.store import take_privileges
from harness.wait import Deadline

__all__ = ["FileSink", "download", "unpack"]


class FileSink:
    """Writes a download to a file and hashes it on the way."""

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


def download(url: str, path: Path, *, sha256: str | None, deadline: Deadline, most: int = ARCHIVE) -> str:
    """Download `url` to `path`, which appears only when its content is complete and verified.

    `sha256` is what its content must hash to, in hexadecimal digits, or None to take what comes; that of the content is
    returned. It may have `most` bytes.

    Raises:
        UsageError: The server says that there is no such file, or the address is none.
        InfrastructureError: No connection, it broke too often, it is too large, the digest is wrong, or the disk is full.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with closing(FileSink(part)) as sink:
            stream(url, sink, deadline, most=most)
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


def unpack(archive: Path, into: Path, deadline: Deadline) -> None:
    """Unpack a tar archive, compressed or not, into an empty directory.

    GNU tar does it: Python 3.11.2, Debian 12's, has no extraction filters, and tar knows zstd too. Absolute
    names lose their slash and names with `..` are refused by tar itself; links that lead outside, and devices, are refused
    here, and no program stays setuid.

    Raises:
        InfrastructureError: It is no archive, or a member leads outside `into` or is a device.
    """
    argv = ["tar", "--extract", "--file", str(archive), "--directory", str(into), "--no-same-owner"]
    proc.run([*argv, "--delay-directory-restore"], deadline=deadline, hint=f"{archive.name} is damaged, or malicious.")
    take_privileges(into)
    inside = into.resolve()
    for folder, directories, files in os.walk(into):
        for name in (*directories, *files):
            path = Path(folder, name)
            if path.is_symlink() and not _resolve_link(path).is_relative_to(inside):
                raise InfrastructureError(
                    f"The archive {archive.name} has a link that leads outside of it:"
                    f" {path.relative_to(into)} -> {path.readlink()}."
                )


def _resolve_link(link: Path) -> Path:
    """Return where a symbolic link leads; a chain that never ends leads to itself."""
    return Path(os.path.realpath(link))
