"""How long things took before: the expectations of the scheduler, of `harness plan` and of shards."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

__all__ = ["History"]


class History:
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
        """Write down how long some things took this time."""
        if not seconds:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock"), timeout=10):
            merged = {**self.read(), **{name: round(value, 3) for name, value in seconds.items()}}
            half = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
            half.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            half.replace(self._path)
