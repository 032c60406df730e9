"""The life of one container: it starts, is entered, ends by itself or is stopped or crashes, and nothing is left."""

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.independent

TRACES = r"""
cat /proc/1/mountinfo
readlink /proc/[0-9]*/ns/net
for path in /run/* /run/runc/* /run/systemd/transient/* /run/systemd/machines/* /run/systemd/nspawn/* \
    "/sys/fs/cgroup$1"/* /sys/fs/cgroup/*"$1"/*; do
    echo "$path"
done
"""
"""The guest's mounts, network namespaces with processes, files of the runtimes, units and cgroups."""


def test_container_is_listed_while_it_runs(runtime: ContainerRuntime) -> None:
    """The runtime knows a container from its start to its end, and not longer."""
    with runtime.start("sleep", "300") as container:
        during = runtime.list()
        container.stop()

        assert container.name in during
        assert container.name not in runtime.list()


@pytest.mark.parametrize("code", [0, 7, 200])
def test_exit_status_is_passed_on(runtime: ContainerRuntime, code: int) -> None:
    """Who runs a container to its end gets the status of its process."""
    assert runtime.run("sh", "-c", f"exit {code}").code == code


@pytest.mark.needs(feature=Feature.STANDARD_ERROR)
def test_output_and_errors_are_told_apart(runtime: ContainerRuntime) -> None:
    """What the process writes to its standard output and to its standard error arrives there."""
    result = runtime.run("sh", "-c", "echo out; echo err >&2")

    assert (result.out, "err" in result.err.split()) == ("out\n", True)


def test_missing_program_is_an_error(runtime: ContainerRuntime) -> None:
    """A program that is not in the image is an error that names it."""
    result = runtime.run("/missing/program")

    assert result.code != 0
    assert "/missing/program" in (result.out if Feature.STANDARD_ERROR in runtime.engine.lacks else result.err)


@pytest.mark.needs(feature=Feature.LATER_STATUS)
def test_exit_status_is_kept(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """The status of a container that ran in the background is known when it has ended."""
    script = "until [ -e /mnt/a/go ]; do sleep 0.1; done; exit 9"
    with runtime.start("sh", "-c", script, mounts=_make_volume(shared)) as container:
        guest.do(': >"$1/go"', shared)

        assert container.engine.wait_end(container) == 9


def test_entered_command_is_in_the_containers_world(runtime: ContainerRuntime, guest: Guest) -> None:
    """A command that enters a container has its namespaces, its files and the user that was asked for."""
    script = (
        "cd /proc/self/ns; for kind in cgroup ipc mnt net pid uts; do"
        " [ $kind -ef /proc/1/ns/$kind ] || echo $kind; done; cat /tmp/mark; exit 5"
    )
    with runtime.start("sh", "-c", "echo mark >/tmp/mark; sleep 300") as container:
        guest.wait('[ -e "$1" ]', f"/proc/{container.pid}/root/tmp/mark")
        root = container.execute("sh", "-c", script)
        user = None if Feature.COMMANDS_AS_USER in runtime.engine.lacks else container.execute("id", "-u", user=1000)

    assert (root.code, root.out.split()) == (5, ["mark"])
    assert user is None or user.out.split() == ["1000"]


def test_process_that_is_asked_ends_by_itself(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """Stopping asks the first process by the signal that was agreed, and it has time to tidy up."""
    script = "trap 'echo bye >/mnt/a/said; exit 0' TERM; : >/mnt/a/ready; sleep 300 & wait"
    with runtime.start("sh", "-c", script, first=True, mounts=_make_volume(shared), stop_signal="TERM") as container:
        guest.wait('[ -e "$1/ready" ]', shared)
        orderly = container.stop()

        assert orderly
        assert guest.read(f"{shared}/said") == {f"{shared}/said": "bye\n"}


def test_process_that_does_not_end_is_killed(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """A process that ignores the signal is killed after the time that was agreed, and not before."""
    script = "trap '' TERM; : >/mnt/a/ready; while :; do sleep 0.3; read -r now _ </proc/uptime; echo $now >/mnt/a/time; done"
    with runtime.start(
        "sh", "-c", script, first=True, mounts=_make_volume(shared), stop_signal="TERM", stop_seconds=2
    ) as container:
        guest.wait('[ -e "$1/ready" ]', shared)
        before = float(guest.do("cut -d ' ' -f 1 /proc/uptime"))
        orderly = container.stop()
        last = float(guest.read(f"{shared}/time")[f"{shared}/time"])

        assert not orderly
        assert 1 <= last - before <= 8
        assert guest.sh('[ -e "/proc/$1/ns/net" ]', str(container.pid)).code != 0


def test_nothing_is_left_when_it_was_removed(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """A container that was stopped leaves no unit, cgroup, mount or process."""
    with runtime.start("sh", "-c", "sleep 300 & sleep 301", mounts=_make_volume(shared)) as container:
        network = guest.do('readlink "/proc/$1/ns/net"', str(container.pid)).strip()
        before = _find_traces(container, network)
        container.stop()

        assert network in before
        assert any(f"{container.engine.parent}/" in line for line in before)
        assert Feature.UNIT in runtime.engine.lacks or any("transient" in line for line in before)
        assert _find_traces(container, network) == []


def test_nothing_is_left_after_a_crash(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """Neither does one whose first process was killed from outside, once its remains were removed."""
    with runtime.start("sh", "-c", "sleep 300 & sleep 301", mounts=_make_volume(shared)) as container:
        network = guest.do('readlink "/proc/$1/ns/net"; kill -KILL "$1"', str(container.pid)).strip()
        container.stop()

        assert container.name not in runtime.list()
        assert _find_traces(container, network) == []


def test_name_can_be_used_again_after_a_failure(runtime: ContainerRuntime) -> None:
    """A container that could not start is no obstacle to the next one, and nothing of it is in the runtime's list."""
    before = runtime.list()
    result = runtime.run("/missing/program")

    assert result.code != 0
    assert runtime.list() <= before
    assert runtime.run("true").code == 0


def _make_volume(shared: str) -> tuple[Mount, ...]:
    return (Mount(source=shared, target="/mnt/a"),)


def _find_traces(container: Container, network: str) -> list[str]:
    """Return what of a container is in the guest."""
    lines = container.engine.replace_names(
        container.guest.sh(TRACES, container.engine.parent).out.replace(r"\x2d", "-")
    ).splitlines()
    return [line for line in lines if container.name in line or line == network]
