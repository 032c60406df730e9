"""The guest of the plugin's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.fake_guest import guest


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """Directory of a fake guest."""
    with guest(tmp_path) as directory:
        yield directory
