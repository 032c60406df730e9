"""That a system boots in a container whose systemd is older or newer than the guest's, and is what its own guest would be."""

from collections.abc import Iterator

import pytest

from suites.inside.conftest import OtherSystem
from suites.lib.cgroups import Hierarchies, parse_places
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.rootfs import TARGET
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

pytestmark = pytest.mark.needs(feature=Feature.OWN_SYSTEMD)

UNITS = {
    "harness-plain.service": "[Unit]\nBefore=harness-ready.service\n[Service]\nExecStart=/bin/sleep infinity",
    "harness-network.service": (
        "[Unit]\nBefore=harness-ready.service\n[Service]\nPrivateNetwork=yes\nProtectSystem=strict\nExecStart=/bin/sleep infinity"
    ),
}

ONLY_UNIFIED = 258
"""Version of systemd since which it boots on cgroup v2 only (NEWS, CHANGES WITH 258)."""


@pytest.fixture(scope="module", params=["older", "newer"])
def other(
    request: pytest.FixtureRequest, others: list[OtherSystem], systemd: str, hierarchies: Hierarchies
) -> OtherSystem:
    """The oldest or the newest of the other systems, where it is older or newer than the guest's."""
    own = int(systemd.split(".", maxsplit=1)[0])
    older = request.param == "older"
    found = sorted(
        (system for system in others if system.systemd != own and (system.systemd < own) == older), key=_order
    )
    if not found:
        pytest.skip(f"needs a disk with an {'older' if older else 'newer'} systemd than {systemd}")
    chosen = found[0 if older else -1]
    if chosen.systemd >= ONLY_UNIFIED and hierarchies.mode != "unified":
        pytest.skip(f"needs cgroup v2 for systemd {chosen.systemd}; the guest is in {hierarchies.mode} mode")
    return chosen


@pytest.fixture(scope="module")
def booted(runtime: ContainerRuntime, other: OtherSystem) -> Iterator[Container]:
    """A container that has booted the other system."""
    with runtime.boot(UNITS, lower=other.tree, memory=448 * MIB, stop_seconds=90) as container:
        yield container


def _order(system: OtherSystem) -> int:
    return system.systemd


def test_systemd_in_the_container_is_the_other_one(booted: Container, other: OtherSystem) -> None:
    """The first process is the systemd of the other system, and answers."""
    assert booted.read_output("systemctl", "--version").split()[1].split(".")[0] == str(other.systemd)
    assert booted.read_output("systemctl", "is-active", TARGET).strip() == "active"


def test_no_unit_of_the_other_system_failed(booted: Container) -> None:
    """Nothing of it failed on the way."""
    assert booted.read_output("systemctl", "list-units", "--failed", "--plain", "--no-legend").strip() == ""


@pytest.mark.parametrize("unit", ["dbus.service", "systemd-journald.service", "systemd-logind.service", *UNITS])
def test_service_of_the_other_system_is_active(unit: str, booted: Container) -> None:
    """Its daemons run, and services with settings of their own."""
    assert booted.execute("systemctl", "is-active", unit).out.strip() == "active"


def test_other_system_has_its_own_scope(booted: Container, hierarchies: Hierarchies) -> None:
    """Its systemd keeps itself in init.scope, below the container's scope in the guest's tree (systemd#9563)."""
    path = booted.get_cgroup(hierarchies.main)
    inner = parse_places(booted.read_output("cat", "/proc/1/cgroup"))

    assert path.startswith(f"{booted.root}/")
    assert path.endswith("/init.scope")
    assert inner[hierarchies.main].endswith("/init.scope")


def test_other_system_shuts_down_when_asked(booted: Container) -> None:
    """It goes in an orderly way."""
    # The last case of the module, so that one boot of each serves them all.
    assert booted.stop()
