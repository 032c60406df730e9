"""Fixtures of the suite upgrade: what there is before the upgrade, and the upgrade itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.leftovers import Leftovers
from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.events import Change, WatchedContainer
from suites.lifecycle.fixtures import SLEEP, given, limits, subject

__all__ = ["given", "limits", "subject"]

NAME = "upgraded"
"""The service that runs meanwhile."""

SERVICE = r"""
systemd-run --quiet --unit="$1" --property=MemoryMax=33554432 --property=CPUQuota=20% --property=TasksMax=20 \
    --property=Delegate=yes -- sleep 100000
"""

DESCRIBE = r"""
systemctl show --property=MainPID,ActiveState,SubState,ControlGroup,MemoryMax,CPUQuotaPerSecUSec,TasksMax,Delegate "$1" | sort
pid=$(systemctl show --property=MainPID --value "$1")
cat "/proc/$pid/cgroup"
"""

SYSTEM = r"""
systemctl show --property=Version --value
systemctl --version | { read -r _ version _; echo "$version"; }
systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1
"""


class UpgradeFixture(Protocol):
    """What upgrades the guest; the harness's own fixture `upgrade` gives it."""

    @property
    def to(self) -> str:
        """The version that the guest then has, or the revision that it was built from."""

    def apply(self) -> None:
        """Upgrade the guest; once, whoever asks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """The guest's systemd at one moment.

    Attributes:
        manager: Version of the manager that runs, as it says itself.
        installed: Version of what is installed.
        failed: Units that failed.
        service: A service that runs: its properties, and the cgroups of its process.
    """

    manager: str
    installed: str
    failed: tuple[str, ...]
    service: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """The guest before and after its upgrade, with what became of the container, and another one that has private users."""

    before: SystemState
    after: SystemState
    container: Change
    users: Container | None


@pytest.fixture(scope="module")
def users(runtime: ContainerRuntime, guest: Guest) -> Iterator[Container | None]:
    """A container with private users in a tree of its own, where the runtime picks them; it runs before the upgrade."""
    if Feature.NSPAWN_OPTIONS in runtime.engine.lacks:
        yield None
        return
    tree = f"/var/tmp/{runtime.prefix}-users"
    words = ("--private-users=pick", "--private-users-chown")
    try:
        guest.do('mkdir "$2" && cp -a "$1/." "$2/"', runtime.rootfs.make_tiny(), tree)
        with runtime.start_in(tree, "sh", "-c", SLEEP, words=words) as container:
            yield container
    finally:
        guest.do('rm -rf "$1"', tree)


@pytest.fixture(scope="module")
def upgraded(
    upgrade: UpgradeFixture, guest: Guest, subject: WatchedContainer, users: Container | None, leftovers: Leftovers
) -> Iterator[Upgraded]:
    """What the upgrade made of the guest, while a container and a service ran in it."""
    with leftovers.ignore_new():
        guest.do(SERVICE, NAME)
    try:
        before = _read_system(guest)
        container = subject.watch(upgrade.apply)
        yield Upgraded(before=before, after=_read_system(guest), container=container, users=users)
    finally:
        guest.sh('systemctl stop "$1.service"', NAME)


def _read_system(guest: Guest) -> SystemState:
    manager, installed, *failed = guest.do(SYSTEM).splitlines()
    described = tuple(guest.do(DESCRIBE, f"{NAME}.service").splitlines())
    return SystemState(manager=manager, installed=installed, failed=tuple(failed), service=described)
