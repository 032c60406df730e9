"""What the file of `--harness-cell` says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.model import Cell, CgroupMode

__all__ = ["Described"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the file of `--harness-cell` says.

    Attributes:
        cell: The cell that the guest is said to be.
        machine: Directory of the guest.
        suites: Limits of the cases, by suite.
        multiply: How many times each case runs, each as a case of its own.
        fresh: Which cases run: those marked `fresh_boot` (True), the others (False), or all (None).
        path: The file.
    """

    cell: Cell
    machine: Path
    suites: Mapping[str, Mapping[str, float]]
    multiply: int = 1
    fresh: bool | None = None
    path: Path

    @classmethod
    def read(cls, path: Path) -> "Described":
        """Read the file.

        Raises:
            pytest.UsageError: It cannot be read, or does not say what it must.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            fields = dict(content["cell"])
            fields["cgroup"] = CgroupMode(fields["cgroup"])
            return cls(
                cell=Cell(**fields),
                machine=Path(content["machine"]),
                suites=content.get("suites", {}),
                multiply=content.get("multiply", 1),
                fresh=content.get("fresh"),
                path=path,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise pytest.UsageError(f"--harness-cell {path}: {type(error).__name__}: {error}") from error

    def limits(self, item: pytest.Item) -> Mapping[str, float]:
        """Limits of a case: those of its suite, the first directory below the root of the suites."""
        return self.suites.get(item.nodeid.split("/", 1)[0], {})
