"""Fixtures of the tests that need a Docker daemon."""

from pathlib import Path

import pytest

from harness.store import Store
from tests.helpers.builds import SHARED, link_kind


@pytest.fixture
def own(tmp_path: Path, store: Store) -> Store:
    """A store without any build, but with all that builds need."""
    root = tmp_path / "store"
    root.mkdir()
    for kind in SHARED:
        link_kind(kind, store, Store(root))
    return Store(root)
