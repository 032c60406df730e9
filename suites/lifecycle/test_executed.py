"""That every command which a runtime executes in a container has what the container has, and not only most of them."""

import pytest

from suites.lib.features import Feature
from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.fixtures import SLEEP

TIMES = 10
"""How many commands: one takes half a second in an emulated guest."""

OPEN_FILES = 2048


@pytest.mark.needs(feature=Feature.OWN_COMMANDS)
@pytest.mark.needs(feature=Feature.OPEN_FILES)
def test_commands_have_the_limit_of_open_files(runtime: ContainerRuntime) -> None:
    """Each of many commands may have as many open files as the container's first process (runc#4195)."""
    with runtime.start("sh", "-c", SLEEP, open_files=OPEN_FILES) as container:
        found = [container.read_output("sh", "-c", "ulimit -Sn; ulimit -Hn").split() for _ in range(TIMES)]

    assert [limits for limits in found if limits != [str(OPEN_FILES)] * 2] == []
