"""Which controllers are mounted where, in each of systemd's three modes."""

import pytest

from suites.conftest import CellAxes
from suites.lib.cgroups import Hierarchies
from suites.lib.guest import Guest

V1 = ("legacy", "hybrid")


def test_guest_is_in_the_mode_of_its_cell(cell: CellAxes, hierarchies: Hierarchies) -> None:
    """A guest that silently booted into another mode would make every other case say something about that mode."""
    assert hierarchies.mode == cell.cgroup


def test_guest_runs_the_systemd_of_its_cell(cell: CellAxes, systemd: str) -> None:
    """PID 1 is the systemd that the cell names, not one that was left on the image."""
    named = cell.systemd.lstrip("v")

    assert named.startswith(systemd) or not named[:3].isdigit()


@pytest.mark.needs(cgroup=V1)
def test_each_v1_controller_has_its_own_hierarchy(hierarchies: Hierarchies, offered: frozenset[str]) -> None:
    """On v1 a controller is mounted at /sys/fs/cgroup under its name; cpu and cpuacct share one mount."""
    names = {"blkio", "cpuset", "devices", "freezer", "memory", "pids"}
    expected = {name: f"/sys/fs/cgroup/{name}" for name in names - ({"cpuset", "memory"} - offered)}
    expected |= dict.fromkeys(("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct")

    assert {name: hierarchies.points.get(name) for name in expected} == expected


@pytest.mark.needs(cgroup=V1)
def test_systemd_has_a_v1_hierarchy_of_its_own(hierarchies: Hierarchies) -> None:
    """The hierarchy name=systemd has no controller and is at /sys/fs/cgroup/systemd."""
    assert hierarchies.points.get("name=systemd") == "/sys/fs/cgroup/systemd"


@pytest.mark.needs(cgroup="legacy")
def test_legacy_has_no_v2_tree(hierarchies: Hierarchies) -> None:
    """In legacy mode no cgroup2 file system is mounted anywhere."""
    assert "unified" not in hierarchies.points


@pytest.mark.needs(cgroup="hybrid")
def test_hybrid_has_a_v2_tree_beside_the_v1_hierarchies(hierarchies: Hierarchies) -> None:
    """In hybrid mode systemd has a cgroup2 tree at /sys/fs/cgroup/unified, to which no v1 controller belongs."""
    assert hierarchies.points.get("unified") == "/sys/fs/cgroup/unified"


@pytest.mark.needs(cgroup="hybrid")
def test_hybrid_leaves_the_controllers_to_v1(guest: Guest, offered: frozenset[str]) -> None:
    """In hybrid mode limits are v1's: the v2 tree has none of the controllers that set them."""
    path = "/sys/fs/cgroup/unified/cgroup.controllers"
    controllers = set(guest.read(path)[path].split())

    assert controllers.isdisjoint({"cpu", "pids", "io"} | ({"memory"} & offered))


@pytest.mark.needs(cgroup="unified")
def test_unified_is_one_tree(hierarchies: Hierarchies) -> None:
    """In unified mode there is one cgroup2 file system, at /sys/fs/cgroup, and no v1 hierarchy."""
    assert dict(hierarchies.points) == {"unified": "/sys/fs/cgroup"}


@pytest.mark.needs(cgroup="unified")
def test_unified_tree_has_the_controllers(hierarchies: Hierarchies) -> None:
    """In unified mode the controllers that limits need belong to the v2 tree."""
    assert hierarchies.controllers >= {"cpu", "cpuset", "io", "memory", "pids"}


def test_pid_1_is_in_its_own_scope(guest: Guest, main: str) -> None:
    """PID 1 keeps itself in /init.scope, so that the root has no processes of its own."""
    lines = guest.read("/proc/1/cgroup")["/proc/1/cgroup"].splitlines()
    wanted = "0::/init.scope" if main == "unified" else "1:name=systemd:/init.scope"

    assert wanted in lines
