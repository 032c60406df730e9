"""The third level: a pod in a machine of its own, which the runtime's container holds and limits.

The machine boots the guest's kernel once for all cases. The last case ends it.
"""

from collections.abc import Iterator

import pytest

from suites.kvm.layers import MONITOR, Broken, Layer
from suites.kvm.machine import DISK, GUEST, LIMIT, MEMORY, POD, PodMachine, Wires
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

STATUS = 7

WHO = f"timeout 20 busybox wget -q -O - http://{GUEST}/cgi-bin/who"


@pytest.fixture(scope="module")
def booted(runtime: ContainerRuntime, flat: str, wires: Wires) -> Iterator[PodMachine]:  # noqa: ARG001 - there is a monitor
    """The machine, as far as it got."""
    if runtime.guest.sh(f"{MONITOR} -machine microvm -device help | grep -q {DISK}").code != 0:
        pytest.skip(f"needs a monitor with the device {DISK}; the small QEMU of this release has none")
    with PodMachine.boot(runtime, wires) as machine:
        yield machine


@pytest.fixture
def machine(booted: PodMachine) -> PodMachine:
    """The machine, with the pod's app in it."""
    _require(booted, Layer.APP)
    return booted


def test_kernel_boots(booted: PodMachine, guest: Guest) -> None:
    """The guest's own kernel boots in the machine, and says its version."""
    _require(booted, Layer.KERNEL)
    assert f"harness: kernel {guest.do('uname -r').strip()}" in booted.console


def test_root_is_the_disk(machine: PodMachine) -> None:
    """The pod's root file system is a disk of the machine, and no directory of the guest."""
    assert "/dev/vda / ext4 " in machine.do("cat /proc/mounts")
    assert "ID=harness" in machine.do("cat /etc/os-release")


def test_kernel_runs_under_kvm(machine: PodMachine) -> None:
    """The machine's kernel sees a hypervisor, and its name is KVM's."""
    assert "KVM" in machine.do("dmesg | grep -i hypervisor")


def test_memory_is_what_was_given(machine: PodMachine) -> None:
    """The machine has the memory that it was given, less what its kernel takes first."""
    total = int(machine.do("grep MemTotal /proc/meminfo").split()[1]) * 1024

    assert 0.5 * MEMORY * MIB < total <= MEMORY * MIB


def test_guest_reaches_the_pod(machine: PodMachine) -> None:
    """What the guest asks comes to the app in the machine, from the guest's address."""
    name, peer = machine.do('hostname; echo "$REMOTE_ADDR"').split()

    assert name == "pod"
    # A server that listens for both families sees a mapped address.
    assert peer.strip("[]").removeprefix("::ffff:") == GUEST


def test_pod_reaches_the_guest(machine: PodMachine) -> None:
    """The guest's server is asked by the pod's address."""
    assert machine.do(WHO).split() == [POD, "guest"]


def test_pod_reaches_nothing_else(machine: PodMachine, guest: Guest) -> None:
    """The machine has one interface besides loopback, and no way to the guest's other addresses."""
    others = [line.split()[3].partition("/")[0] for line in guest.do("ip -4 -o address show").splitlines()]
    beyond = [address for address in others if address != GUEST and not address.startswith("127.")]
    names = machine.do("sed -n 's/^ *\\([^ ]*\\):.*/\\1/p' /proc/net/dev").split()

    assert sorted(names) == ["eth0", "lo"]
    assert beyond
    assert "unreachable" in machine.do(f"busybox ping -c 1 -W 2 {beyond[0]} || :")


def test_monitor_stays_in_the_scope(machine: PodMachine) -> None:
    """The threads of the monitor, which are the machine's processors, are in the container's cgroup."""
    container = machine.container
    directory = container.get_directory(container.hierarchies.main)
    threads = container.guest.do('ls "/proc/$1/task"', str(container.pid)).split()
    listed = container.guest.do(
        'find "$1" \\( -name tasks -o -name cgroup.threads \\) -exec cat {} +', directory
    ).split()

    assert len(threads) > 1
    assert set(threads) <= set(listed)


@pytest.mark.usefixtures("memory")
def test_memory_in_use_is_counted(machine: PodMachine) -> None:
    """The monitor's memory, with the machine's in it, is the container's, and within its limit."""
    container = machine.container
    status = container.guest.do('grep ^RssAnon: "/proc/$1/status"', str(container.pid))
    anonymous = int(status.split()[1]) * 1024
    knobs = container.read_knobs("memory.current", "memory.usage_in_bytes")
    used = int(knobs["memory.current"] or knobs["memory.usage_in_bytes"] or 0)

    assert anonymous > 24 * MIB
    # The kernel counts by the page and in lots of them.
    assert 0.95 * anonymous < used <= LIMIT


def test_exit_status_is_on_the_disk(machine: PodMachine) -> None:
    """A pod that ends by itself leaves its status on its disk; its monitor ends, and with it the container."""
    ended = machine.end(STATUS)

    assert ended.out.strip() == str(STATUS), str(Broken(layer=Layer.APP, evidence=str(ended)))
    assert machine.container.stop()


def _require(machine: PodMachine, layer: Layer) -> None:
    broken = machine.find_broken(layer)
    assert broken is None, str(broken)
