"""Makes one tree like another and leaves alone what is the same, so that a build in it has little to do."""

import filecmp
import os
import shutil
from pathlib import Path

__all__ = ["mirror"]


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
