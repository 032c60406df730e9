"""The second level: QEMU with a guest that has no kernel; and the limits of a container that it runs in."""

import re

import pytest

from suites.kvm.layers import DEVICE, SAYS, Layer, run_flat
from suites.kvm.machine import INSIDE
from suites.lib.guest import Guest, Result
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

HIDDEN = f"""
unshare --mount sh -c 'mount --bind /dev/null {DEVICE} && exec "$@"' sh "$@"
"""


def test_monitor_runs_a_guest(guest: Guest, flat: str) -> None:
    """QEMU runs a guest that says a word and ends; there is no accelerator in this QEMU but KVM."""
    _check_said(guest.sh('"$@"', *run_flat(flat)))


def test_monitor_says_what_is_missing(guest: Guest, flat: str) -> None:
    """Without the device QEMU runs nothing, and names KVM."""
    result = guest.sh(HIDDEN, *run_flat(flat))

    assert result.code not in (0, 137)
    assert SAYS not in result.out
    assert re.search("kvm", result.err, re.IGNORECASE), result


def test_container_with_the_device_runs_a_guest(runtime: ContainerRuntime, flat: str) -> None:
    """QEMU in a container runs the same guest."""
    mounts = (Mount(source=flat, target=INSIDE),)

    _check_said(runtime.run(*run_flat(INSIDE), system=True, devices=(DEVICE,), mounts=mounts))


@pytest.mark.usefixtures("memory")
def test_memory_of_the_guest_counts(runtime: ContainerRuntime, flat: str) -> None:
    """The memory of a guest is its container's: where the limit is below it, the monitor is killed before it says a word."""
    mounts = (Mount(source=flat, target=INSIDE),)
    result = runtime.run(*run_flat(INSIDE, 128), system=True, devices=(DEVICE,), mounts=mounts, memory=64 * MIB)

    assert SAYS not in result.out
    assert result.code != 0
    assert "oom" in runtime.guest.do("dmesg | tail -n 50 | grep -i 'oom-kill.*qemu' || :"), result


def _check_said(result: Result) -> None:
    assert result.out.strip() == SAYS, f"broken in the layer {Layer.MONITOR}: {result}"
