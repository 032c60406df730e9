"""What is in a store."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.store import manifest, trees
from harness.store.artifacts import Store
from harness.store.locks import MARK, read_last_use
from harness.store.trees import PART

__all__ = ["Stored", "find_artifacts", "list_artifacts"]

KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An artifact in the store, or a directory that builds share.

    Attributes:
        kind: What it is: "image".
        key: Hash of its inputs, or the name of a shared directory.
        title: What it is, for people.
        size: Bytes that it takes on the disk.
        used: Its last use, in nanoseconds since 1970; right in order, and as right as the clock was.
        seconds: How long it took to make, or None for a shared directory.
        home: Its directory.
    """

    kind: str
    key: str
    title: str
    size: int
    used: int
    seconds: float | None
    home: Path

    @property
    def name(self) -> str:
        """Kind and key, as one word."""
        return f"{self.kind}/{self.key}"


def list_artifacts(store: Store) -> list[Stored]:
    """Return everything in the store that can be pruned, the latest use first; half-made things are not listed."""
    found = [item for home in _find_homes(store.root) if (item := _describe(home)) is not None]
    return sorted(found, key=lambda item: (-item.used, item.name))


def find_artifacts(root: Path) -> Iterator[Path]:
    """Yield the directories of artifacts, whole or not."""
    return (home for home in _find_homes(root) if KEY.fullmatch(home.name))


def _find_homes(root: Path) -> Iterator[Path]:
    for home in sorted(root.glob("*/*/")):
        if not home.is_symlink() and home.suffix != PART and (KEY.fullmatch(home.name) or (home / MARK).exists()):
            yield home


def _describe(home: Path) -> Stored | None:
    known = manifest.read(home)
    if known is None and KEY.fullmatch(home.name):
        return None
    try:
        used = read_last_use(home)
    except FileNotFoundError:
        return None  # somebody removed it just now
    return Stored(
        kind=home.parent.name,
        key=home.name,
        title=known.title if known else "shared by builds",
        size=trees.measure_tree(home),
        used=used,
        seconds=known.seconds if known else None,
        home=home,
    )
