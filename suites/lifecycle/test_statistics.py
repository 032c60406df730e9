"""What the runtime counts of a container that runs."""

import pytest

from suites.lib.engine import Container, Statistics
from suites.lib.features import Feature
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import MIB
from suites.lifecycle.fixtures import SLEEP

pytestmark = [pytest.mark.needs(feature=Feature.STATISTICS), pytest.mark.usefixtures("memory")]

LIMIT = 64 * MIB


@pytest.fixture(scope="module")
def counted(runtime: ContainerRuntime) -> tuple[Container, tuple[int, int]]:
    """A container of three processes that has ended by now, and what was counted of it."""
    script = f"dd if=/dev/zero of=/dev/shm/filled bs=1M count=8 2>/dev/null; sleep 1111 & sleep 1111 & : >/tmp/ready; {SLEEP}"
    with runtime.start("sh", "-c", script, memory=LIMIT) as container:
        assert container.guest.wait('[ -e "$1" ]', f"/proc/{container.pid}/root/tmp/ready")
        engine = container.engine
        assert isinstance(engine, Statistics)
        return container, engine.read_statistics(container.name)


def test_memory_is_counted(counted: tuple[Container, tuple[int, int]]) -> None:
    """What the container uses is at least what it has filled, and at most its limit (runc#4028)."""
    assert 8 * MIB <= counted[1][0] <= LIMIT


def test_tasks_are_counted(counted: tuple[Container, tuple[int, int]]) -> None:
    """Its three processes are counted, and an init of the runtime's, and what collects orphans."""
    assert 3 <= counted[1][1] <= 6
