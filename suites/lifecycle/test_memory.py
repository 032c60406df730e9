"""What becomes of the others when one process of a container is killed for lack of memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB
from suites.lifecycle.fixtures import SLEEP

pytestmark = pytest.mark.usefixtures("memory")

EAT = "dd if=/dev/zero of=/dev/null bs=48M count=1"
"""A process that wants more than the containers' limit; it ends by itself where nothing limits it."""

PAYLOAD = f"sleep 1111 & {EAT}; echo $? >/tmp/status; mv /tmp/status /tmp/eaten; {SLEEP}"

SCOPE = f"""
systemd-run --quiet --scope --unit="$1" --property=MemoryMax={24 * MIB} --property=MemorySwapMax=0 \\
    sh -c 'busybox sleep 1111 & echo $! >"/run/$1.sibling"; busybox {EAT}; echo $? >"/run/$1.status"; exec busybox sleep 3' sh "$1" >/dev/null 2>&1 &
n=100
until [ -e "/run/$1.status" ] || ! kill -0 $! 2>/dev/null; do [ $((n -= 1)) -gt 0 ] || break; sleep 0.1; done
sleep 1
systemctl show --property=ActiveState,Result "$1.scope" | sort
kill -0 "$(cat "/run/$1.sibling")" 2>/dev/null && echo alive
systemctl stop "$1.scope"; systemctl reset-failed "$1.scope"; rm -f "/run/$1.status" "/run/$1.sibling"; :
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A container one of whose processes was killed.

    Attributes:
        container: It.
        status: Exit status of that process.
        processes: Its processes afterwards, by name.
        unit: State and result of its scope afterwards.
        listed: Whether the runtime still knows it.
    """

    container: Container
    status: str
    processes: tuple[str, ...]
    unit: str
    listed: bool


@pytest.fixture(scope="module")
def killed(runtime: ContainerRuntime, guest: Guest) -> Iterator[Killed]:
    """A container that has lost the process that wanted too much; its first process and a sibling did nothing."""
    with runtime.start("sh", "-c", PAYLOAD, memory=24 * MIB) as container:
        path = f"/proc/{container.pid}/root/tmp/eaten"
        guest.wait('[ -e "$1" ] || [ ! -e "/proc/$2" ]', path, str(container.pid), seconds=30)
        # A manager that ends the others does so when it hears of it.
        status = guest.do('sleep 1; cat "$1" 2>/dev/null; :', path).strip()
        show = 'systemctl show --property=ActiveState,Result "$1" | sort'
        yield Killed(
            container=container, status=status, processes=tuple(sorted(container.list_processes().values())),
            unit=guest.do(show, container.scope), listed=container.name in runtime.list(),
        )  # fmt: skip


def test_process_that_wants_too_much_is_killed(killed: Killed) -> None:
    """It ends by SIGKILL."""
    assert killed.status == "137"


def test_others_survive(killed: Killed) -> None:
    """The first process and the sibling live on."""
    assert "dd" not in killed.processes
    assert {"sh", "sleep"} <= set(killed.processes)
    assert killed.processes.count("sleep") == 2


@pytest.mark.needs(feature=Feature.UNIT)
def test_scope_is_not_failed(killed: Killed) -> None:
    """The scope is active, and its result is a good one."""
    assert killed.unit.split() == ["ActiveState=active", "Result=success"]


def test_container_is_still_listed(killed: Killed) -> None:
    """The runtime knows it as before."""
    assert killed.listed


def test_name_can_be_used_again(runtime: ContainerRuntime, killed: Killed) -> None:
    """A container of the same name can be started when it was stopped."""
    # The last case that looks at the container.
    with runtime.start_again(killed.container) as again:
        assert again.name in runtime.list()


@pytest.mark.needs(cgroup="unified")
def test_scope_without_delegation_survives(runtime: ContainerRuntime, guest: Guest) -> None:
    """A scope of the guest's, as a runtime makes one without Delegate=, loses the one process and is not failed."""
    said = guest.do(SCOPE, f"{runtime.prefix}-eaten").split()

    assert said == ["ActiveState=active", "Result=success", "alive"]
