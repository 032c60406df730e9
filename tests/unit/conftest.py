"""What every unit test runs with."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _without_docker(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the computer's Docker daemon: a unit test must not see, or remove, what other tests left there."""
    nowhere: Path = tmp_path_factory.getbasetemp() / "no-docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{nowhere}")
