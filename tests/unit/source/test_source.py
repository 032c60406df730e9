"""Sources: the identity says exactly which code it is, and what is in the store is that code."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness import source
from harness.catalog import Source
from harness.errors import InfrastructureError, UsageError
from harness.source.directory import hash_tree
from harness.source.git import ask_remote
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.web import serving


def _git(repository: Path, *arguments: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    env = os.environ | who | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    argv = ["git", "-C", str(repository), *arguments]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: v1 (annotated tag) has `old`, branch `main` has `new`, a script and a link."""
    path = tmp_path / "repository"
    path.mkdir()
    _git(path, "init", "--quiet", "--initial-branch=main")
    (path / "file").write_text("old")
    _git(path, "add", ".")
    _git(path, "commit", "--quiet", "--message=one")
    _git(path, "tag", "--annotate", "--message=one", "v1")
    (path / "file").write_text("new")
    (path / "script").write_text("#!/bin/sh\n")
    (path / "script").chmod(0o755)
    (path / "link").symlink_to("file")
    _git(path, "add", ".")
    _git(path, "commit", "--quiet", "--message=two")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tag", "branch", "commit", "short commit", "expression", "full ref"])
def test_every_way_to_name_a_commit_finds_it(repository: Path, empty: Store, deadline: Deadline, how: str) -> None:
    """Tag, branch, commit, its abbreviation, git's own expressions: each means the commit that git says."""
    ref, expression = {
        "tag": ("v1", "v1"),
        "branch": ("main", "main"),
        "commit": (_git(repository, "rev-parse", "v1^{commit}"), "v1"),
        "short commit": (_git(repository, "rev-parse", "--short", "v1^{commit}"), "v1"),
        "expression": ("main~1", "v1"),
        "full ref": ("refs/tags/v1", "v1"),
    }[how]
    origin = Source(git=str(repository), ref=ref)
    revision = source.resolve(origin, "1", empty, deadline)
    assert f"git:{_git(repository, 'rev-parse', expression + '^{commit}')}" == revision.identity
    tree = source.check_out(origin, revision, empty, deadline)
    assert ("new" if expression == "main" else "old") == (tree.path / "file").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("ref", ["HEAD", "HEAD~1", "@", "@~1", "@^{commit}", "HEAD^^{tree}^{commit}", "trunk~1", "v1"])
def test_head_is_the_repositorys_own(repository: Path, empty: Store, deadline: Deadline, ref: str) -> None:
    """What an expression begins with is asked of the other repository, whatever branch our mirror would call HEAD."""
    _git(repository, "branch", "master", "v1")
    _git(repository, "branch", "--move", "main", "trunk")
    (repository / "file").write_text("newest")
    _git(repository, "commit", "--quiet", "--all", "--message=three")
    asked = subprocess.run(["git", "-C", str(repository), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"],
                           capture_output=True, text=True, check=False)  # fmt: skip

    if asked.returncode:
        with pytest.raises(UsageError, match="has no"):
            ask_remote(f"file://{repository}", ref, empty, deadline)
    else:
        assert ask_remote(f"file://{repository}", ref, empty, deadline)["commit"] == asked.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("ref", ["trunk@{1}", "@{1}", "main@{2.weeks.ago}", "@{upstream}"])
def test_another_repository_has_no_reflog(repository: Path, empty: Store, deadline: Deadline, ref: str) -> None:
    """A reflog is local: our mirror's would be another one."""
    with pytest.raises(UsageError, match="asks for the reflog"):
        ask_remote(f"file://{repository}", ref, empty, deadline)


@pytest.mark.slow
def test_the_tree_is_the_commits(repository: Path, empty: Store, deadline: Deadline) -> None:
    """Executable bits and links are there, the repository's own data is not."""
    origin = Source(git=str(repository), ref="main")
    tree = source.check_out(origin, source.resolve(origin, "1", empty, deadline), empty, deadline).path
    assert {"file", "script", "link"} == {path.name for path in tree.iterdir()}
    assert os.access(tree / "script", os.X_OK)
    assert not os.access(tree / "file", os.X_OK)
    assert Path("file") == (tree / "link").readlink()


def test_the_version_fills_the_ref(repository: Path, empty: Store, deadline: Deadline) -> None:
    """`v{version}` of version 1 is the tag v1."""
    revision = source.resolve(Source(git=str(repository)), "1", empty, deadline)
    assert _git(repository, "rev-parse", "v1^{commit}") == revision.stamp


def test_a_users_repository_is_only_read(repository: Path, empty: Store, deadline: Deadline) -> None:
    """Resolving and checking out changes no byte of it, not even below .git."""

    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in repository.rglob("*") if path.is_file()}

    before = everything()
    origin = Source(git=str(repository), ref="main~1")
    source.check_out(origin, source.resolve(origin, "1", empty, deadline), empty, deadline)
    assert before == everything()


def test_a_branch_that_moved_is_noticed(repository: Path, empty: Store, deadline: Deadline) -> None:
    """A repository is asked each time, so that a new commit counts at once."""
    origin = Source(git=str(repository), ref="main")
    before = source.resolve(origin, "1", empty, deadline)
    _git(repository, "commit", "--quiet", "--allow-empty", "--message=three")
    assert before != source.resolve(origin, "1", empty, deadline)


def test_a_repository_out_of_reach_is_remembered(repository: Path, empty: Store, deadline: Deadline) -> None:
    """What was resolved and checked out once is had again without the repository."""
    origin = Source(git=repository.as_uri(), ref="v1")
    revision = source.resolve(origin, "1", empty, deadline)
    tree = source.check_out(origin, revision, empty, deadline)
    repository.rename(repository.with_name("elsewhere"))
    assert revision == source.resolve(origin, "1", empty, deadline)
    assert tree.path == source.check_out(origin, revision, empty, deadline).path


@pytest.mark.parametrize(("ref", "version"), [("--upload-pack=evil", "1"), ("{version}", "--exec=evil"), ("", "1")])
def test_a_ref_that_looks_like_an_option_is_refused(
    repository: Path, empty: Store, deadline: Deadline, ref: str, version: str
) -> None:
    """Nothing that begins with a dash reaches git's command line, from a file or by a version put in."""
    with pytest.raises((UsageError, ValidationError), match="begins with a dash"):
        source.resolve(Source(git=str(repository), ref=ref), version, empty, deadline)


def test_an_address_that_looks_like_an_option_is_refused(empty: Store, deadline: Deadline) -> None:
    """Nor may the address begin with a dash."""
    with pytest.raises(ValidationError, match="cannot begin with a dash"):
        source.resolve(Source(git="--upload-pack=evil"), "1", empty, deadline)


def test_a_ref_that_is_not_there_is_the_users_error(repository: Path, empty: Store, deadline: Deadline) -> None:
    """The sentence names the repository and the ref."""
    with pytest.raises(UsageError, match="repository has no tag, branch or commit `v9`"):
        source.resolve(Source(git=str(repository)), "9", empty, deadline)


def test_a_repository_that_is_not_there_is_said(tmp_path: Path, empty: Store, deadline: Deadline) -> None:
    """Git's own words come with a hint."""
    with pytest.raises(InfrastructureError, match="does not appear to be a git repository") as caught:
        source.resolve(Source(git=str(tmp_path / "none")), "1", empty, deadline)
    assert "address" in str(caught.value.hint)


Tree = dict[tuple[str, str], tuple[bytes, int]]

NAMES = st.text("abc.", min_size=1, max_size=3).filter(lambda name: name not in {".", "..", ".git"})
TREES = st.dictionaries(st.tuples(NAMES, NAMES), st.tuples(st.binary(max_size=4), st.sampled_from([0o644, 0o755])))


def _write(root: Path, tree: Tree) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for (folder, name), (content, mode) in tree.items():
        path = root / f"d{folder}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
    return root


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=TREES, two=TREES)
def test_the_digest_tells_trees_apart(tmp_path: Path, one: Tree, two: Tree) -> None:
    """Two trees have one digest when names, modes and contents are the same, and only then."""
    first = hash_tree(_write(tmp_path / "one", one))
    assert first == hash_tree(_write(tmp_path / "copy", one))
    assume(one != two)
    assert first != hash_tree(_write(tmp_path / "two", two))


def test_the_digest_counts_links_and_empty_directories(tmp_path: Path) -> None:
    """A link's target, and a directory without files, are parts of the content."""
    seen = {hash_tree(tmp_path)}
    (tmp_path / "empty").mkdir()
    seen.add(hash_tree(tmp_path))
    (tmp_path / "link").symlink_to("one")
    seen.add(hash_tree(tmp_path))
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("two")
    seen.add(hash_tree(tmp_path))
    (tmp_path / "empty").chmod(0o700)
    seen.add(hash_tree(tmp_path))
    assert 5 == len(seen)


def test_a_directory_is_taken_without_its_repository(repository: Path, empty: Store, deadline: Deadline) -> None:
    """A commit in the directory's repository changes nothing; a change that is not committed does."""
    origin = Source(directory=repository)
    before = source.resolve(origin, "1", empty, deadline)
    _git(repository, "commit", "--quiet", "--allow-empty", "--message=three")
    assert before == source.resolve(origin, "1", empty, deadline)
    tree = source.check_out(origin, before, empty, deadline)
    assert {"file", "script", "link"} == {path.name for path in tree.path.iterdir()}
    (repository / "file").write_text("not committed")
    assert before != source.resolve(origin, "1", empty, deadline)


def test_a_directory_that_changes_while_it_is_copied_is_noticed(
    repository: Path, empty: Store, deadline: Deadline
) -> None:
    """What is stored under an identity is that content or nothing."""
    origin = Source(directory=repository)
    revision = source.resolve(origin, "1", empty, deadline)
    (repository / "file").write_text("changed")
    with pytest.raises(InfrastructureError, match="changed while it was copied"):
        source.check_out(origin, revision, empty, deadline)
    assert [] == [path for path in (empty.root / "source").iterdir() if path.suffix != ".lock"]


def test_a_directory_that_is_not_there_is_the_users_error(tmp_path: Path, empty: Store, deadline: Deadline) -> None:
    """The sentence names it."""
    with pytest.raises(UsageError, match="none does not exist"):
        source.resolve(Source(directory=tmp_path / "none"), "1", empty, deadline)


def test_a_pipe_in_a_directory_is_the_users_error(repository: Path, empty: Store, deadline: Deadline) -> None:
    """Something that has no content is named, instead of being read forever."""
    os.mkfifo(repository / "pipe")
    with pytest.raises(UsageError, match="pipe is neither a file, a directory nor a link"):
        source.resolve(Source(directory=repository), "1", empty, deadline)


HELLO = Source(debian="hello", release="bookworm")


@pytest.mark.slow
def test_a_debian_source_package_is_unpacked_with_patches(empty: Store, deadline: Deadline) -> None:
    """The tree has upstream's files and Debian's, and the identity has the exact version and digest."""
    revision = source.resolve(HELLO, "2.10", empty, deadline)
    assert revision.stamp.startswith("2.10-")
    assert revision.identity.startswith(f"debian:hello={revision.stamp}:sha256:")
    assert "debhelper-compat" in revision.depends
    tree = source.check_out(HELLO, revision, empty, deadline).path
    assert (tree / "configure.ac").is_file()
    assert (tree / "debian" / "control").is_file()


@pytest.mark.slow
def test_the_computers_own_apt_is_left_alone(empty: Store, deadline: Deadline) -> None:
    """Looking up another release's source package changes nothing of the computer's lists and cache."""
    folders = [Path("/var/lib/apt"), Path("/var/cache/apt"), Path("/etc/apt")]

    def everything() -> dict[str, int]:
        return {str(path): path.lstat().st_mtime_ns for folder in folders for path in sorted(folder.rglob("*"))}

    before = everything()
    source.resolve(Source(debian="hello", release="trixie"), "2.10", empty, deadline)
    assert before == everything()


@pytest.mark.slow
def test_a_package_version_is_remembered(
    empty: Store, deadline: Deadline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time, the archive is not asked: a proxy that does not exist does not matter."""
    revision = source.resolve(HELLO, "2.10", empty, deadline)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert revision == source.resolve(HELLO, "2.10", empty, deadline)


@pytest.mark.slow
def test_a_version_that_debian_does_not_have_is_the_users_error(empty: Store, deadline: Deadline) -> None:
    """The sentence names the version that exists."""
    with pytest.raises(UsageError, match=r"Debian bookworm has no source package hello 3; it has 2\.10-"):
        source.resolve(HELLO, "3", empty, deadline)
    with pytest.raises(UsageError, match="it has no version of it"):
        source.resolve(Source(debian="no-such-package", release="bookworm"), "3", empty, deadline)


def test_a_tarball_is_taken_without_its_top_directory(tmp_path: Path, empty: Store, deadline: Deadline) -> None:
    """The one directory of an archive is the tree, and a server that sends something else is found out."""
    (tmp_path / "x-1").mkdir()
    (tmp_path / "x-1" / "file").write_text("content")
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "x-1.tar.gz", "x-1"], check=True)
    content = (tmp_path / "x-1.tar.gz").read_bytes()
    with serving(content, "x-1.tar.gz") as site:
        template = site.url.replace("x-1", "x-{version}")
        origin = Source(tarball=template, sha256=hashlib.sha256(content).hexdigest())
        tree = source.check_out(origin, source.resolve(origin, "1", empty, deadline), empty, deadline)
        assert "content" == (tree.path / "file").read_text()
        wrong = Source(tarball=template, sha256="0" * 64)
        with pytest.raises(InfrastructureError, match="SHA-256"):
            source.check_out(wrong, source.resolve(wrong, "1", empty, deadline), empty, deadline)


def test_the_first_source_that_has_a_version_is_chosen() -> None:
    """Order decides, and a version that nobody has is the user's error."""
    first, second = Source(versions="==1.1.5", debian="runc", release="bookworm"), Source(versions=">=1", git="u")
    assert first == source.choose([first, second], "1.1.5")
    assert second == source.choose([first, second], "1.2")
    with pytest.raises(UsageError, match=r"No source has version 0\.9.*`==1\.1\.5` and `>=1`"):
        source.choose([first, second], "0.9")
