"""That nothing of a container is left when it has ended, however it ended."""

import pytest

from suites.cgroup.conftest import ContainerLimits
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.independent

GONE = r"""
for path in "/run/systemd/transient/$1" /sys/fs/cgroup"$2" /sys/fs/cgroup/*"$2"; do
    [ ! -e "$path" ] || exit 1
done"""
"""Whether a scope's unit is gone, and its cgroup in every hierarchy."""

ENDED = r"""(
for path in "/run/systemd/transient/$1" "/sys/fs/cgroup$2" "/sys/fs/cgroup/systemd$2"; do
    [ ! -e "$path" ] || exit 1
done)"""
"""Whether a scope's unit is gone, and its cgroup where systemd keeps it.

What runc made in controllers of v1 that systemd does not manage stays until `runc delete`, and is looked
for after the case.
"""


def test_nothing_is_left_after_stop(runtime: ContainerRuntime, guest: Guest) -> None:
    """Stopping removes the scope's unit, its cgroup in every hierarchy, and the runtime's own entry."""
    with runtime.start(
        "sh", "-c", "sleep 60 & sleep 61", **ContainerLimits(cpu=1.0).make_options(runtime)
    ) as container:
        assert container.name in runtime.list()
        assert guest.sh(GONE, container.scope, container.root).code != 0

        container.stop()

        assert container.name not in runtime.list()
        assert guest.sh(GONE, container.scope, container.root).code == 0


@pytest.mark.needs(feature=Feature.UNIT)
def test_nothing_is_left_when_the_process_ends(runtime: ContainerRuntime, guest: Guest) -> None:
    """A container that ends by itself takes its scope with it."""
    with runtime.start("sleep", "1") as container:
        assert _wait_end(container, guest)


@pytest.mark.needs(feature=Feature.UNIT)
def test_nothing_is_left_when_the_process_is_killed(runtime: ContainerRuntime, guest: Guest) -> None:
    """A container whose first process is killed from outside takes its scope and the other processes with it."""
    with runtime.start("sh", "-c", "sleep 60 & sleep 61") as container:
        guest.do('kill -KILL "$1"', str(container.pid))

        assert _wait_end(container, guest)


@pytest.mark.needs(feature=Feature.SUPERVISOR)
def test_nothing_is_left_when_nspawn_is_killed(runtime: ContainerRuntime, guest: Guest) -> None:
    """A container does not outlive the nspawn that watches it."""
    with runtime.start("sleep", "60") as container:
        guest.do('systemctl kill --signal=KILL "$1.service"', container.name)

        assert _wait_end(container, guest)


def _wait_end(container: Container, guest: Guest) -> bool:
    """Whether a container's scope goes away by itself within seconds; a pod's systemd that shuts down first."""
    return guest.wait(
        ENDED, container.scope, container.root, seconds=8 if Feature.POD_SYSTEMD in container.engine.lacks else 20
    )
