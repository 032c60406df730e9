"""`harness cache` where Docker has images."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from harness.build import container, environment
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.command_line import cache
from tests.helpers.stores import put_three


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three artifacts of about 400, 800 and 1200 KiB, used in this order."""
    return put_three(tmp_path / "store")


def test_images_of_gone_environments_go(root: Path, docker: None) -> None:
    """Docker's copy of a build environment goes with the environment, and not before."""

    def make(files: Path) -> None:
        with tarfile.open(files / environment.TREE, "w") as tar:
            member = tarfile.TarInfo("file")
            member.size = 4
            tar.addfile(member, io.BytesIO(b"text"))

    user = Store(root)
    artifact = user.obtain(environment.KIND, {"test": str(root)}, make, Deadline.after(5, "test"))
    with container._open_client() as client:
        name = container._load_image(client, artifact, Deadline.after(60, "import"))
        others = {tag for image in client.images.list() for tag in image.tags} - {name}
        assert [] == json.loads(cache(root, "prune", "--keep", "0", "--format", "json").out)["images"]
        del user
        assert [name] == json.loads(cache(root, "prune", "--keep", "0", "--format", "json").out)["images"]
        assert others <= {tag for image in client.images.list() for tag in image.tags}
        assert name not in {tag for image in client.images.list() for tag in image.tags}
