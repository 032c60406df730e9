"""What holds for a container that was asked for without limits."""

from collections.abc import Iterator

import pytest

from suites.lib.engine import Container
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.fixtures import SLEEP

MACHINES = 16384
"""TasksMax= of the scopes that systemd makes for machines (systemd's src/machine/machine-dbus.c)."""

MOST = ("/proc/sys/kernel/threads-max", "/proc/sys/kernel/pid_max")
"""How many processes the kernel has at most."""


@pytest.fixture(scope="module")
def unlimited(runtime: ContainerRuntime) -> Iterator[Container]:
    """A container without any limit."""
    with runtime.start("sh", "-c", SLEEP) as container:
        yield container


def _read_levels(container: Container, file: str) -> list[str]:
    """Return what a control file says at each level from the first process up to its scope, where a level has it."""
    controller = file.partition(".")[0]
    path, paths = container.get_cgroup(controller), []
    while path.startswith(container.root):
        paths.append(f"{container.hierarchies.get_directory(controller, path)}/{file}")
        path = path.rpartition("/")[0]
    return [text.strip() for text in container.guest.read(*paths).values() if text]


def test_processes_are_limited_as_for_all_units(unlimited: Container, guest: Guest) -> None:
    """No container may have fewer processes than a service of the guest may, unless machines have a limit of their own."""
    default = int(guest.do("systemctl show --property=DefaultTasksMax --value"))
    limits = _read_levels(unlimited, "pids.max")

    assert limits
    assert [limit for limit in limits if limit != "max" and int(limit) < min(default, MACHINES)] == []


def test_service_has_its_share_of_processes(guest: Guest) -> None:
    """A service, as a daemon with containers is one, may have a tenth of the kernel's processes: 512 were too few (moby#21491)."""
    default = guest.do("systemctl show --property=DefaultTasksMax --value").strip()
    most = min(int(text) for text in guest.read(*MOST).values())

    assert default == "infinity" or int(default) >= most // 10


@pytest.mark.usefixtures("memory")
def test_memory_is_not_limited(unlimited: Container) -> None:
    """All memory of the guest can be had."""
    knob = "memory.max" if unlimited.hierarchies.mode == "unified" else "memory.limit_in_bytes"
    limits = _read_levels(unlimited, knob)

    assert limits
    # On v1 it is the highest number of pages, in bytes.
    assert [limit for limit in limits if limit != "max" and int(limit) <= 1 << 62] == []


def test_cpu_is_not_limited(unlimited: Container) -> None:
    """All processors can be had, and the weight is the usual one."""
    usual = {"cpu.cfs_quota_us": "-1", "cpu.shares": "1024"}
    if unlimited.hierarchies.mode == "unified":
        usual = {"cpu.max": "max 100000", "cpu.weight": "100"}

    assert {file: set(_read_levels(unlimited, file)) for file in usual} == {
        file: {text} for file, text in usual.items()
    }
