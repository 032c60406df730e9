"""The content-addressed store: a directory for each artifact, named by the hash of its inputs.

An artifact is made in a temporary sibling directory and published by rename, under a lock for its
key, so that two harness processes on one store build it once and nobody sees half of it. The
manifest beside the files says what they were made from.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness import log
from harness.errors import InfrastructureError
from harness.wait import Deadline, poll

__all__ = ["Artifact", "Store", "file_digest", "key_of", "locked"]

logger = log.get(__name__)

MANIFEST = "manifest.json"
FILES = "files"

Inputs = Mapping[str, Any]


def key_of(kind: str, inputs: Inputs) -> str:
    """The key of an artifact: SHA-256 of its kind and its inputs as canonical JSON, 64 hexadecimal digits."""
    text = json.dumps([kind, inputs], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Stored output of a build.

    Attributes:
        kind: What it is: "runtime", "image", "toolchain", "source".
        key: Hash of its inputs.
        path: Directory with its files.
        seconds: How long it took to make.
        cached: Whether it was in the store before it was asked for.
    """

    kind: str
    key: str
    path: Path
    seconds: float
    cached: bool


class Store:
    """Artifacts below one directory: `<root>/<kind>/<key>/files` with `manifest.json` beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, kind: str, inputs: Inputs) -> Artifact | None:
        """The artifact made from these inputs, or None if it is not there."""
        return self._read(kind, key_of(kind, inputs))

    def obtain(
        self, kind: str, inputs: Inputs, make: Callable[[Path], Mapping[str, Any] | None], deadline: Deadline
    ) -> Artifact:
        """The artifact made from these inputs; it is made now if it is not there.

        Args:
            kind: What it is; a directory name.
            inputs: Everything that its content depends on, as plain JSON values.
            make: Fills an empty directory, and returns further provenance for the manifest.
            deadline: For the making, and for waiting for another process that makes the same.

        Raises:
            DeadlineError: Another process held the lock until the deadline.
            InfrastructureError: The disk is full. What `make` raises is passed on; nothing is left then.
        """
        key = key_of(kind, inputs)
        found = self._read(kind, key)
        if found is not None:
            return found
        with locked(self.root / kind / f"{key}.lock", deadline):
            found = self._read(kind, key)
            if found is not None:
                return found
            return self._make(kind, key, inputs, make)

    def _make(self, kind: str, key: str, inputs: Inputs, make: Callable[[Path], Mapping[str, Any] | None]) -> Artifact:
        home = self._home(kind, key)
        # The lock is ours, so what is left at this name is from a process that died.
        half = home.with_name(f"{home.name}.part")
        shutil.rmtree(half, ignore_errors=True)
        (half / FILES).mkdir(parents=True)
        begin = time.monotonic()
        try:
            provenance = make(half / FILES) or {}
            seconds = round(time.monotonic() - begin, 3)
            manifest = {
                "kind": kind,
                "key": key,
                "inputs": inputs,
                "provenance": provenance,
                "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "seconds": seconds,
                "files": dict(_inventory(half / FILES)),
            }
            (half / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            half.replace(home)
        except OSError as error:
            shutil.rmtree(half, ignore_errors=True)
            raise InfrastructureError(
                f"The {kind} {key[:12]} could not be stored below {self.root}: {error.strerror or error}.",
                hint=f"Look at `df -h {self.root}`; `HARNESS_STORE` names another place.",
            ) from error
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
        logger.info("stored %s %s in %.1f s", kind, key[:12], seconds)
        return Artifact(kind=kind, key=key, path=home / FILES, seconds=seconds, cached=False)

    def _home(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    def _read(self, kind: str, key: str) -> Artifact | None:
        home = self._home(kind, key)
        try:
            manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return Artifact(kind=kind, key=key, path=home / FILES, seconds=manifest["seconds"], cached=True)


@contextmanager
def locked(path: Path, deadline: Deadline) -> Iterator[None]:
    """Hold the lock file `path`, alone among threads and processes, while the context lasts.

    Raises:
        DeadlineError: Somebody else held it until the deadline.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)  # flock(2): the kernel frees it when its owner dies

    def attempt() -> bool | None:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return True

    poll(attempt, deadline, every=0.2)
    try:
        yield
    finally:
        lock.release()


def _inventory(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(root)), {"size": path.stat().st_size, "sha256": file_digest(path)}
