"""Source code from a directory of this computer, taken as it is but for `.git`."""

import filecmp
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.catalog import Source
from harness.errors import InfrastructureError, UsageError
from harness.source.revision import Revision
from harness.store import Store
from harness.wait import Deadline

__all__ = ["fill", "find_missing", "hash_tree", "mirror", "resolve"]

EXCLUDED = ".git"
"""A repository's own data, or a worktree's file that points there; no part of the code."""


def resolve(source: Source, version: str, store: Store, deadline: Deadline) -> Revision:  # noqa: ARG001 - as all kinds
    """Return the directory's state now; raises UsageError if it cannot be read, or has a socket or device."""
    path = _find_path(source)
    content = hash_tree(path)
    return Revision(
        kind="directory",
        version=version,
        identity=f"directory:{content}",
        stamp=content[:12],
        text=f"{path} as it is now ({content[:12]})",
    )


def fill(source: Source, revision: Revision, files: Path, store: Store, deadline: Deadline) -> None:  # noqa: ARG001
    """Copy the directory into `files`; raises InfrastructureError if it has changed since it was resolved."""
    path = _find_path(source)
    shutil.copytree(path, files, symlinks=True, ignore=shutil.ignore_patterns(EXCLUDED), dirs_exist_ok=True)
    if revision.identity != f"directory:{hash_tree(files)}":
        raise InfrastructureError(
            f"The directory {path} changed while it was copied.", hint="Run again when nothing writes there."
        )


def hash_tree(root: Path) -> str:
    """Return SHA-256 over the names, modes, contents and link targets below `root`, in hexadecimal digits.

    Owners, times, the mode of `root` itself, and everything named `.git` do not count.

    Raises:
        UsageError: Something is unreadable, or neither file, directory nor link.
    """
    total = hashlib.sha256()
    try:
        for path in _walk(root):
            # Lengths before contents: no tree can look like another one by where its names end.
            for part in (os.fsencode(path.relative_to(root)), *_read_facts(path)):
                total.update(len(part).to_bytes(8, "big") + part)
    except OSError as error:
        raise UsageError(f"The source {error.filename or root} cannot be read: {error.strerror}.") from error
    return total.hexdigest()


def find_missing(source: Source, landmarks: Iterable[str]) -> tuple[Path, list[str]]:
    """Return the directory with the paths that it lacks; raises UsageError if it is not there."""
    path = _find_path(source)
    return path, [landmark for landmark in landmarks if not (path / landmark).exists()]


def _walk(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.name != EXCLUDED:
            yield path
            if path.is_dir() and not path.is_symlink():
                yield from _walk(path)


def _read_facts(path: Path) -> Iterator[bytes]:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        yield b"link"
        yield os.fsencode(path.readlink())
        return
    if stat.S_ISREG(mode):
        with path.open("rb") as file:
            yield b"file"
            yield hashlib.file_digest(file, "sha256").digest()
    elif stat.S_ISDIR(mode):
        yield b"directory"
    else:
        raise UsageError(f"The source {path} is neither a file, a directory nor a link; remove it.")
    yield stat.S_IMODE(mode).to_bytes(4, "big")


def _find_path(source: Source) -> Path:
    assert source.directory is not None
    path = source.directory.expanduser().absolute()
    if not path.is_dir():
        raise UsageError(f"The source directory {path} does not exist.")
    return path


def mirror(origin: Path, tree: Path) -> None:
    """Make `tree` like `origin`: names, contents, modes and link targets; files with the same content keep their times."""
    for path in sorted(tree.rglob("*"), reverse=True):
        other = origin / path.relative_to(tree)
        if _read_kind(path) != _read_kind(other):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for other in sorted(origin.rglob("*")):
        path = tree / other.relative_to(origin)
        if other.is_symlink():
            if not path.is_symlink() or path.readlink() != other.readlink():
                path.unlink(missing_ok=True)
                path.symlink_to(other.readlink())
        elif other.is_dir():
            path.mkdir(exist_ok=True)
        elif not path.exists() or not filecmp.cmp(other, path, shallow=False):
            # What is written is new, whatever time the original has: builds look at that.
            shutil.copyfile(other, path)
            shutil.copymode(other, path)
        elif path.stat().st_mode != other.stat().st_mode:
            shutil.copymode(other, path)


def _read_kind(path: Path) -> int | None:
    """Return the type bits of a path's mode, or None if there is nothing."""
    try:
        return os.lstat(path).st_mode & 0o170000
    except FileNotFoundError:
        return None
