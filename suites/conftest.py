"""Fixtures of all suites: the runtime under test, what the guest looks like, and the check for leftovers.

`cell` and `host` come from the plugin that runs the suites; nothing here imports the harness.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from suites import runtimes
from suites.lib.cgroups import Hierarchies
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Host
from suites.lib.leftovers import Leftovers
from suites.lib.rootfs import Rootfs
from suites.lib.runtime import ContainerRuntime


class CellAxes(Protocol):
    """The part of a cell that suites look at."""

    @property
    def systemd(self) -> str:
        """Version of systemd."""

    @property
    def cgroup(self) -> str:
        """One of the modes legacy, hybrid and unified."""

    @property
    def runtime(self) -> str:
        """Name of the runtime under test."""

    @property
    def flavor(self) -> str | None:
        """Variant of the runtime; None where it has none."""

    @property
    def go(self) -> str | None:
        """Version of the Go that builds the runtime; None where none does."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suites."""
    parser.addoption("--break", metavar="FILE", help="Run this shell script in the guest first: what is wrong then?")


def pytest_harness_lacks(runtime: str | None) -> dict[str, str]:
    """Return why a runtime lacks each of the features that a case may need, or nothing where it has it."""
    lacks = runtimes.find_adapter(runtime).LACKS if runtime is not None else {}
    return {feature: lacks.get(feature, "") for feature in Feature}


@pytest.fixture(autouse=True)
def _needed(request: pytest.FixtureRequest, runtime: ContainerRuntime) -> None:
    """Skip a case that needs what the runtime lacks in this guest; what it never has, the harness knows before."""
    for mark in request.node.iter_markers("needs"):
        if "feature" in mark.kwargs:
            runtime.require(mark.kwargs["feature"])


@pytest.fixture(scope="session")
def guest(host: Host, request: pytest.FixtureRequest) -> Guest:
    """The guest's shell."""
    guest = Guest(host)
    script = request.config.getoption("--break", None)
    if script:
        try:
            guest.do(Path(script).read_text(encoding="utf-8"))
        except CommandFailedError as error:
            # Else every case would fail, and seem to have noticed what is broken.
            pytest.exit(f"--break {script}: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
    return guest


@pytest.fixture(scope="session")
def hierarchies(guest: Guest) -> Hierarchies:
    """The guest's cgroup tree, as the guest itself shows it."""
    mountinfo, controllers = "/proc/1/mountinfo", "/sys/fs/cgroup/cgroup.controllers"
    texts = guest.read(mountinfo, controllers)
    return Hierarchies.parse(texts[mountinfo], texts[controllers])


@pytest.fixture(scope="session")
def offered(guest: Guest, hierarchies: Hierarchies) -> frozenset[str]:
    """Controllers that the guest's kernel offers in the mode in which the guest is, mounted or not.

    A kernel may lack the memory and cpuset controllers of v1 (CONFIG_MEMCG_V1 and CONFIG_CPUSETS_V1, since
    Linux 6.11 and 6.12); Debian trixie's does. /proc/cgroups does not say.
    """
    if hierarchies.mode == "unified":
        return hierarchies.controllers
    # A controller that exists but belongs to the v2 tree is busy, and not unknown. Which of the two it is, mount
    # says itself since util-linux 2.39, and the kernel's log before that.
    script = r"""
    directory=$(mktemp -d)
    for name; do
        if said=$(mount -t cgroup -o "$name" none "$directory" 2>&1); then
            umount "$directory"
            echo "$name"
        else
            { echo "$said"; dmesg; } | grep -q "Unknown subsys name '$name'" || echo "$name"
        fi
    done
    rmdir "$directory"
    """
    unsure = sorted({"cpuset", "memory"} - set(hierarchies.points))
    return frozenset(set(hierarchies.points) | set(guest.do(script, *unsure).split() if unsure else ()))


@pytest.fixture
def memory(offered: frozenset[str]) -> None:
    """Skip a case where no controller can limit memory."""
    if "memory" not in offered:
        pytest.skip("needs the memory controller; the guest's kernel does not offer it to cgroup v1")


@pytest.fixture(scope="session")
def disk(guest: Guest) -> str:
    """The guest's disk."""
    return "/dev/" + guest.read("/proc/partitions")["/proc/partitions"].splitlines()[2].split()[3]


@pytest.fixture(scope="session")
def systemd(guest: Guest) -> str:
    """Version of the guest's systemd, as it says itself."""
    return guest.do("systemctl --version").split()[1]


@pytest.fixture(scope="session")
def runtime(cell: CellAxes, guest: Guest, hierarchies: Hierarchies, systemd: str) -> Iterator[ContainerRuntime]:
    """The runtime under test, by its adapter in suites/runtimes."""
    engine = runtimes.find_adapter(cell.runtime).connect(guest, cell.flavor)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    rootfs = Rootfs(guest, f"/run/harness-{worker}", systemd)
    runtime = ContainerRuntime(engine, guest, hierarchies, rootfs, f"harness-{worker}")
    yield runtime
    runtime.close()


@pytest.fixture
def shared(runtime: ContainerRuntime, guest: Guest) -> Iterator[str]:
    """A directory of the guest that every user may write to."""
    path = f"/run/{runtime.prefix}-shared"
    guest.do('mkdir -m 1777 "$1"', path)
    yield path
    guest.do('rm -rf "$1"', path)


@pytest.fixture(scope="session")
def leftovers(guest: Guest, runtime: ContainerRuntime) -> Leftovers:
    """What the guest had before the first container."""
    runtime.rootfs.make_tiny()
    return Leftovers(guest, runtime)


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_at_the_end(leftovers: Leftovers) -> Iterator[None]:
    """Fail the last case if containers that all cases shared left something in the guest."""
    yield
    _check(leftovers)


@pytest.fixture(autouse=True)
def _nothing_left_by_the_case(leftovers: Leftovers) -> Iterator[None]:
    """Fail a case whose containers left something in the guest."""
    yield
    _check(leftovers)


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_by_the_module(leftovers: Leftovers) -> Iterator[None]:
    """The same for containers that the cases of a module share."""
    yield
    _check(leftovers)


def _check(leftovers: Leftovers) -> None:
    left = leftovers.find()
    assert not left, "left in the guest: " + ", ".join(left)
