"""A slice with limits as what manages pods makes one over D-Bus: the weight that it asked for, and what a reload leaves of it."""

from collections.abc import Iterator, Mapping

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.guest import Guest
from suites.lib.leftovers import Leftovers
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

START = r"""
name=$1; shift
busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager \
    StartTransientUnit 'ssa(sv)a(sa(sv))' "$name" replace $(($# / 3)) "$@" 0 >&2 || exit
n=50; until systemctl is-active --quiet "$name"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
"""

STOP = 'systemctl stop "$1"'

SHARES = 512
"""Half of the kernel's default for v1, which is 1024; for v2 that is half of 100."""

LIMITS = {
    "memory.max": str(48 * MIB),
    "memory.limit_in_bytes": str(48 * MIB),
    "pids.max": "77",
    "cpu.max": "30000 100000",
    "cpu.cfs_quota_us": "30000",
}
"""What was asked for, by the control file of either version that has it."""

WEIGHTS = {"cpu.weight": str(SHARES * 100 // 1024), "cpu.shares": str(SHARES)}


@pytest.fixture(scope="module")
def pod_slice(runtime: ContainerRuntime, hierarchies: Hierarchies, guest: Guest, leftovers: Leftovers) -> Iterator[str]:
    """A slice that was asked for in the words of a runtime of 2021, which knew the properties of cgroup v1."""
    name = f"machine-{runtime.prefix.replace('-', '_')}.slice"
    memory = "MemoryMax" if hierarchies.mode == "unified" else "MemoryLimit"
    properties = {memory: 48 * MIB, "TasksMax": 77, "CPUQuotaPerSecUSec": 300_000, "CPUShares": SHARES}
    words = [word for key, value in properties.items() for word in (key, "t", str(value))]
    try:
        with leftovers.ignore_new():
            guest.do(START, name, *words)
        yield name
    finally:
        guest.do(STOP, name)


def _read(guest: Guest, hierarchies: Hierarchies, name: str, files: Mapping[str, str]) -> dict[str, str]:
    """Return the control files of a slice that are there, with what they hold."""
    paths = {}
    for file in files:
        try:
            paths[file] = hierarchies.get_directory(file.partition(".")[0], f"/machine.slice/{name}") + f"/{file}"
        except LookupError:
            continue
    texts = guest.read(*paths.values())
    return {file: texts[path].strip() for file, path in paths.items() if texts[path]}


def test_old_word_for_a_weight_is_heard(pod_slice: str, hierarchies: Hierarchies, guest: Guest) -> None:
    """CPUShares=, the word for cgroup v1, still makes a weight where it is taken (cri-o#10283)."""
    found = _read(guest, hierarchies, pod_slice, WEIGHTS)

    assert found
    assert found == {file: WEIGHTS[file] for file in found}


def test_limits_of_a_slice_stay(pod_slice: str, hierarchies: Hierarchies, guest: Guest) -> None:
    """A reload leaves a slice the limits with which it was made (kubernetes#104289)."""
    before = _read(guest, hierarchies, pod_slice, LIMITS)
    guest.do("systemctl daemon-reload")
    after = _read(guest, hierarchies, pod_slice, LIMITS)

    assert before
    assert before == {file: LIMITS[file] for file in before}
    assert after == before
