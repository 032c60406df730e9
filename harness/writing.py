"""Files and directories at places that a user named: written whole or not at all, and refused with a sentence."""

import errno
import fcntl
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import InfrastructureError, UsageError

__all__ = ["STORE_HINT", "remove_halves", "replace_file", "translate_os_errors", "write_text"]

BROKEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, None})
"""Errors that the user did not cause: those of a disk, and those without a number, such as a lock in use."""

STORE_HINT = "--store or HARNESS_STORE names another place for the store."


@contextmanager
def translate_os_errors(what: str, *, hint: str | None = None) -> Iterator[None]:
    """Raise what the system refuses while the context lasts as a sentence.

    Args:
        what: The beginning of the sentence, up to the system's reason: "runs/ cannot be written".
        hint: What to do about it.

    Raises:
        UsageError: The system refused.
        InfrastructureError: It refused because the disk is full or broken.
    """
    try:
        yield
    except OSError as error:
        kind = InfrastructureError if error.errno in BROKEN else UsageError
        raise kind(f"{what}: {error.strerror or error}.", hint=hint) from error


@contextmanager
def replace_file(path: Path, *, hint: str = "Name another place.", inside: bool = False) -> Iterator[Path]:
    """Provide a temporary sibling of a file for the new content, which is renamed when the context ends.

    So no reader sees half of it. Directories above the file are made. What is no plain file (a pipe, a link such as
    /dev/stdout) is not replaced, but written to: the user named it. A file `inside` of a directory that may come from
    elsewhere, a run's, was not named: a link there, which may lead anywhere, is replaced.

    Raises:
        UsageError: It cannot be written; the message names the file, and not its sibling.
        InfrastructureError: The disk is full or broken.
    """
    with translate_os_errors(f"{path} cannot be written", hint=hint):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not inside and (path.is_symlink() or (path.exists() and not path.is_file())):
            yield path
            return
        remove_halves(path.parent, path.name)
        with _make_half(path) as half:
            yield half
            half.replace(path)


@contextmanager
def _make_half(path: Path) -> Iterator[Path]:
    """Make a temporary sibling, locked, which is removed when the context ends if it is still there."""
    while True:
        # No number of a process: in two containers two processes have the same.
        half = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        try:
            # Made here and by nobody else, so that what is written goes into no link of this name.
            with half.open("xb") as own:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(own, fcntl.LOCK_EX)
                # Between the two steps another process may have taken it for one that was left.
                if half.exists():
                    yield half
                    return
        finally:
            half.unlink(missing_ok=True)


def remove_halves(directory: Path, name: str = "*") -> None:
    """Remove the temporary siblings of files of this name that processes left which were killed; one that lives holds a lock."""
    for half in directory.glob(f".{name if name == '*' else glob.escape(name)}.*.part"):
        with suppress(OSError):
            descriptor = os.open(half, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                half.unlink()
            finally:
                os.close(descriptor)


def write_text(path: Path, text: str, *, hint: str = "Name another place.", inside: bool = False) -> None:
    """Write a file by a temporary sibling and a rename; `inside` and what it raises are those of `replace_file`."""
    with replace_file(path, hint=hint, inside=inside) as half:
        half.write_text(text, encoding="utf-8")
