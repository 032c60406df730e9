"""The store as builds see it: an artifact is there, or it is made now."""

import errno
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DeadlineError, InfrastructureError
from harness.store import manifest, trees
from harness.store.locks import Uses, get_lock_path, hold_lock
from harness.store.manifest import FILES, Inputs, make_key
from harness.store.marker import claim, prepare
from harness.wait import Deadline

__all__ = ["Artifact", "Store"]

logger = logging.getLogger(__name__)

Make = Callable[[Path], Mapping[str, Any] | None]

RESERVE = 1 << 20
"""Free bytes of a disk below which what failed there is taken to have failed for want of space."""

FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Stored output of a build.

    Attributes:
        kind: What it is: "runtime", "image", "toolchain", "source".
        key: Hash of its inputs.
        path: Directory with its files.
        cached: Whether it was in the store before it was asked for.
        said: What its maker returned about it.
    """

    kind: str
    key: str
    path: Path
    seconds: float
    cached: bool
    said: Mapping[str, Any]


class Store:
    """Artifacts below one directory: `<root>/<kind>/<key>/files` with `manifest.json` next to it.

    What this process got is not removed by `prune` of another one, until the store object is gone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._uses = Uses(root)

    def find(self, kind: str, inputs: Inputs) -> Artifact | None:
        """Return the artifact made from these inputs, or None if it is not there, or not whole; this is not a use."""
        return self._read(kind, make_key(kind, inputs))

    def obtain(
        self, kind: str, inputs: Inputs, make: Make, deadline: Deadline, *, sealed: Sequence[str] = ()
    ) -> Artifact:
        """Return the artifact made from these inputs; it is made now if it is not there, or not whole.

        Args:
            kind: What it is; a directory name.
            inputs: Everything that its content depends on, as plain JSON values.
            make: Fills an empty directory, and returns further provenance for the manifest; its `title` is shown
                to people.
            deadline: For the making, and for waiting for another process that makes the same.
            sealed: Names of files that nobody writes to once they are made: a hit notices if somebody did.

        Raises:
            DeadlineError: Another process held the lock until the deadline.
            UsageError: The directory of the store cannot be made.
            InfrastructureError: The disk is full, or there is a device in it. What `make` raises is passed on; nothing is left then.
        """
        key = make_key(kind, inputs)
        found = self._use(kind, key)
        if found is None:
            prepare(self.root)
            with hold_lock(get_lock_path(self._locate(kind, key)), deadline):
                found = self._use(kind, key)
                if found is None:
                    found = self._make(kind, key, inputs, make, sealed)
                    self._uses.add(found.path.parent)
        return found

    def share(self, kind: str, name: str, deadline: Deadline) -> Path:
        """Make a directory that is kept between builds and belongs to no single one: a compiler's cache, a mirror.

        It is made if it is not there. While this process lives it stays; later it may be pruned like an artifact.

        Raises:
            DeadlineError: Another process held its lock until the deadline.
            InfrastructureError: It cannot be made.
        """
        path = (self.root / kind / name).absolute()
        if prepare(self.root):
            claim(self.root)
        with hold_lock(get_lock_path(path), deadline):
            try:
                path.mkdir(exist_ok=True)
            except OSError as error:
                raise self._translate_error(f"directory {path}", error) from error
            self._uses.add(path)
        return path

    def _make(self, kind: str, key: str, inputs: Inputs, make: Make, sealed: Sequence[str]) -> Artifact:
        home = self._locate(kind, key)
        half = home.with_name(home.name + trees.PART)
        # The lock is ours, so what is left at these names is from a process that died, or damaged.
        if home.exists():
            old = manifest.read(home)
            damage = old.find_damage(home) if old else "its manifest cannot be read"
            logger.warning("the stored %s %s is damaged (%s) and is made again", kind, key[:12], damage)
            trees.discard(home)
        trees.discard(half)
        begin, alone = time.monotonic(), prepare(self.root)
        try:
            (half / FILES).mkdir(parents=True)
            provenance = make(half / FILES) or {}
            trees.take_privileges(half / FILES)
            seconds = round(time.monotonic() - begin, 3)
            manifest.write(half, kind, inputs, provenance, seconds, sealed)
            half.replace(home)
            if alone:
                claim(self.root)
        except BaseException as error:
            short = self._is_short_of_space()
            # The first error is the one to report.
            with suppress(InfrastructureError):
                trees.discard(half)
            if isinstance(error, OSError):
                raise self._translate_error(f"{kind} {key[:12]}", error) from error
            # A command that died for want of space says so somewhere in its output, or nowhere.
            if short and isinstance(error, InfrastructureError) and not isinstance(error, DeadlineError):
                raise self._translate_error(
                    f"{kind} {key[:12]}", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                ) from error
            raise
        logger.info("stored %s %s in %.1f s", kind, key[:12], seconds)
        return Artifact(kind=kind, key=key, path=home / FILES, seconds=seconds, cached=False, said=provenance)

    def _translate_error(self, what: str, error: OSError) -> InfrastructureError:
        where = f": {error.filename}" if error.filename else ""
        room = "Make room with `harness cache prune --keep 5G`, or name another disk with `HARNESS_STORE`."
        other = f"Look at `ls -ld {self.root}`; `HARNESS_STORE` names another place."
        return InfrastructureError(
            f"The {what} could not be stored below {self.root}: {error.strerror or error}{where}.",
            hint=room if error.errno in FULL else other,
        )

    def _is_short_of_space(self) -> bool:
        disk = os.statvfs(self.root)
        return disk.f_bavail * disk.f_frsize < RESERVE or (disk.f_files > 0 and disk.f_favail == 0)

    def _locate(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def _use(self, kind: str, key: str) -> Artifact | None:
        # First marked, then looked at: what is marked and whole stays.
        home = self._locate(kind, key)
        return self._read(kind, key) if home.exists() and self._uses.add(home) else None

    def _read(self, kind: str, key: str) -> Artifact | None:
        home = self._locate(kind, key)
        found = manifest.read(home)
        if found is None or found.find_damage(home):
            return None
        return Artifact(kind=kind, key=key, path=home / FILES, seconds=found.seconds, cached=True, said=found.said)
