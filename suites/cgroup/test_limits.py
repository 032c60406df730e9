"""That limits are in force: read back from the control files, and one process that really hits each."""

import re
from collections.abc import Callable

import pytest

from suites.cgroup.conftest import ContainerLimits
from suites.lib.cgroups import Hierarchies
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

V1 = ("legacy", "hybrid")

TRIES = 10
"""How often a process burns CPU for 1.5 s until it is throttled; once where the computer has time for its guest."""

# One buffer of so many bytes, which reading zeros fills. It ends by itself, so that a limit which is not in
# force is a failure and no hang.
EAT = "dd if=/dev/zero of=/dev/null bs=%dM count=1 2>/dev/null; echo status=$?"


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(cgroup=V1)
def test_memory_limit_is_written_v1(container: Container, limits: ContainerLimits) -> None:
    """The memory limit is in memory.limit_in_bytes of the scope."""
    assert container.read_knobs("memory.limit_in_bytes") == {"memory.limit_in_bytes": str(limits.memory)}


@pytest.mark.needs(cgroup="unified")
def test_memory_limit_is_written(container: Container, limits: ContainerLimits) -> None:
    """The memory limit is in memory.max of the scope."""
    assert container.read_knobs("memory.max") == {"memory.max": str(limits.memory)}


@pytest.mark.needs(feature=Feature.PIDS_LIMIT)
def test_pids_limit_is_written(container: Container, limits: ContainerLimits) -> None:
    """The limit of processes is in pids.max of the scope, on v1 and v2."""
    assert container.read_knobs("pids.max") == {"pids.max": str(limits.pids)}


@pytest.mark.needs(cgroup=V1)
def test_cpu_limit_is_written_v1(container: Container, limits: ContainerLimits) -> None:
    """The CPU limit is the ratio of cpu.cfs_quota_us to cpu.cfs_period_us of the scope."""
    knobs = container.read_knobs("cpu.cfs_quota_us", "cpu.cfs_period_us")

    assert int(knobs["cpu.cfs_quota_us"]) / int(knobs["cpu.cfs_period_us"]) == pytest.approx(limits.cpu)


@pytest.mark.needs(cgroup="unified")
def test_cpu_limit_is_written(container: Container, limits: ContainerLimits) -> None:
    """The CPU limit is the ratio of the two numbers in cpu.max of the scope."""
    quota, period = container.read_knobs("cpu.max")["cpu.max"].split()

    assert int(quota) / int(period) == pytest.approx(limits.cpu)


@pytest.mark.independent
@pytest.mark.usefixtures("memory")
def test_memory_hog_is_killed(runtime: ContainerRuntime, guest: Guest) -> None:
    """A process that wants more memory than the limit is killed, and because of that limit."""
    result = runtime.run("sh", "-c", EAT % 48, memory=24 * MIB)
    kills = re.findall(r"oom-kill:.*oom_memcg=([^,]*)", guest.do("dmesg | tail -n 200"))
    ours = [place for place in kills if runtime.prefix in place.replace(r"\x2d", "-")]

    assert "status=0" not in result.out
    assert ours, f"the kernel killed nothing of ours for lack of memory: {kills}"
    assert ours[-1].startswith(f"{runtime.engine.parent}/")


@pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
def test_memory_below_the_limit_is_given(container: Container) -> None:
    """The same process lives where the limit is above what it wants."""
    assert container.read_output("sh", "-c", EAT % 24).strip() == "status=0"


@pytest.mark.needs(feature=Feature.PIDS_LIMIT)
def test_fork_fails_at_the_pids_limit(container: Container, limits: ContainerLimits) -> None:
    """Beyond the limit fork fails with EAGAIN, and there are never more processes than the limit."""
    # The shell itself ends where fork fails; its children are waited for, so that the next case has room.
    result = container.execute("sh", "-c", f"(for n in $(seq {limits.pids + 6}); do sleep 1 & done); exec sleep 2")
    current = int(container.read_knobs("pids.current")["pids.current"])

    assert "Resource temporarily unavailable" in result.err
    assert current <= limits.pids


@pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
def test_busy_loop_is_throttled(container: Container, hierarchies: Hierarchies, limits: ContainerLimits) -> None:
    """A process that wants a whole CPU is held back, and gets no more than its share of the kernel's periods."""

    def burn() -> None:
        container.read_output("sh", "-c", "timeout -s KILL 1.5 sh -c 'while :; do :; done'; true")

    _check_share(container, hierarchies, limits.cpu, burn)


def _check_share(container: Container, hierarchies: Hierarchies, share: float, burn: Callable[[], object]) -> None:
    """Check that what burns CPU is throttled, and has no more than its share of the periods in which it ran.

    The kernel's own counters say so, and no clock: on a busy computer a guest stands still while time passes, and may
    not get even its share at the first try.
    """
    before = _read_cpu(container, hierarchies)
    for _ in range(TRIES):
        burn()
        after = _read_cpu(container, hierarchies)
        periods = after["periods"] - before["periods"]
        # The period at either end counts too; each processor may keep a slice of 5 ms for later.
        assert after["usage"] - before["usage"] <= share * after["period"] * (periods + 2) * 1.1
        if after["throttled"] > before["throttled"]:
            return
    pytest.fail(f"it was never throttled in {TRIES * 1.5:.0f} s")


def _read_cpu(container: Container, hierarchies: Hierarchies) -> dict[str, float]:
    """In how many periods the container ran and was throttled, the seconds of CPU that it used and those of a period."""
    knobs = container.read_knobs("cpu.stat", "cpuacct.usage", "cpu.max", "cpu.cfs_period_us")
    stat = dict(line.split() for line in knobs["cpu.stat"].splitlines())
    v2 = hierarchies.find_hierarchy("cpu") == "unified"
    return {
        "periods": int(stat["nr_periods"]),
        "throttled": int(stat["nr_throttled"]),
        "usage": int(stat["usage_usec"]) / 1e6 if v2 else int(knobs["cpuacct.usage"]) / 1e9,
        "period": int(knobs["cpu.max"].split()[1] if v2 else knobs["cpu.cfs_period_us"]) / 1e6,
    }


@pytest.mark.independent
@pytest.mark.needs(feature=Feature.POD_SYSTEMD)
def test_busy_app_is_throttled(runtime: ContainerRuntime, guest: Guest, hierarchies: Hierarchies) -> None:
    """An app that wants a whole CPU gets no more than its share; a command of `rkt enter` would not be in its cgroup."""
    with runtime.start("sh", "-c", "while :; do :; done", cpu=0.25) as container:
        _check_share(container, hierarchies, 0.25, lambda: guest.do("sleep 1.5"))
