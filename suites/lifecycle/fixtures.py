"""The container that is watched, and its limits and devices: fixtures for every suite that asks what becomes of one."""

from collections.abc import Iterator

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB, ContainerOptions
from suites.lifecycle.events import WatchedContainer
from suites.lifecycle.state import GIVEN, read_state

__all__ = ["SLEEP", "given", "limits", "subject"]

SLEEP = "while :; do sleep 3600 & wait; done"
"""What the first process of most containers does; it collects orphans."""

SWAP = "[ -e /sys/fs/cgroup/system.slice/memory.swap.max ]"
"""Whether the guest's kernel can limit what a cgroup swaps out."""


@pytest.fixture(scope="package")
def limits(runtime: ContainerRuntime, hierarchies: Hierarchies, guest: Guest) -> ContainerOptions:
    """The limits that the runtime has a word for; the cases of the others say what they need."""
    options = ContainerOptions(memory=64 * MIB, cpu=0.5)
    if Feature.PIDS_LIMIT not in runtime.engine.lacks:
        options["pids"] = 32
    if Feature.SWAP_LIMIT not in runtime.engine.lacks and hierarchies.mode == "unified" and guest.sh(SWAP).code == 0:
        options["swap"] = 16 * MIB
    return options


@pytest.fixture(scope="package")
def given(guest: Guest) -> Iterator[str]:
    """A device node that no driver has; not below /run, where nodes cannot be used."""
    guest.do('rm -f "$1" && mknod -m 0666 "$1" c 240 7', GIVEN)
    yield GIVEN
    guest.do('rm -f "$1"', GIVEN)


@pytest.fixture(scope="module")
def subject(
    runtime: ContainerRuntime, guest: Guest, limits: ContainerOptions, disk: str, given: str
) -> Iterator[WatchedContainer]:
    """A container with all limits and two devices."""
    options = limits | ContainerOptions(devices=(given, disk))
    subject = WatchedContainer(
        lambda: runtime.start("sh", "-c", SLEEP, **options), lambda container: read_state(container, guest, disk)
    )
    yield subject
    subject.close()
