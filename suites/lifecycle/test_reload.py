"""That a running container is what it was after its guest's services were reloaded or restarted, or others came and went."""

import pytest

from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.events import EVENTS, Change, WatchedContainer
from suites.lifecycle.fixtures import subject
from suites.lifecycle.stays import ContainerStays

__all__ = ["TestReload", "subject"]


@pytest.fixture(scope="module", params=list(EVENTS))
def change(request: pytest.FixtureRequest, runtime: ContainerRuntime, subject: WatchedContainer) -> Change:
    """What became of the container by one thing that happened to the guest."""
    return subject.watch(lambda: EVENTS[request.param](runtime))


class TestReload(ContainerStays):
    """What it is after each of them."""
