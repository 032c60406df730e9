"""A container with its own systemd as PID 1, as rkt's pods are: it manages a part of the guest's tree."""

from collections.abc import Iterator

import pytest

from suites.conftest import CellAxes
from suites.lib.cgroups import UNIFIED
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rootfs import SERVICE, TARGET
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

# One container serves all cases, so they stay together.
# rkt's pods have a systemd too, but it is rkt's own: where its services are is in test_places.py.
pytestmark = [pytest.mark.independent("booted"), pytest.mark.needs(feature=Feature.OWN_SYSTEMD)]


@pytest.fixture(scope="module")
def booted(runtime: ContainerRuntime) -> Iterator[Container]:
    """A container that has booted a copy of the guest's system."""
    with runtime.boot(memory=256 * MIB) as container:
        yield container


@pytest.fixture(scope="module")
def root(cell: CellAxes, booted: Container) -> str:
    """The cgroup that the inner systemd takes for the root, in the hierarchy of systemd."""
    payload = Feature.PAYLOAD not in booted.engine.lacks and int(cell.systemd.lstrip("v").split(".")[0]) >= 239
    below = booted.below if booted.hierarchies.main == UNIFIED else ""
    return booted.root + ("/payload" if payload else below)


@pytest.fixture(scope="module")
def service(booted: Container) -> int:
    """The main process of a service in the container, as the guest sees it."""
    found = [pid for pid, name in booted.list_processes().items() if name == "sleep"]
    assert len(found) == 1
    return found[0]


def test_target_is_reached(booted: Container) -> None:
    """The inner systemd boots up to its target."""
    assert booted.read_output("systemctl", "is-active", TARGET, SERVICE).split() == ["active", "active"]


def test_no_unit_failed(booted: Container) -> None:
    """No unit of the inner systemd failed on the way."""
    assert booted.read_output("systemctl", "list-units", "--failed", "--plain", "--no-legend").strip() == ""


def test_pid_1_is_systemd(booted: Container, guest: Guest) -> None:
    """The container's first process is systemd, not a stub."""
    comm = f"/proc/{booted.pid}/comm"

    assert guest.read(comm)[comm].strip() == "systemd"


def test_inner_systemd_is_in_its_own_scope(booted: Container, main: str, root: str) -> None:
    """The inner systemd keeps itself in init.scope below what it takes for the root."""
    assert booted.get_cgroup(main) == f"{root}/init.scope"


def test_services_land_in_their_slice(booted: Container, service: int, main: str, root: str) -> None:
    """A service's processes are at payload/system.slice/NAME.service of the container's scope, not one level higher."""
    assert booted.read_places(service)[service][main] == f"{root}/system.slice/{SERVICE}"


def test_limits_of_the_container_hold_its_services(booted: Container, service: int) -> None:
    """Wherever the inner systemd puts a service, it stays below the scope that has the limits."""
    path = booted.read_places(service)[service][booted.hierarchies.find_hierarchy("pids")]

    assert f"{path}/".startswith(f"{booted.root}/")


@pytest.mark.needs(cgroup="unified")
def test_inner_limits_are_in_force(booted: Container, guest: Guest, root: str) -> None:
    """The inner systemd limits its own services: a limit that it is asked for is in the guest's tree."""
    booted.read_output("systemctl", "set-property", "--runtime", SERVICE, "MemoryMax=32M")
    knob = f"/sys/fs/cgroup{root}/system.slice/{SERVICE}/memory.max"

    assert guest.read(knob)[knob].strip() == str(32 * MIB)


def test_it_shuts_down_when_asked(booted: Container) -> None:
    """Stopping the container makes its systemd shut down in an orderly way; nothing has to be killed."""
    # The last case of the module, so that one boot serves them all.
    assert booted.stop()
