"""Fixtures of the cases that need no guest: the runtime's source where it is built, and its Go."""

from pathlib import Path

import pytest

from suites.go.toolchain import Go, RuntimeSource


class Nothing:
    """What stands for a guest where there is none: nothing is left in it."""

    def find(self) -> list[str]:
        """Return nothing."""
        return []


@pytest.fixture(scope="session")
def runtime() -> None:
    """No runtime runs."""


@pytest.fixture(scope="session")
def leftovers() -> Nothing:
    """Nothing is left in a guest that there is not."""
    return Nothing()


@pytest.fixture(scope="session")
def go(tree: RuntimeSource, request: pytest.FixtureRequest) -> Go:
    """The cell's Go in the runtime's source."""
    script = request.config.getoption("--break", None)
    if script:
        done = tree.run("sh", "-ec", Path(script).read_text(encoding="utf-8"))
        if done.code:
            # Else every case would fail, and seem to have noticed what is broken.
            pytest.exit(f"--break {script}: {done.out}", returncode=pytest.ExitCode.USAGE_ERROR)
    return Go(tree)
