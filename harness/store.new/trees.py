"""Directories with whatever builds leave in them: how large they are, and how they are removed."""

import os
import shutil
from pathlib import Path

from harness.errors import InfrastructureError

__all__ = ["PART", "discard", "occupied", "remove"]

PART = ".part"
"""Ends the name of a directory that is being made or removed; the lock of the name without it guards it."""

BLOCK = 512
"""Bytes that `st_blocks` counts in, see stat(2)."""


def occupied(root: Path) -> int:
    """Bytes on the disk of a tree, each file once however many names it has; what vanishes meanwhile counts nothing."""
    blocks = {}
    for folder, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            try:
                info = os.lstat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - a store has 100,000 files
            except FileNotFoundError:
                continue
            blocks[info.st_dev, info.st_ino] = info.st_blocks
    return sum(blocks.values()) * BLOCK


def discard(home: Path) -> None:
    """Remove a published directory: it vanishes at once, and a crash in the middle leaves only what is swept later.

    Raises:
        InfrastructureError: Something in it cannot be removed.
    """
    part = home.with_name(home.name + PART)
    remove(part)
    try:
        home.rename(part)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _stuck(home, error) from error
    remove(part)


def remove(tree: Path) -> None:
    """Remove a directory, also one with directories that may not be written, such as Go's module cache.

    Raises:
        InfrastructureError: Something in it cannot be removed.
    """
    try:
        try:
            shutil.rmtree(tree)
        except PermissionError:
            _open_up(tree)
            shutil.rmtree(tree)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _stuck(tree, error) from error


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _open_up(Path(entry.path))


def _stuck(tree: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"The directory {tree} cannot be removed: {error.strerror}: {error.filename}.",
        hint=f"Remove it as the user to whom it belongs; `ls -ld {error.filename}` shows who that is.",
    )
