"""What the file of `--harness-cell` says, and what the plugin keeps of the cell while its cases run."""

import json
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from harness.cell_file import CellFile, Limits
from harness.plugin.backend import GuestBackend
from harness.plugin.build_tree import Tree
from harness.results import find_problem

__all__ = ["BACKEND", "DESCRIBED", "TREE", "Described", "get_backend", "get_description"]


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


DESCRIBED = pytest.StashKey[Described]()
BACKEND = pytest.StashKey[GuestBackend]()
TREE = pytest.StashKey[Tree]()


def get_description(config: pytest.Config) -> Described:
    """Return what the harness said of the cell; raises pytest.UsageError where it said nothing."""
    if DESCRIBED not in config.stash:
        raise pytest.UsageError("The suites need --harness-cell FILE; `harness run` writes it.")
    return config.stash[DESCRIBED]


def get_backend(config: pytest.Config) -> GuestBackend:
    """Return the connection to the guest; raises pytest.UsageError where there is none."""
    if get_description(config).machine is None:
        raise pytest.UsageError("A case of a suite with `place: build` has no guest.")
    return config.stash[BACKEND]
