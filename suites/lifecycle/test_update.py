"""Other limits for a container that runs, many times; and that it goes on after it was paused."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suites.lib.engine import Container, Pauses, Updates
from suites.lib.features import Feature
from suites.lib.guest import Guest, Result
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB

TIMES = 70
"""How often: the kernel takes 64 device programs for a cgroup of v2 (BPF_CGROUP_MAX_PROGS)."""

SECONDS = 25
"""How long at most: an update takes a second in an emulated guest."""

PAYLOAD = """
n=0
while :; do
    (: >/dev/null) 2>/dev/null || echo refused >>/tmp/refused
    n=$((n + 1)); echo $n >/tmp/count
    sleep 0.05
done
"""
"""It opens the null device all the time, and counts."""

UPDATE = r"""
times=$1 seconds=$2; shift 2
now() { cut -d . -f 1 /proc/uptime; }
count() { grep -c " bpf_prog_" /proc/kallsyms; }
n=0 end=$(($(now) + seconds)) before=$(count)
while [ $((n += 1)) -le "$times" ] && [ "$(now)" -lt $end ]; do
    "$@" || { echo "update $n of $times" >&2; exit 1; }
done
echo "$n $before $(count)"
"""
"""Prints how often it was done, and how many programs the kernel had before and after that."""

FROZEN = r"""
for file in "$1/cgroup.freeze" "/sys/fs/cgroup/freezer$2/freezer.state"; do
    [ ! -e "$file" ] || cat "$file"
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """A container whose memory limit was changed many times."""

    container: Container
    memory: int
    result: Result
    knobs: dict[str, str]
    reloaded: dict[str, str]


@pytest.fixture(scope="module")
def counting(runtime: ContainerRuntime) -> Iterator[Container]:
    """A container that counts."""
    with runtime.start("sh", "-c", PAYLOAD, memory=32 * MIB) as container:
        yield container


@pytest.fixture(scope="module")
def updated(runtime: ContainerRuntime, counting: Container, guest: Guest) -> Updated:
    """What became of the container."""
    runtime.require(Feature.UPDATE)
    assert isinstance(counting.engine, Updates)
    memory = 48 * MIB
    command = counting.engine.get_update_command(counting.name, memory)
    result = guest.sh(UPDATE, str(TIMES), str(SECONDS), *command)
    knob = "memory.max" if counting.hierarchies.mode == "unified" else "memory.limit_in_bytes"
    knobs = counting.read_knobs(knob)
    guest.do("systemctl daemon-reload")
    return Updated(container=counting, memory=memory, result=result, knobs=knobs, reloaded=counting.read_knobs(knob))


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(feature=Feature.UPDATE)
def test_limit_can_be_changed_often(updated: Updated) -> None:
    """The last time is as good as the first; with a processor of its own a guest gets to 70."""
    assert (updated.result.code, updated.result.err) == (0, "")


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(feature=Feature.UPDATE, cgroup="unified")
def test_no_device_program_is_left(updated: Updated) -> None:
    """An update takes away the program that filters devices when it brings another one."""
    times, before, after = (int(word) for word in updated.result.out.split())
    if not before:
        pytest.skip("needs a kernel that lists its programs (net.core.bpf_jit_kallsyms)")
    assert times > 5
    assert after - before < times / 2


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(feature=Feature.UPDATE)
def test_changed_limit_is_written(updated: Updated) -> None:
    """The control file has the new limit."""
    assert set(updated.knobs.values()) == {str(updated.memory)}


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(feature=Feature.UPDATE)
def test_changed_limit_survives_a_reload(updated: Updated) -> None:
    """The new limit is also what systemd writes when it is reloaded."""
    assert set(updated.reloaded.values()) == {str(updated.memory)}


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(feature=Feature.UPDATE)
def test_null_is_never_refused(updated: Updated, guest: Guest) -> None:
    """The null device could be opened all the time."""
    root = f"/proc/{updated.container.pid}/root/tmp"

    assert guest.read(f"{root}/refused", f"{root}/count")[f"{root}/refused"] == ""
    assert int(guest.read(f"{root}/count")[f"{root}/count"]) > 0


@pytest.mark.usefixtures("memory")
@pytest.mark.needs(feature=Feature.UPDATE)
def test_container_is_not_frozen_after_updates(updated: Updated, guest: Guest) -> None:
    """Nothing of the container is left frozen, and it goes on counting."""
    assert _is_thawed(updated.container, guest)


@pytest.mark.needs(feature=Feature.PAUSE)
def test_container_goes_on_after_pauses(counting: Container, guest: Guest) -> None:
    """A container that was paused and resumed next to commands in it goes on, and is not frozen."""
    engine = counting.engine
    assert isinstance(engine, Pauses)
    for _ in range(3):
        engine.pause(counting.name)
        paused = not _does_count(counting, guest)
        engine.resume(counting.name)
        code = counting.execute("true").code
        assert (paused, code) == (True, 0)

    assert _is_thawed(counting, guest)


def _does_count(container: Container, guest: Guest) -> bool:
    script = 'before=$(cat "$1"); sleep 0.5; [ "$before" != "$(cat "$1")" ]'
    return guest.sh(script, f"/proc/{container.pid}/root/tmp/count").code == 0


def _is_thawed(container: Container, guest: Guest) -> bool:
    """Whether no freezer has the container, and it counts."""
    directory = container.get_directory(container.hierarchies.main) + container.below
    states = set(guest.do(FROZEN, directory, container.root).split())
    return states <= {"0", "THAWED"} and _does_count(container, guest)
