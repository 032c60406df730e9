"""What the suite lifecycle does without a guest: which container an event happens to."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import pytest

from suites.lib.engine import Container
from suites.lib.oci import make_config
from suites.lib.spec import MIB, Spec
from suites.lifecycle.events import WatchedContainer
from suites.lifecycle.state import ContainerState


class Recorder:
    """Starts containers that are numbers, and reads states that are what was put into it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.state = "first"

    def start(self) -> AbstractContextManager[Container]:
        """Return a container that notes its start and its end."""

        @contextmanager
        def run() -> Iterator[Any]:
            self.log.append("start")
            yield object()
            self.log.append("stop")

        return run()

    def read(self, _: Container) -> ContainerState:
        """Return the present state."""
        return cast("ContainerState", self.state)

    def put(self, state: str) -> None:
        """Let the state be another one."""
        self.state = state


def test_container_that_nothing_changed_is_kept() -> None:
    """Events that change nothing happen to one container; what an event changed is not there for the next one."""
    recorder = Recorder()
    subject = WatchedContainer(recorder.start, recorder.read)

    first, second = (subject.watch(lambda: recorder.put("first")) for _ in range(2))
    assert recorder.log == ["start"]
    assert first.container is second.container

    changed = subject.watch(lambda: recorder.put("second"))
    assert cast("tuple[str, str]", (changed.before, changed.after)) == ("first", "second")
    assert subject.watch(lambda: None).container is not changed.container
    assert recorder.log == ["start", "stop", "start"]


def test_container_ends_with_an_event_that_fails() -> None:
    """A container whose event failed is in no known state, and is not used again."""
    recorder = Recorder()
    subject = WatchedContainer(recorder.start, recorder.read)

    with pytest.raises(ZeroDivisionError):
        subject.watch(lambda: 1 / 0)

    assert recorder.log == ["start", "stop"]


@pytest.mark.parametrize(
    ("swap", "expected"),
    [(None, {"limit": MIB}), (0, {"limit": MIB, "swap": MIB}), (5, {"limit": MIB, "swap": MIB + 5})],
)
def test_limit_of_swap_counts_both(swap: int | None, expected: dict[str, int]) -> None:
    """A bundle's word for swap is for memory and swap together (OCI runtime specification 1.0.2, config-linux.md)."""
    made = make_config("runc", Spec(name="x", argv=("true",), rootfs="/", memory=MIB, swap=swap))

    assert made["linux"]["resources"]["memory"] == expected
