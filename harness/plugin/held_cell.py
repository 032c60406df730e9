"""What the plugin keeps of a cell while its cases run."""

import pytest

from harness.plugin.backend import GuestBackend
from harness.plugin.cell_description import Described
from harness.plugin.tree import Tree

__all__ = ["BACKEND", "DESCRIBED", "TREE", "get_backend", "get_description"]

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
