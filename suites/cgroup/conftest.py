"""Fixtures of the suite cgroup: one container with all limits, which most cases only look at."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB, ContainerOptions

PROBE = r"""
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
write() { echo "$1" >"$2"; }
exec >/tmp/probe
for directory in /sys/fs/cgroup/ /sys/fs/cgroup/*/; do
    [ -e "${directory}cgroup.procs" ] || continue
    [ ! -h "${directory%/}" ] || continue
    try "$directory" mkdir "${directory}harness-made"
    rmdir "${directory}harness-made" 2>/dev/null
done
for knob in memory/memory.limit_in_bytes memory.max pids/pids.max pids.max; do
    [ ! -e "/sys/fs/cgroup/$knob" ] || try "$knob" write 1073741824 "/sys/fs/cgroup/$knob"
done
try proc_sys write harness /proc/sys/kernel/hostname
try sysrq write h /proc/sysrq-trigger
try sys mkdir /sys/kernel/harness-made
try uevent write change /sys/devices/virtual/mem/null/uevent
try root touch /harness-made
try null write x /dev/null
echo "devices" $(cd /dev && find . -type b -o -type c | sort)
echo "greeting $GREETING"
mv /tmp/probe /tmp/probed
while :; do sleep 3600 & wait; done
"""
"""What the container's first process tries, with the rights that the runtime gave it; then it collects orphans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLimits:
    """The limits of the container that the cases share: bytes, processes, CPUs."""

    memory: int = 64 * MIB
    pids: int = 32
    cpu: float = 0.5

    def make_options(self, runtime: ContainerRuntime) -> ContainerOptions:
        """Return the limits that a runtime has a word for; the cases of the others say what they need."""
        options = ContainerOptions(memory=self.memory, cpu=self.cpu)
        if Feature.PIDS_LIMIT not in runtime.engine.lacks:
            options["pids"] = self.pids
        return options


@pytest.fixture(scope="session")
def main(hierarchies: Hierarchies) -> str:
    """The hierarchy in which systemd keeps its units."""
    return hierarchies.main


@pytest.fixture(scope="session")
def limits() -> ContainerLimits:
    """The limits of `container`."""
    return ContainerLimits()


@pytest.fixture(scope="session")
def container(runtime: ContainerRuntime, limits: ContainerLimits) -> Iterator[Container]:
    """A container with all three limits, which has tried out what it may do, and sleeps."""
    options = limits.make_options(runtime)
    options["environment"] = {"GREETING": "hello  there"}
    with runtime.start("sh", "-c", PROBE, **options) as container:
        assert container.guest.wait('[ -e "$1" ]', _get_probed_path(container)), (
            "the container's first process did not work"
        )
        yield container


@pytest.fixture(scope="session")
def probe(container: Container, guest: Guest) -> dict[str, str]:
    """What the first process of `container` could do: the words of `PROBE` with their answers."""
    path = _get_probed_path(container)
    return dict(line.split(" ", 1) for line in guest.read(path)[path].splitlines())


def _get_probed_path(container: Container) -> str:
    return f"/proc/{container.pid}/root/tmp/probed"
