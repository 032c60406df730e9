"""Fixtures of the suite cgroup."""

import pytest

from suites.lib.cgroups import Hierarchies


@pytest.fixture(scope="session")
def main(hierarchies: Hierarchies) -> str:
    """The hierarchy in which systemd keeps its units: name=systemd on v1, else the v2 tree."""
    return "name=systemd" if "name=systemd" in hierarchies.points else "unified"
