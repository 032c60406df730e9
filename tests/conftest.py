"""Fixtures that every test file may use."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import platformdirs
import pytest

from harness import accel, catalog, image, machine
from harness.accel import Accelerator
from harness.image import Image, ImageSpec
from harness.machine import Machine
from harness.model import CgroupMode
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

# Other tests boot guests at the same time: how long an example takes says nothing.
hypothesis.settings.register_profile("harness", deadline=None)
hypothesis.settings.load_profile("harness")

NEEDS = {
    "accelerator": "guest",
    "bookworm": "guest",
    "browser": "browser",
    "docker": "docker",
    "guest": "guest",
    "network": "network",
    "store": "network",
}
"""What a test needs that asks for a fixture, as a marker; the user's store is filled from the network."""

FOLDERS = frozenset(NEEDS.values())
"""Folders of tests/ whose tests need what the folder is called after, with a fixture or without one."""


def find_needs(item: pytest.Item) -> frozenset[str]:
    """Return the markers that a test gets by its fixtures and its folder."""
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    needs = {NEEDS[name] for name in getattr(item, "fixturenames", ()) if name in NEEDS}
    return frozenset(needs | ({folder} & FOLDERS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs, so that nobody has to remember it."""
    for item in items:
        for name in sorted(find_needs(item)):
            item.add_marker(name)


@pytest.fixture
def deadline() -> Deadline:
    """Time enough for whatever a test makes, well before pytest's own limit."""
    return Deadline.after(850, "test")


@pytest.fixture(scope="session")
def store() -> Store:
    """The user's own store, so that what is expensive is made once and not by each test run."""
    return Store(Path(os.environ.get("HARNESS_STORE") or platformdirs.user_cache_path("rkt-harness")))


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    """A store of the test's own, without artifacts."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def network() -> None:
    """The package index and Debian's archive, which a test asks itself."""


@pytest.fixture(scope="session")
def docker() -> Iterator[None]:
    """A Docker daemon: the computer's own, or one that runs as long as the tests."""
    argv: list[str | Path] = [ROOT / "ci" / "with-docker", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        if guard.stdout.readline() != "ready\n":
            pytest.fail("There is no Docker daemon, and none could be started; see above for the reason.")
        yield
        # The end of its input ends `cat`, and with it the daemon if it was started for us.
        guard.stdin.close()
        guard.wait(timeout=60)


@pytest.fixture(scope="session")
def bookworm(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of Debian bookworm (systemd 252)."""
    spec = ImageSpec(distro="debian", channel="bookworm", files=ROOT / "images" / "debian")
    return image.make(spec, store, Deadline.after(1200, "image of bookworm"), tmp_path_factory.mktemp("log") / "log")


@pytest.fixture(scope="session")
def accelerator(bookworm: Image, store: Store) -> Accelerator:
    """What runs guests on this computer."""
    return accel.probe(bookworm.kernel, store.root, Deadline.after(60, "probe of KVM"))


@pytest.fixture(scope="session")
def guest(bookworm: Image, accelerator: Accelerator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A guest with bookworm in unified mode that all tests share: they leave it as they find it."""
    rule = catalog.load(ROOT).systemd.find_cgroup_rule("252", CgroupMode.UNIFIED)
    spec = machine.specify(bookworm, name="shared-guest", arguments=rule.arguments or (), accelerator=accelerator)
    with machine.boot(
        spec, tmp_path_factory.mktemp("guest"), Deadline.after(180, "boot of the shared guest")
    ) as booted:
        yield booted
