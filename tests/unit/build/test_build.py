"""Recipes that do not exist, and harnesses that do not live."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import build
from harness.build import container
from harness.errors import ConfigError


def test_a_harness_that_was_killed_does_not_live() -> None:
    """Not even while its parent has not asked how it ended: its containers would build on in parallel with the next harness's."""
    with subprocess.Popen(["sleep", "60"]) as process:
        started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        assert container._is_alive(f"{process.pid}:{started}")
        process.kill()
        # Waits, and leaves the process as it is: a zombie.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{process.pid}").exists()
        assert not container._is_alive(f"{process.pid}:{started}")


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may make a name space of processes.")
def test_a_harness_that_cannot_be_seen_is_not_taken_for_dead() -> None:
    """Two harnesses in different containers, or on different computers, leave each other's builds on one daemon alone."""
    script = "from harness.build import container; print(container._identify(), container._is_alive(input()))"
    argv = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
    mine = container._identify()
    said = subprocess.run(argv, input=mine, check=True, capture_output=True, text=True).stdout
    theirs, sees_mine_alive = said.split()

    assert (sees_mine_alive, container._is_alive(mine)) == ("True", True)
    assert container._is_alive(theirs)
    pid, started, space = mine.split(":")
    assert not container._is_alive(f"{pid}:{int(started) + 1}:{space}")
    assert container._is_alive(f"{pid}:{int(started) + 1}:{'0' * 36}-{space.rpartition('-')[2]}")


def test_a_recipe_that_does_not_exist_is_told() -> None:
    """The sentence names those that exist, and a module that is no recipe is none."""
    for name in ("no-such", "container"):
        with pytest.raises(ConfigError, match=f"no recipe `{name}`; known are autotools, go"):
            build.find_recipe(name)
