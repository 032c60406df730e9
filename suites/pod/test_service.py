"""A container as a service of the guest: its status, its log, its readiness, and sockets that are passed in."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.independent

# A process 1 that does not care for SIGTERM does not get it (pid_namespaces(7)), so a service that is one is killed
# after TimeoutStopSec=.

TALK = r"""
port=$1 n=100
# The client waits for an answer before it closes its side.
said=$(
    { echo question; while [ $((n -= 1)) -gt 0 ] && [ ! -s "$2" ]; do sleep 0.1; done; } |
        timeout 20 busybox nc -w 20 127.0.0.1 "$port" | tee "$2"
)
echo "$said"
"""


@contextmanager
def _clean_unit(guest: Guest, name: str) -> Iterator[None]:
    """Stop what a transient unit of this name may have left."""
    try:
        yield
    finally:
        guest.sh('systemctl stop "$1.socket" "$1.service"; systemctl reset-failed "$1.socket" "$1.service"', name)


def test_service_ends_with_the_containers_status(runtime: ContainerRuntime, guest: Guest) -> None:
    """A service that is a container fails with the status of its process."""
    with runtime.prepare("sh", "-c", "exit 23") as (name, command), _clean_unit(guest, name):
        result = guest.sh('unit=$1; shift; systemd-run --quiet --wait --collect --unit="$unit" -- "$@"', name, *command)

    assert result.code == 23


def test_log_is_in_the_guests_journal(runtime: ContainerRuntime, guest: Guest) -> None:
    """What the process writes is in the guest's journal, as a line of the service."""
    script = (
        'unit=$1; shift; systemd-run --quiet --wait --collect --unit="$unit" -- "$@" && journalctl --sync &&'
        ' journalctl --no-pager --output=cat --unit="$unit"'
    )
    with runtime.prepare("sh", "-c", "echo first line; echo second line") as (name, command), _clean_unit(guest, name):
        lines = [line.strip() for line in guest.do(script, name, *command).splitlines()]

    # The journal of a pod's own puts its time and the process before each line.
    said = [word for line in lines for word in ("first line", "second line") if line.endswith(word)]
    assert said == ["first line", "second line"]


def test_service_stops_its_container(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """Stopping the service ends the process in the container, which the guest then no longer has."""
    script = (
        'unit=$1; shift; systemd-run --quiet --collect --unit="$unit" --property=KillMode=mixed'
        ' --property=TimeoutStopSec=20 -- "$@"'
    )
    mounts = (Mount(source=shared, target="/mnt/a"),)
    payload = ("sh", "-c", "trap 'exit 0' TERM; : >/mnt/a/started; while :; do sleep 0.2; : >/mnt/a/alive; done")
    with runtime.prepare(*payload, first=True, mounts=mounts) as (name, command), _clean_unit(guest, name):
        guest.do(script, name, *command)
        assert guest.wait('[ -e "$1/started" ]', shared)
        guest.do('systemctl stop "$1.service" && rm -f "$2/alive" && sleep 0.5', name, shared)

        assert guest.sh('[ -e "$1/alive" ]', shared).code != 0


@pytest.mark.needs(feature=Feature.NOTIFICATION_BY_ANY)
@pytest.mark.needs(feature=Feature.GUEST_SYSTEM)
def test_service_is_ready_when_the_container_says_so(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """A service of Type=notify is starting until a process in the container says READY=1, and active then."""
    start = (
        'unit=$1; shift; systemd-run --quiet --collect --no-block --unit="$unit" --property=Type=notify'
        ' --property=NotifyAccess=all --property=TimeoutStopSec=2 -- "$@"'
    )
    state = 'systemctl show --property=ActiveState --value "$1.service"'
    payload = ": >/mnt/a/started; until [ -e /mnt/a/go ]; do sleep 0.1; done; systemd-notify --ready; sleep 300"
    mounts = (Mount(source=shared, target="/mnt/a"),)
    with runtime.prepare("sh", "-c", payload, mounts=mounts, system=True) as (name, command), _clean_unit(guest, name):
        guest.do(start, name, *command)
        assert guest.wait('[ -e "$1/started" ]', shared)
        before = guest.do(state, name).strip()
        guest.do(': >"$1/go"', shared)
        ready = guest.wait(f'[ "$({state})" = active ]', name)

    assert (before, ready) == ("activating", True)


@pytest.mark.needs(feature=Feature.GUEST_SYSTEM)
@pytest.mark.needs(feature=Feature.SOCKET_VARIABLES)
def test_socket_is_passed_in(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """A connection to a socket of the guest starts the container, which accepts it: it has no network itself."""
    port = str(20000 + sum(runtime.prefix.encode()))
    start = (
        'unit=$1 port=$2; shift 2; systemd-run --quiet --collect --unit="$unit"'
        ' --socket-property=ListenStream=127.0.0.1:"$port" --property=TimeoutStopSec=2 -- "$@"'
    )
    answer = "read line; echo answer to $line; ls /sys/class/net"
    # It accepts one connection after the other on the sockets that it was given (systemd-socket-activate(1)).
    payload = ("systemd-socket-activate", "--inetd", "--accept", "sh", "-c", answer)
    with runtime.prepare(*payload, first=True, system=True) as (name, command), _clean_unit(guest, name):
        guest.do(start, name, port, *command)
        before = guest.do('systemctl is-active "$1.socket" "$1.service"; :', name).split()
        said = guest.do(TALK, port, f"{shared}/said").splitlines()

    assert before == ["active", "inactive"]
    assert said[:1] == ["answer to question"]
    assert "lo" in said
    assert not any(line.startswith("e") for line in said)
