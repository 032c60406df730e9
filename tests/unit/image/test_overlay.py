"""Files that are laid over an image: they are there when PID 1 starts, and a guest that runs another systemd is found out."""

import tarfile
from pathlib import Path

import pytest

from harness.image import BORN, make_overlay
from harness.store import Artifact, Store
from harness.wait import Deadline
from tests.helpers.overlays import obtain_overlay


@pytest.fixture
def tree(tmp_path: Path, deadline: Deadline) -> Artifact:
    """A program, the unit that runs it at boot, a link that makes systemd start it, and a file that the image has too."""
    return obtain_overlay(Store(tmp_path / "store"), deadline)


def test_archive_is_the_same_for_the_same_tree(tree: Artifact, tmp_path: Path, deadline: Deadline) -> None:
    """It belongs to root, has no time of today, and two stores make the same bytes."""
    archives = [make_overlay(tree, Store(tmp_path / name), deadline) for name in ("one", "two")]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        members = archive.getmembers()
    assert {(0, 0, "root", BORN)} == {(each.uid, each.gid, each.uname, each.mtime) for each in members}
    assert "usr/lib/laid/over" in {each.name for each in members}
