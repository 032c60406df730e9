"""What the file of `--harness-cell` says."""

import json
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from harness.cell_file import CellFile, Limits
from harness.results import find_problem

__all__ = ["Described"]


class Described(CellFile):
    """What the file of `--harness-cell` says, and where it is."""

    path: Path = Field(exclude=True)

    @classmethod
    def read(cls, path: Path) -> "Described":
        """Return what the file says; raises pytest.UsageError if it cannot be read, or does not say what it must."""
        try:
            return cls.model_validate({**json.loads(path.read_text(encoding="utf-8")), "path": path})
        except ValidationError as error:
            raise pytest.UsageError(f"--harness-cell {path}: {find_problem(error)}") from error
        except (OSError, ValueError, TypeError) as error:
            raise pytest.UsageError(f"--harness-cell {path}: {type(error).__name__}: {error}") from error

    def get_limits(self, item: pytest.Item) -> Limits:
        """Return the limits of a case: those of its suite, the first directory below the root of the suites."""
        return self.suites.get(item.nodeid.split("/", 1)[0], Limits())
