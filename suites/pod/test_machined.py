"""That machined knows the container as what it is, and rules it; and the journal of a container that has its own."""

from collections.abc import Iterator

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.machined import find_machine
from suites.lib.runtime import ContainerRuntime
from suites.pod.conftest import MACHINE_ID

SCRIPT = "trap 'echo usr1 >/tmp/signals' USR1; : >/tmp/ready; while :; do sleep 300 & wait; done"


@pytest.fixture(scope="module")
def shown(runtime: ContainerRuntime, confined: Container, guest: Guest) -> dict[str, str]:
    """What machined says of the shared container."""
    runtime.require(Feature.MACHINED)
    lines = guest.do('machinectl show "$1"', find_machine(guest, confined)).splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def registered(runtime: ContainerRuntime, guest: Guest) -> Iterator[Container]:
    """A container that says which signals it got; the last case ends it."""
    runtime.require(Feature.MACHINED)
    with runtime.start("sh", "-c", SCRIPT, first=True) as container:
        assert guest.wait('[ -e "$1" ]', f"/proc/{container.pid}/root/tmp/ready")
        yield container


def test_machine_is_registered(shown: dict[str, str], runtime: ContainerRuntime) -> None:
    """It is a running container, of the service that the runtime is."""
    expected = {"Class": "container", "State": "running", "Service": runtime.engine.service}

    assert runtime.prefix in runtime.engine.replace_names(shown["Name"])
    assert {key: shown[key] for key in expected} == expected


@pytest.mark.needs(feature=Feature.PROCESS_1)
def test_leader_is_the_first_process(shown: dict[str, str], confined: Container) -> None:
    """Machined's leader is the process that is number 1 in the container."""
    assert shown["Leader"] == str(confined.pid)


def test_unit_is_the_scope(shown: dict[str, str], confined: Container) -> None:
    """Machined knows in which scope the container's processes are."""
    assert shown["Unit"].replace(r"\\", "\\") == confined.scope


@pytest.mark.needs(feature=Feature.ROOT_DIRECTORY)
def test_root_directory_is_the_containers(shown: dict[str, str], confined: Container) -> None:
    """Machined knows where the container's files are."""
    assert shown["RootDirectory"] == confined.spec.rootfs


@pytest.mark.needs(feature=Feature.MACHINE_ID)
def test_machine_id_is_the_one_given(shown: dict[str, str], confined: Container, guest: Guest) -> None:
    """The id that was asked for is what machined knows, and what the container's process was told."""
    path = f"/proc/{confined.pid}/environ"
    told = guest.do('tr "\\0" "\\n" <"$1" | grep container_uuid', path).strip()

    assert shown["Id"] == MACHINE_ID
    assert told.replace("-", "") == f"container_uuid={MACHINE_ID}"


def test_address_is_seen(registered: Container, guest: Guest) -> None:
    """An address of the container is one that machined reports."""
    guest.do('nsenter --target "$1" --net -- ip address add 192.0.2.77/32 dev lo scope global', str(registered.pid))
    status = guest.do('machinectl status --no-pager --lines=0 "$1"', find_machine(guest, registered))

    assert "192.0.2.77" in status


@pytest.mark.needs(feature=Feature.PROCESS_1)
def test_signal_reaches_the_leader(registered: Container, guest: Guest) -> None:
    """A signal that is sent by way of machined arrives at the first process."""
    guest.do('machinectl kill --signal=USR1 "$1" --kill-who=leader 2>/dev/null || machinectl kill --signal=USR1 '
             '--kill-whom=leader "$1"', registered.name)  # fmt: skip

    assert guest.wait('[ -e "$1" ]', f"/proc/{registered.pid}/root/tmp/signals")


def test_terminated_machine_is_gone(registered: Container, guest: Guest) -> None:
    """Machined ends a container: its processes, its scope and its own entry."""
    # The last case of the module.
    name = find_machine(guest, registered)
    guest.do('machinectl terminate "$1"', name)
    gone = '[ ! -e "/proc/$1" ] && [ ! -e "/run/systemd/machines/$2" ] && [ ! -e "/run/systemd/transient/$3" ]'

    assert guest.wait(f"({gone})", str(registered.pid), name, registered.scope)
