"""How long things took before, and shards of the cells that are balanced by it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from harness.writing import STORE_HINT, translate_os_errors, write_text

__all__ = ["DurationHistory", "select_shard"]


class DurationHistory:
    """Seconds by name, in one JSON file that several harness processes may write to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, float]:
        """All that is known; nothing where the file is missing or broken, as it only holds expectations."""
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): float(seconds) for name, seconds in data.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Write down how long some things took this time; raises UsageError where the store cannot be written."""
        if not seconds:
            return
        with translate_os_errors(f"{self._path} cannot be written", hint=STORE_HINT):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock"), timeout=10):
                merged = {**self.read(), **{name: round(value, 3) for name, value in seconds.items()}}
                write_text(self._path, json.dumps(merged, indent=1, sort_keys=True) + "\n", hint=STORE_HINT)


T = TypeVar("T")

UNKNOWN = 60.0
"""Seconds that a cell of which nothing is known is taken to need."""


def select_shard(
    items: Sequence[T], names: Sequence[str], seconds: Mapping[str, float], *, index: int, count: int
) -> list[T]:
    """Return the items of one shard, in their order.

    Longest first, each to the shard with the least work so far; equal ones by name, so that every machine
    that is given the same seconds computes the same shards.

    `index` counts from 1. CI has the seconds from a file that is committed, see `harness.ci.durations`.
    """
    loads = [0.0] * count
    mine: set[str] = set()
    for name in sorted(names, key=lambda item: (-seconds.get(item, UNKNOWN), item)):
        least = min(range(count), key=lambda place: (loads[place], place))
        loads[least] += seconds.get(name, UNKNOWN)
        if least == index - 1:
            mine.add(name)
    return [item for item, name in zip(items, names, strict=True) if name in mine]
