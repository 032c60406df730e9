"""What is in a store, and keeping it small and sound while others use it."""

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.store import manifest, trees
from harness.store.artifacts import Store
from harness.store.locks import MARK, get_lock_path, read_last_use, reserve_unused, try_lock
from harness.store.marker import KEY, require
from harness.store.trees import PART
from harness.wait import Deadline

__all__ = ["Damaged", "Pruned", "Stored", "Verified", "find_artifacts", "list_artifacts", "prune", "verify"]

HALF = re.compile(rf"(?:{KEY.pattern}|.+\.[0-9a-f]{{12}}){re.escape(PART)}")
"""What is being made or removed is called: a key, or a name and a number of its own, see `trees.discard`."""


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

    @property
    def used_at(self) -> datetime:
        """When it was last used; a time to come is from a clock that ran ahead, and is now."""
        return datetime.fromtimestamp(min(self.used / 1e9, time.time()), tz=UTC)


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


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What `prune` did.

    Attributes:
        removed: What was removed to make room, oldest use first.
        leftovers: What dead processes had left, and was removed: half-made artifacts, lock files.
        busy: What would have been removed, but is in use.
        size: Bytes that the rest takes on the disk.
    """

    removed: tuple[Stored, ...]
    leftovers: tuple[Path, ...]
    busy: tuple[Stored, ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """An artifact that was not what it had been, and was removed.

    Attributes:
        title: What it was, for people; empty where its manifest was damaged.
        what: What was wrong, as a sentence without its full stop.
    """

    kind: str
    key: str
    title: str
    what: str

    @property
    def name(self) -> str:
        """Kind and key, as one word."""
        return f"{self.kind}/{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What `verify` found.

    Attributes:
        sound: How many artifacts are as they were made.
        busy: How many are being made or removed now, and were not looked at.
        damaged: Those that were removed.
    """

    sound: int
    busy: int
    damaged: tuple[Damaged, ...]


def prune(store: Store, keep: int, deadline: Deadline) -> Pruned:
    """Remove leftovers, and then what was not used for the longest time until the rest fits.

    What a living process makes or uses stays, so that the rest may be larger than `keep`.

    `keep` is how many bytes on the disk may remain; 0 removes all.

    Raises:
        UsageError: The directory is not a store.
        InfrastructureError: Something cannot be removed.
    """
    require(store.root)
    leftovers = [*_sweep_halves(store.root, deadline)]
    items = list_artifacts(store)
    size = sum(item.size for item in items)
    removed, busy = [], []
    for item in reversed(items):
        if size <= keep:
            break
        deadline.check()
        if _remove(item):
            logger.info("removed %s (%s), %d bytes", item.name, item.title, item.size)
            removed.append(item)
            size -= item.size
        else:
            busy.append(item)
    _sweep_locks(store.root)
    return Pruned(removed=tuple(removed), leftovers=tuple(leftovers), busy=tuple(busy), size=size)


def verify(store: Store, deadline: Deadline) -> Verified:
    """Read all files of all artifacts, and remove those that are not what was stored; they are made again when wanted.

    Raises:
        UsageError: The directory is not a store.
        InfrastructureError: A damaged artifact cannot be removed.
    """
    require(store.root)
    sound = busy = 0
    damaged = []
    for home in find_artifacts(store.root):
        with try_lock(get_lock_path(home)) as ours:
            if not ours:
                busy += 1
                continue
            if not home.exists():
                continue
            known = manifest.read(home)
            what = (
                known.find_damage(home, thorough=True, look=deadline.check) if known else "its manifest cannot be read"
            )
            if what is None:
                sound += 1
                continue
            title = known.title if known else ""
            logger.warning("removing the damaged %s %s (%s): %s", home.parent.name, home.name[:12], title, what)
            # Also from under those who use it: an error is better than a wrong result.
            trees.discard(home)
            damaged.append(Damaged(kind=home.parent.name, key=home.name, title=title, what=what))
    return Verified(sound=sound, busy=busy, damaged=tuple(damaged))


def _remove(item: Stored) -> bool:
    with try_lock(get_lock_path(item.home)) as ours:
        # Somebody may have used it since it was listed, and be done with it.
        if not ours or (item.home.exists() and read_last_use(item.home) != item.used):
            return False
        with reserve_unused(item.home) as free:
            if free:
                trees.discard(item.home)
            return free


def _sweep_halves(root: Path, deadline: Deadline) -> Iterator[Path]:
    """Remove what nobody makes any more, and artifacts without a manifest."""
    halves = [path for path in sorted(root.glob(f"*/*{PART}/")) if HALF.fullmatch(path.name) and not path.is_symlink()]
    for path in (*halves, *find_artifacts(root)):
        deadline.check()
        half = path.suffix == PART
        if not half and manifest.read(path) is not None:
            continue
        with try_lock(get_lock_path(path)) as ours:
            if ours and path.exists() and (half or manifest.read(path) is None) and trees.discard(path):
                yield path


def _sweep_locks(root: Path) -> None:
    """Remove the locks of what is gone; who waits for one meanwhile notices that its file has no name any more."""
    for lock in sorted(root.glob("*/*.lock")):
        stem = lock.name.partition(".")[0]
        with try_lock(lock) as ours:
            # A lock of ours is empty; a file `yarn.lock` is not.
            if (
                ours
                and not lock.stat().st_size
                and not any(path.suffix != ".lock" for path in lock.parent.glob(f"{stem}*"))
            ):
                lock.unlink()
