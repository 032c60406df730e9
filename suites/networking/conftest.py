"""Fixtures of the suite networking: the guest's plugins, the host beyond the guest, and containers in networks."""

from collections.abc import Iterator

import pytest

from suites.lib import cni as plugins
from suites.lib.cni import PLUGINS, Cni
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.networking.leftovers import NetworkLeftovers
from suites.networking.nets import BRIDGE
from suites.networking.pods import Pods
from suites.networking.wire import Wire


@pytest.fixture(scope="session")
def cni(guest: Guest, runtime: ContainerRuntime) -> Cni:
    """The guest's CNI plugins; where there are none, the suite is skipped."""
    if guest.sh('[ -x "$1" ]', f"{PLUGINS}/ptp").code != 0:
        pytest.skip("needs CNI plugins; this guest has none, as its distro takes no packages of Debian")
    return plugins.connect(guest, runtime.prefix)


@pytest.fixture(scope="session")
def leftovers(guest: Guest, runtime: ContainerRuntime, cni: Cni) -> NetworkLeftovers:
    """What the guest had before the first container."""
    runtime.rootfs.make_tiny()
    return NetworkLeftovers(guest, runtime, cni)


@pytest.fixture(scope="package")
def wire(guest: Guest, cni: Cni, leftovers: NetworkLeftovers) -> Iterator[Wire]:
    """The host beyond the guest, until other suites begin."""
    with leftovers.ignore_new():
        wire = Wire(guest, cni.prefix)
    wire.bridges.append(BRIDGE)
    leftovers.bridges = wire.bridges
    yield wire
    wire.close()


@pytest.fixture(scope="package")
def pods(runtime: ContainerRuntime, cni: Cni, wire: Wire) -> Pods:
    """Starts containers in networks."""
    return Pods(runtime, cni, wire)
