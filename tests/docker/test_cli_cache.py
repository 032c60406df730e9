"""`harness cache` where Docker has images."""

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from harness import proc
from harness.build import container, environment
from harness.proc import Done
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.stores import put

HARNESS = Path(sys.executable).with_name("harness")


def cache(root: Path, *words: str) -> Done:
    """Run `harness cache` on a store to its end."""
    argv = [str(HARNESS), "--store", str(root), "cache", *words]
    deadline = Deadline.after(60, "harness in a test")
    done = proc.run(argv, deadline=deadline, cwd=root.parent, apart=True, expect=None)
    assert "Traceback" not in done.err
    return done


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three artifacts of about 400, 800 and 1200 KiB, used in this order."""
    for number, name in enumerate(("small", "middle", "large"), start=1):
        put(tmp_path / "store", name, size=number * 400 * 1024)
    return tmp_path / "store"


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
