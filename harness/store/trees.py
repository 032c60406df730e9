"""Directories with whatever builds leave in them: how large they are, and how they are removed."""

import errno
import logging
import os
import shutil
import stat
import uuid
from pathlib import Path

from harness.errors import InfrastructureError

__all__ = ["PART", "discard", "measure_tree", "remove", "take_privileges"]

logger = logging.getLogger(__name__)

PART = ".part"
"""Ends the name of a directory that is being made or removed."""

PRIVILEGES = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
"""Bits of a mode that no file of an artifact needs."""

BLOCK = 512
"""Bytes that `st_blocks` counts in, see stat(2)."""

ATTEMPTS = 3
"""How often a removal begins when others make and remove files in the same tree."""

MOVING = (errno.ENOENT, errno.ENOTEMPTY)
"""Errors of a removal that mean just that."""


def take_privileges(root: Path) -> None:
    """Take from all files of a tree that they run as another user, and refuse devices.

    A build in a container, or an archive, can leave a program that belongs to root and is setuid; in the store everybody
    who reaches it could run that.

    Raises:
        InfrastructureError: There is a device in it.
    """
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118 - a toolchain has 12,000 files
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                continue
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                raise InfrastructureError(f"What was made has a device in it: {path}.")
            if mode & PRIVILEGES:
                os.chmod(path, stat.S_IMODE(mode) & ~PRIVILEGES)  # noqa: PTH101


def measure_tree(root: Path) -> int:
    """Return the bytes that a tree takes on the disk, each file once; what vanishes meanwhile counts nothing."""
    blocks = {}
    for folder, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            try:
                info = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - a store has 100,000 files
            except FileNotFoundError:
                continue
            blocks[info.st_dev, info.st_ino] = info.st_blocks
    return sum(blocks.values()) * BLOCK


def discard(home: Path) -> bool:
    """Remove a directory: it vanishes at once, and a crash in the middle leaves only what is swept later.

    Returns:
        Whether all of it is gone. It is not while a command of a harness that was killed still writes there.

    Raises:
        InfrastructureError: Something in it cannot be removed.
    """
    stem = home.name.partition(".")[0]
    aside = home.with_name(f"{stem}.{uuid.uuid4().hex[:12]}{PART}")
    try:
        home.rename(aside)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _translate_error(home, error) from error
    return remove(aside)


def remove(tree: Path) -> bool:
    """Remove a directory, also one with directories that may not be written, such as Go's module cache.

    Returns:
        Whether all of it is gone. It is not while somebody writes there.

    Raises:
        InfrastructureError: Something in it cannot be removed.
    """
    for _ in range(ATTEMPTS):
        try:
            try:
                shutil.rmtree(tree)
            except PermissionError:
                _open_up(tree)
                shutil.rmtree(tree)
        except OSError as error:
            if error.errno not in MOVING:
                raise _translate_error(tree, error) from error
        if not os.path.lexists(tree):
            return True
    logger.warning("somebody still writes to %s; it is removed later", tree)
    return False


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _open_up(Path(entry.path))


def _translate_error(tree: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"The directory {tree} cannot be removed: {error.strerror}: {error.filename}.",
        hint=f"Remove it as the user to whom it belongs; `ls -ld {error.filename}` shows who that is.",
    )
