"""The first level: the processor, the kernel's module, the device, and a virtual processor without a monitor."""

import pytest

from suites.kvm.layers import DEVICE, SUM, Layer, Platform, Trial
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

VERSION = 12
"""The interface's version since Linux 2.6.22 (Documentation/virt/kvm/api.rst, 4.1)."""


def test_module_is_loaded(platform: Platform) -> None:
    """The kernel takes its module for the processor's virtualization: else it, or the firmware, has it switched off."""
    assert platform.module == {"svm": "kvm_amd", "vmx": "kvm_intel"}[platform.flag], str(platform.broken)


def test_device_is_there(platform: Platform) -> None:
    """The device has the number that the kernel gave to it."""
    assert platform.broken is None, str(platform.broken)
    assert platform.device.startswith("c")


def test_interface_has_its_version(trial: Trial) -> None:
    """The device speaks the one version of the interface that there is, and has room for memory."""
    assert trial.steps.get("version") == str(VERSION), str(trial.broken)
    assert int(trial.steps["memory-slots"]) > 0


def test_virtual_processor_runs_instructions(trial: Trial) -> None:
    """A virtual processor adds numbers up: what it says on a port, stores, and has in its register is their sum."""
    assert trial.broken is None, str(trial.broken)
    assert trial.exits == ("io", "hlt")
    assert trial.steps["port"] == f"0xe9 {SUM}"
    assert trial.steps["stored"] == str(SUM)


@pytest.mark.usefixtures("trial")
def test_virtual_processor_can_be_interrupted(guest: Guest) -> None:
    """A signal stops a virtual processor that never ends by itself; it is still at its only instruction."""
    loop = Trial.run(guest, "loop")

    assert not loop.failed, f"broken in the layer {Layer.MACHINE}: {loop.failed}"
    assert loop.exits == ("interrupted",)
    assert loop.steps["instruction"] == "0x1000"


@pytest.fixture(scope="module")
def contained(runtime: ContainerRuntime, trial: Trial) -> tuple[Trial, str]:
    """What the smallest monitor sees in containers with and without the device."""
    assert trial.broken is None, str(trial.broken)
    with_it = Trial.parse(runtime.run(*Trial.make_command("sum"), system=True, devices=(DEVICE,)))
    # Not in /tmp, where no device works whoever may use it.
    make = ("sh", "-c", "mknod /kvm c 10 232 && perl -e 'sysopen my $file, q(/kvm), 2 or die $!'")
    without = runtime.run(*make, system=True, read_only=False)
    return with_it, without.out + without.err


def test_container_uses_the_device(contained: tuple[Trial, str]) -> None:
    """A container that was given the device runs instructions in a virtual processor."""
    trial, _ = contained

    assert trial.broken is None, f"in the container: {trial.broken}"


def test_other_containers_cannot_use_the_device(contained: tuple[Trial, str]) -> None:
    """A container that was not given the device cannot open a node of its number."""
    _, said = contained

    assert "Operation not permitted" in said or "Permission denied" in said
