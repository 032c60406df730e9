"""Is a directory a store? Its marker says so; without one nothing is made, removed or swept there.

A mistyped `--store` would otherwise remove lock files and half-made directories of others. A store of before there was
a marker is known by what it has, and gets one.
"""

import os
import re
from pathlib import Path

from harness.errors import UsageError
from harness.store import manifest
from harness.store.locks import MARK
from harness.writing import STORE_HINT, translate_os_errors

__all__ = ["KEY", "MARKER", "claim", "prepare", "require"]

MARKER = ".rkt-harness-store"
"""File at the top of a store."""

TEXT = "This directory is a store of the rkt upgrade-regression harness: `harness cache prune` removes what is in it.\n"

KEY = re.compile(r"[0-9a-f]{64}")

OWN = frozenset(
    {
        "accelerator.json",
        "accelerator.lock",
        "history.json",
        "history.lock",
        "lookup",
        "memory-template.json",
        "verdicts",
    }
    | {MARK, MARKER}
)
"""What the harness itself may have put there before the first artifact."""


def claim(root: Path) -> None:
    """Make a directory a store, private to its owner, if it is new or empty or was a store before there were markers.

    Raises:
        UsageError: It has files of others in it, or cannot be made.
    """
    if not prepare(root):
        raise UsageError(
            f"The directory {root} is not a store: it has no file {MARKER}, and other files in it.",
            hint=f"Is --store or HARNESS_STORE mistyped? `touch {root}/{MARKER}` makes it a store all the same.",
        )
    with translate_os_errors(f"The directory {root}/ of the store cannot be made", hint=STORE_HINT):
        if not (root / MARKER).exists() and root.stat().st_uid == os.geteuid():
            (root / MARKER).write_text(TEXT, encoding="utf-8")


def prepare(root: Path) -> bool:
    """Make a directory that is going to be a store, and return whether it is one and nothing else.

    Raises:
        UsageError: It cannot be made.
    """
    if (root / MARKER).exists():
        return True
    with translate_os_errors(f"The directory {root}/ of the store cannot be made", hint=STORE_HINT):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        ours = _looks_like_store(root)
        if ours and root.stat().st_uid == os.geteuid():
            root.chmod(0o700)
        return ours


def require(root: Path) -> None:
    """Check that a directory is a store, before anything in it is removed; one that is not there is an empty store.

    Raises:
        UsageError: It is none.
    """
    if root.exists():
        claim(root)


def _looks_like_store(root: Path) -> bool:
    """Return whether a directory is empty, or was a store of before there were markers."""
    others = [path for path in root.iterdir() if path.name not in OWN]
    if any(manifest.read(path.parent) is not None for path in root.glob(f"*/*/{manifest.MANIFEST}")):
        return True
    return all(path.is_dir() and all(map(_is_begun, path.iterdir())) for path in others)


def _is_begun(path: Path) -> bool:
    """Return whether a path is an artifact's lock, or stands next to it: what a store has before its first artifact."""
    stem = path.name.partition(".")[0]
    lock = path.with_name(f"{stem}.lock")
    return KEY.fullmatch(stem) is not None and lock.is_file() and not lock.stat().st_size
