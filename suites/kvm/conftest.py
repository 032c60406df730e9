"""Fixtures of the suite kvm: the layers below a virtual machine, and the machine itself."""

from collections.abc import Iterator

import pytest

from suites.kvm.layers import MONITOR, Layer, Platform, Trial, write_flat
from suites.kvm.machine import Wires
from suites.lib.guest import Guest
from suites.lib.leftovers import Leftovers
from suites.lib.runtime import ContainerRuntime


@pytest.fixture(scope="session")
def platform(guest: Guest) -> Platform:
    """What the guest has below a virtual machine; where its processor has no virtualization, the suite is skipped."""
    platform = Platform.look(guest)
    if platform.broken is not None and platform.broken.layer is Layer.PROCESSOR:
        pytest.skip(f"needs nested virtualization: {platform.broken.evidence}")
    return platform


@pytest.fixture(scope="session")
def trial(guest: Guest, platform: Platform) -> Trial:
    """What the smallest monitor saw."""
    _require(platform)
    if guest.sh("command -v perl").code != 0:
        pytest.skip("needs perl, to make system calls; this guest has none")
    return Trial.run(guest, "sum")


@pytest.fixture(scope="package")
def flat(guest: Guest, runtime: ContainerRuntime, platform: Platform) -> Iterator[str]:
    """Where the guest without a kernel is, for which there are a monitor and a device."""
    _require(platform)
    if guest.sh('command -v "$1"', MONITOR).code != 0:
        pytest.skip("needs QEMU; this guest has none, as its distro takes no packages of Debian")
    directory = f"/run/{runtime.prefix}-flat"
    write_flat(guest, directory)
    yield directory
    guest.do('rm -r "$1"', directory)


@pytest.fixture(scope="package")
def wires(guest: Guest, runtime: ContainerRuntime, leftovers: Leftovers) -> Iterator[Wires]:
    """The machine's network, until other suites begin."""
    with leftovers.ignore_new():
        wires = Wires(guest, runtime.prefix)
    yield wires
    wires.close()


def _require(platform: Platform) -> None:
    assert platform.broken is None, str(platform.broken)
