"""That limits are in force: read back from the control files, and one process that really hits each."""

import re
from collections.abc import Iterator

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.guest import Guest
from suites.lib.runtime import MIB, Container, Runtime

MEMORY = 48 * MIB
PIDS = 24
CPU = 0.4
V1 = ("legacy", "hybrid")

# Reads so many bytes of zeros as one line, which tail keeps in memory. It ends by itself, so that a limit
# which is not in force is a failure and no hang.
EAT = "head -c $((%d << 20)) /dev/zero | tail -n 1 >/dev/null; echo status=$?"


@pytest.fixture(scope="module")
def limited(runtime: Runtime) -> Iterator[Container]:
    """A container with all three limits."""
    with runtime.running("sleep", "3600", memory=MEMORY, pids=PIDS, cpu=CPU) as container:
        yield container


@pytest.mark.needs(cgroup=V1)
def test_memory_limit_is_written_v1(limited: Container) -> None:
    """The memory limit is in memory.limit_in_bytes of the scope."""
    assert limited.knobs("memory.limit_in_bytes") == {"memory.limit_in_bytes": str(MEMORY)}


@pytest.mark.needs(cgroup="unified")
def test_memory_limit_is_written(limited: Container) -> None:
    """The memory limit is in memory.max of the scope."""
    assert limited.knobs("memory.max") == {"memory.max": str(MEMORY)}


def test_pids_limit_is_written(limited: Container) -> None:
    """The limit of processes is in pids.max of the scope, on v1 and v2."""
    assert limited.knobs("pids.max") == {"pids.max": str(PIDS)}


@pytest.mark.needs(cgroup=V1)
def test_cpu_limit_is_written_v1(limited: Container) -> None:
    """The CPU limit is the ratio of cpu.cfs_quota_us to cpu.cfs_period_us of the scope."""
    knobs = limited.knobs("cpu.cfs_quota_us", "cpu.cfs_period_us")

    assert int(knobs["cpu.cfs_quota_us"]) / int(knobs["cpu.cfs_period_us"]) == pytest.approx(CPU)


@pytest.mark.needs(cgroup="unified")
def test_cpu_limit_is_written(limited: Container) -> None:
    """The CPU limit is the ratio of the two numbers in cpu.max of the scope."""
    quota, period = limited.knobs("cpu.max")["cpu.max"].split()

    assert int(quota) / int(period) == pytest.approx(CPU)


def test_memory_hog_is_killed(runtime: Runtime, guest: Guest) -> None:
    """A process that wants more memory than the limit is killed, and because of that limit."""
    result = runtime.run("sh", "-c", EAT % 96, memory=32 * MIB)
    kills = re.findall(r"oom-kill:.*oom_memcg=([^,]*)", guest.do("dmesg | tail -n 200"))

    assert "status=0" not in result.out
    assert kills, "the kernel killed nothing for lack of memory"
    assert kills[-1].startswith("/machine.slice/")
    assert runtime.prefix in kills[-1].replace(r"\x2d", "-")


def test_memory_below_the_limit_is_given(runtime: Runtime) -> None:
    """The same process lives where the limit is above what it wants."""
    result = runtime.run("sh", "-c", EAT % 16, memory=64 * MIB)

    assert result.out.strip() == "status=0"


def test_fork_fails_at_the_pids_limit(limited: Container) -> None:
    """Beyond the limit fork fails with EAGAIN, and there are never more processes than the limit."""
    result = limited.exec("sh", "-c", f"for n in $(seq {PIDS + 6}); do sleep 1 & done; wait")
    peak = limited.knobs("pids.current")

    assert "Resource temporarily unavailable" in result.err
    assert int(peak["pids.current"]) <= PIDS


def test_busy_loop_is_throttled(limited: Container, hierarchies: Hierarchies) -> None:
    """A process that wants a whole CPU is held back, and gets no more than its share of the time that passed."""
    before = _cpu(limited, hierarchies)
    script = (
        'read -r start _ </proc/uptime; timeout -s KILL 1.5 sh -c "while :; do :; done"; read -r end _ </proc/uptime; '
    )
    times = limited.exec("sh", "-c", script + "echo $start $end").out.split()
    after = _cpu(limited, hierarchies)
    elapsed = float(times[1]) - float(times[0])

    assert after["nr_throttled"] > before["nr_throttled"]
    # One period of 0.1 s may be used up before the first and after the last second that was measured.
    assert after["usage"] - before["usage"] <= CPU * (elapsed + 0.2) * 1.2


def _cpu(container: Container, hierarchies: Hierarchies) -> dict[str, float]:
    """How often the container was throttled, and the seconds of CPU that it used."""
    knobs = container.knobs("cpu.stat", "cpuacct.usage")
    stat = dict(line.split() for line in knobs["cpu.stat"].splitlines())
    v2 = hierarchies.hierarchy("cpu") == "unified"
    usage = int(stat["usage_usec"]) / 1e6 if v2 else int(knobs["cpuacct.usage"]) / 1e9
    return {"nr_throttled": int(stat["nr_throttled"]), "usage": usage}
