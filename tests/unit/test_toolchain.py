"""Toolchains: a short version means one exact release, and that release runs."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from harness import toolchain
from harness.catalog import ToolchainFile, ToolchainSource
from harness.errors import InfrastructureError, UsageError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.builds import CATALOG, ask_go_version
from tests.helpers.web import serving

GO = CATALOG.toolchains["go"]


@pytest.mark.parametrize("version", ["", "latest", "1.27 --index-url=x", "-1"])
def test_a_version_is_numbers(empty: Store, deadline: Deadline, version: str) -> None:
    """What is no version never reaches pip's command line."""
    with pytest.raises(UsageError, match="is no version of go"):
        toolchain.resolve("go", GO, version, empty, deadline)


def _fake_toolchain(path: Path) -> None:
    (path / "bin").mkdir(parents=True)
    (path / "src" / "runtime").mkdir(parents=True)
    (path / "bin" / "go").write_text("#!/bin/sh\necho go version go9.9.1 linux/any\n")
    (path / "bin" / "go").chmod(0o755)


def test_a_tarball_has_a_toolchain_wherever_it_is_in_it(tmp_path: Path, empty: Store, deadline: Deadline) -> None:
    """The directory with bin/go is found and runs."""
    _fake_toolchain(tmp_path / "tree" / "dist" / "golang")
    subprocess.run(["tar", "-C", tmp_path / "tree", "-czf", tmp_path / "go-9.9.1.tgz", "dist"], check=True)
    content = (tmp_path / "go-9.9.1.tgz").read_bytes()
    with serving(content, "go-9.9.1.tgz") as site:
        rule = ToolchainSource(
            tarball=site.url.replace("9.9.1", "{version}"), sha256=hashlib.sha256(content).hexdigest()
        )
        rules = ToolchainFile(name="go", description="Go.", sources=(rule,))
        assert "go9.9.1" in ask_go_version(toolchain.obtain("go", rules, "9.9.1", empty, deadline))
    # The server is gone, and the toolchain is not.
    assert toolchain.obtain("go", rules, "9.9.1", empty, deadline).artifact.cached


def test_an_archive_without_a_toolchain_is_said(tmp_path: Path, empty: Store, deadline: Deadline) -> None:
    """An archive that has none is an error, and nothing is stored."""
    subprocess.run(["tar", "-czf", tmp_path / "x.tgz", "--files-from=/dev/null"], check=True)
    content = (tmp_path / "x.tgz").read_bytes()
    with serving(content, "x.tgz") as site:
        rule = ToolchainSource(tarball=site.url, sha256=hashlib.sha256(content).hexdigest())
        rules = ToolchainFile(name="go", description="Go.", sources=(rule,))
        with pytest.raises(InfrastructureError, match=r"go 1\.2 has no toolchain in it"):
            toolchain.obtain("go", rules, "1.2", empty, deadline)
    assert [] == [path for path in (empty.root / "toolchain").iterdir() if path.suffix != ".lock"]
