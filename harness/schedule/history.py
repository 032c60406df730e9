"""How long things took before: for the scheduler, for `harness plan`, and for `harness ci durations`."""

import json
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from harness.writing import STORE_HINT, translate_os_errors, write_text

__all__ = ["DurationHistory"]


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
