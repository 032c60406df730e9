"""Fixtures of the suite lifecycle: the options of its containers, and a guest whose services stay as they were."""

from collections.abc import Iterator

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB, ContainerOptions
from suites.lifecycle.state import GIVEN

SLEEP = "while :; do sleep 3600 & wait; done"
"""What the first process of most containers does; it collects orphans."""

ACTIVE = "systemctl list-units --plain --no-legend --state=active --type=service,socket | cut -d ' ' -f 1"

SWAP = "[ -e /sys/fs/cgroup/system.slice/memory.swap.max ]"
"""Whether the guest's kernel can limit what a cgroup swaps out."""

START = 'for unit; do systemctl reset-failed "$unit" 2>/dev/null; systemctl start "$unit"; done; :'

COMES_AND_GOES = ("systemd-machined", "systemd-hostnamed", "harness-main", "run-")
"""Beginnings of services that start when they are spoken to and end by themselves, and of the suites' own."""


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


@pytest.fixture(scope="module", autouse=True)
def _services(guest: Guest) -> Iterator[None]:
    """Keep the guest's services and sockets that run; what a case stopped is started again, and the last case fails."""
    before = _list_active(guest)
    yield
    stopped = sorted(before - _list_active(guest))
    if stopped:
        guest.do(START, *stopped)
    assert not stopped, "no longer ran in the guest: " + ", ".join(stopped)


def _list_active(guest: Guest) -> frozenset[str]:
    return frozenset(unit for unit in guest.do(ACTIVE).split() if not unit.startswith(COMES_AND_GOES))
