"""That nothing of a container is left when it has ended, however it ended."""

import pytest

from suites.lib.guest import Guest
from suites.lib.runtime import MIB, Container, Runtime

GONE = r"""[ -z "$(find /sys/fs/cgroup -name "$1")" ] && [ ! -e "/run/systemd/transient/$1" ]"""


def test_runtime_lists_what_runs(runtime: Runtime) -> None:
    """The runtime knows a container while it runs, and not afterwards."""
    with runtime.running("sleep", "60") as container:
        during = runtime.list()
    after = runtime.list()

    assert container.name in during
    assert container.name not in after


def test_nothing_is_left_after_stop(runtime: Runtime, guest: Guest) -> None:
    """Stopping removes the scope's unit and its cgroup in every hierarchy, with limits and with children."""
    with runtime.running("sh", "-c", "sleep 60 & sleep 61", memory=64 * MIB, pids=32, cpu=1.0) as container:
        assert guest.sh(GONE, container.scope).code != 0
        container.stop()
        gone = guest.wait(GONE, container.scope, seconds=3)

    assert gone


def test_nothing_is_left_when_the_process_ends(runtime: Runtime, guest: Guest) -> None:
    """A container that ends by itself takes its scope with it."""
    with runtime.running("sleep", "1") as container:
        assert _ends(container, guest)


def test_nothing_is_left_when_the_process_is_killed(runtime: Runtime, guest: Guest) -> None:
    """A container whose first process is killed from outside takes its scope and the other processes with it."""
    with runtime.running("sh", "-c", "sleep 60 & sleep 61") as container:
        guest.do('kill -KILL "$1"', str(container.pid))

        assert _ends(container, guest)


@pytest.mark.needs(runtime="nspawn")
def test_nothing_is_left_when_nspawn_is_killed(runtime: Runtime, guest: Guest) -> None:
    """A container does not outlive the nspawn that watches it."""
    with runtime.running("sleep", "60") as container:
        guest.do('systemctl kill --signal=KILL "$1.service"', container.name)

        assert _ends(container, guest)


def _ends(container: Container, guest: Guest) -> bool:
    """Whether a container's scope goes away by itself within seconds."""
    return guest.wait(GONE, container.scope, seconds=8)
