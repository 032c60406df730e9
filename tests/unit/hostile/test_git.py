"""A repository is data: nothing that its own configuration names is run, by whatever the harness does with it."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from harness import source
from harness.bisect.repository import open_repository
from harness.catalog import Source
from harness.errors import HarnessError, UsageError
from harness.source.git_environment import Reach, make_environment
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.bisections import Repo, git

SETTINGS: list[dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "corpus" / "git_settings.yaml").read_text(encoding="utf-8")
)
TRANSPORTS = ("remote.", "url.", "include.")
GROUPS = [
    {
        key: value
        for one in SETTINGS
        for key, value in one.items()
        if not any(name.startswith(TRANSPORTS) for name in one)
    },
    *(one for one in SETTINGS if any(name.startswith(TRANSPORTS) for name in one)),
]
"""The settings that can stand side by side are tried together, as each try runs git some twenty times."""

HOOKS = ("fsmonitor-watchman", "post-checkout", "post-index-change", "reference-transaction", "post-merge", "pre-push")


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Two commits, with attributes that ask for a filter, and a changed file."""
    repo = Repo.empty(tmp_path_factory.mktemp("pattern") / "repo")
    repo.commit("first", src__a="1")
    (repo.path / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    repo.commit("second", src__a="2")
    return repo


def poison(repo: Path, settings: dict[str, str], trap: Path) -> Path:
    """Write the settings into a repository's configuration; return the file that is there once one of them was run."""
    trap.mkdir()
    trace, run, hooks, included = trap / "trace", trap / "run", trap / "hooks", trap / "included"
    run.write_text(f"#!/bin/sh\necho ran >> {trace}\ncat\n")
    run.chmod(0o755)
    hooks.mkdir()
    for name in HOOKS:
        shutil.copy(run, hooks / name)
        shutil.copy(run, repo / ".git" / "hooks" / name)
    included.write_text(f"[core]\n\tfsmonitor = {run}\n\thooksPath = {hooks}\n")
    git(repo, "config", "core.repositoryformatversion", "1")
    places = {"{run}": str(run), "{hooks}": str(hooks), "{included}": str(included), "{path}": str(repo)}
    for key, value in settings.items():
        for name, place in places.items():
            key, value = key.replace(name, place), value.replace(name, place)  # noqa: PLW2901 - filled in
        with (repo / ".git" / "config").open("a") as file:
            section, _, rest = key.partition(".")
            middle, _, last = rest.rpartition(".")
            file.write(
                f'[{section} "{middle}"]\n\t{last} = "{value}"\n' if middle else f'[{section}]\n\t{last} = "{value}"\n'
            )
    return trace


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(GROUPS)))
def test_no_setting_of_a_repository_is_run(pattern: Repo, tmp_path: Path, deadline: Deadline, index: int) -> None:
    """Resolved, fetched, compared with its files, asked for what it lacks, checked out: no program of its own ran."""
    path = tmp_path / "repo"
    shutil.copytree(pattern.path, path, symlinks=True)
    (path / "src" / "a.txt").write_text("changed")
    trace = poison(path, GROUPS[index], tmp_path / "trap")
    store = Store(tmp_path / "store")
    opened = open_repository(str(path), store, deadline)
    new = opened.resolve("main", deadline)
    assert opened.is_dirty(deadline)
    opened.list_changes(new, deadline)
    opened.revert(new, new, deadline)
    with pytest.raises(UsageError):
        opened.resolve("0123456789" * 4, deadline)
    origin = Source(git=str(path), ref="main")
    revision = source.resolve(origin, "1", store, deadline)
    source.check_out(origin, revision, store, deadline)
    source.clone(origin, revision, tmp_path / "clone", ("v1",), store, deadline)
    assert not trace.exists()


def test_the_trap_is_one(pattern: Repo, tmp_path: Path) -> None:
    """Plain git runs what the configuration names, so that the test above can fail."""
    path = tmp_path / "repo"
    shutil.copytree(pattern.path, path, symlinks=True)
    trace = poison(path, SETTINGS[0], tmp_path / "trap")
    git(path, "status", "--porcelain")
    assert trace.exists()


def test_a_repository_around_the_working_directory_does_not_count(
    pattern: Repo, tmp_path: Path, deadline: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the harness is run inside of a repository from elsewhere, that one's configuration is not read either."""
    around = tmp_path / "around"
    shutil.copytree(pattern.path, around, symlinks=True)
    trace = poison(
        around, {"url.ext::sh -c {run}.insteadOf": str(pattern.path), "protocol.ext.allow": "always"}, tmp_path / "trap"
    )
    monkeypatch.chdir(around)
    revision = source.resolve(Source(git=str(pattern.path), ref="main"), "1", Store(tmp_path / "store"), deadline)
    assert revision.stamp == pattern.names[-1]
    assert not trace.exists()


def test_directories_that_the_environment_calls_safe_are_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ci/with-make sets for git reaches the harness's own git, before what the harness sets."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    for reach in (Reach.NETWORK, Reach.NOTHING):
        env = make_environment(reach=reach)
        assert (env["GIT_CONFIG_KEY_0"], env["GIT_CONFIG_VALUE_0"]) == ("safe.directory", "*")
    assert make_environment(reach=Reach.MIRROR)["GIT_CONFIG_KEY_0"] != "safe.directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_repositories_of_another_user(
    pattern: Repo, tmp_path: Path, deadline: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository of another user is read where the environment calls it safe; a mirror of another user always."""
    path, store = tmp_path / "repo", Store(tmp_path / "store")
    shutil.copytree(pattern.path, path, symlinks=True)
    _give_away(path)
    origin = Source(git=str(path), ref="main")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    with pytest.raises(HarnessError, match="dubious ownership"):
        source.resolve(origin, "1", store, deadline)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    revision = source.resolve(origin, "1", store, deadline)
    source.check_out(origin, revision, store, deadline)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    _give_away(tmp_path / "store" / "git")
    source.clone(origin, revision, tmp_path / "clone", (), store, deadline)
    assert (tmp_path / "clone" / "src" / "a.txt").exists()


def _give_away(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        shutil.chown(path, "nobody")
