"""That the guest has the new systemd and lost nothing by it, and that a container that ran meanwhile is what it was.

It stays so when services of the new systemd are restarted.
"""

import re

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.events import EVENTS, Change, WatchedContainer
from suites.lifecycle.stays import ContainerStays
from suites.upgrade.conftest import Upgraded, UpgradeFixture

UPGRADE = "upgrade"

ENTER = 'nsenter --target "$1" --user --mount --pid --setuid 0 --setgid 0 -- /bin/sh -c "id -u; ls -d /proc/1"'

AFTERWARDS = ("daemon-reload", "machined", "container")
"""What happens after it; the new systemd reads what the old one wrote down, and machined asks it."""


@pytest.fixture(scope="module", params=[UPGRADE, *AFTERWARDS])
def change(
    request: pytest.FixtureRequest, runtime: ContainerRuntime, subject: WatchedContainer, upgraded: Upgraded
) -> Change:
    """What became of the container by the upgrade, and by what happened to the upgraded guest after it."""
    if request.param == UPGRADE:
        return upgraded.container
    return subject.watch(lambda: EVENTS[request.param](runtime))


class TestUpgrade(ContainerStays):
    """What it is after each of them."""


def test_manager_is_the_new_one(upgraded: Upgraded, upgrade: UpgradeFixture) -> None:
    """Process 1 was executed again, and is what was installed."""
    assert upgraded.after.manager != upgraded.before.manager
    assert upgraded.after.manager.split(".")[0].split("~")[0] == upgraded.after.installed
    # A branch or a commit does not say which version it has.
    named = re.fullmatch(r"v?(\d{3})([.~-].*)?", upgrade.to)
    assert named is None or upgraded.after.installed == named[1]


def test_no_unit_failed(upgraded: Upgraded) -> None:
    """No unit failed that had not failed before."""
    assert set(upgraded.after.failed) <= set(upgraded.before.failed)


def test_service_stays(upgraded: Upgraded) -> None:
    """A service with limits and a tree of its own has its process, its place and its limits."""
    assert "ActiveState=active" in upgraded.before.service
    assert upgraded.after.service == upgraded.before.service


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
def test_container_with_users_can_be_entered(upgraded: Upgraded, runtime: ContainerRuntime, guest: Guest) -> None:
    """A container with private users that the old systemd made is known to machined, and commands run in it as its root."""
    assert upgraded.users is not None
    assert upgraded.users.name in runtime.list()
    assert guest.do(ENTER, str(upgraded.users.pid)).split() == ["0", "/proc/1"]


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
def test_container_with_users_starts_again(upgraded: Upgraded, runtime: ContainerRuntime) -> None:
    """The new systemd starts it again, in the tree that the old one gave to its users (systemd#6310)."""
    # The last case that looks at the container.
    assert upgraded.users is not None
    with runtime.start_again(upgraded.users) as again:
        assert again.pid in again.list_processes()
