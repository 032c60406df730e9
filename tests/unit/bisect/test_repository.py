"""The user's repository: what a revision means, what is refused, and that nothing in it is ever written."""

import hashlib
import shutil
from pathlib import Path

import pytest

from harness.bisect.repository import Repository, open_repository, reopen
from harness.errors import InfrastructureError, UsageError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.bisections import Repo, git


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Three commits, a side branch that was merged, a tag."""
    repo = Repo.empty(tmp_path_factory.mktemp("pattern") / "repo")
    repo.commit("first: ä", meson="x", src__a="1")
    repo.commit("second", src__a="2", docs__b="1")
    git(repo.path, "checkout", "--quiet", "-b", "side", repo.names[0])
    repo.commit("on the side", src__c="1")
    git(repo.path, "checkout", "--quiet", "main")
    git(repo.path, "merge", "--quiet", "--no-ff", "--message", "merge", "side")
    repo.names.append(git(repo.path, "rev-parse", "HEAD"))
    git(repo.path, "tag", "-a", "v1", "-m", "one", repo.names[0])
    return repo


@pytest.fixture
def repo(pattern: Repo, tmp_path: Path) -> Repo:
    """A copy of that repository, which a test may change."""
    shutil.copytree(pattern.path, tmp_path / "repo", symlinks=True)
    return Repo(path=tmp_path / "repo", names=[*pattern.names])


@pytest.fixture
def own(tmp_path: Path) -> Store:
    """A store of the test's own."""
    return Store(tmp_path / "store")


@pytest.fixture
def opened(repo: Repo, own: Store, deadline: Deadline) -> Repository:
    """The repository, opened."""
    return open_repository(str(repo.path), own, deadline)


def fingerprint(root: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file below a directory."""
    return {
        str(path.relative_to(root)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v1", "main~2", "HEAD^1^1", "refs/tags/v1^{commit}"])
def test_tags_branches_and_expressions_are_commits(
    opened: Repository, repo: Repo, deadline: Deadline, name: str
) -> None:
    """What git understands is understood, and the commit is in the mirror then."""
    assert opened.resolve(name, deadline) == repo.names[0]
    assert git(opened.mirror, "cat-file", "-t", repo.names[0]) == "commit"


def test_abbreviation(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """The first digits of a commit are enough, if it is the only one that has them."""
    assert opened.resolve(repo.names[1][:10], deadline) == repo.names[1]


@pytest.mark.slow
def test_url(repo: Repo, own: Store, deadline: Deadline) -> None:
    """A URL is asked over git's protocols; expressions work there too."""
    remote = open_repository(f"file://{repo.path}", own, deadline)

    assert remote.resolve("v1", deadline) == repo.names[0]
    assert remote.resolve("main~1", deadline) == repo.names[1]
    with pytest.raises(UsageError, match="has no tag, branch or commit `nowhere`"):
        remote.resolve("nowhere", deadline)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["below", "worktree", "bare"])
def test_other_places(repo: Repo, tmp_path: Path, own: Store, deadline: Deadline, kind: str) -> None:
    """A directory below the top, a worktree and a bare repository are as good as the clone itself."""
    path = {"below": repo.path / "src", "worktree": tmp_path / "tree", "bare": tmp_path / "bare"}[kind]
    if kind == "worktree":
        git(repo.path, "worktree", "add", "--quiet", "--detach", str(path), "v1")
    if kind == "bare":
        git(tmp_path, "clone", "--quiet", "--bare", str(repo.path), str(path))
    found = open_repository(str(path), own, deadline)

    expected = repo.names[0] if kind == "worktree" else repo.names[-1]
    assert found.resolve("HEAD", deadline) == expected
    assert len(found.list_range(repo.names[0], found.resolve("main", deadline), deadline).commits) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["-1", "--all", ""])
def test_dash(opened: Repository, deadline: Deadline, name: str) -> None:
    """A revision cannot be an option of git's."""
    with pytest.raises(UsageError, match="begins with a dash or is empty"):
        opened.resolve(name, deadline)


@pytest.mark.parametrize("name", ["v2", "0123456789", "0" * 40, "main:src"])
def test_unknown_revision(opened: Repository, deadline: Deadline, name: str) -> None:
    """It is said which revision is not where."""
    with pytest.raises(UsageError, match=rf"repo has no commit `{name}`"):
        opened.resolve(name, deadline)


@pytest.mark.slow
def test_ends_that_do_not_fit(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """Equal ends, swapped ends, ends on two branches and ends without a common commit each have their sentence."""
    first, _, _, merge = repo.names
    git(repo.path, "checkout", "--quiet", "--orphan", "other")
    other = repo.commit("another beginning")
    opened.resolve("other", deadline)
    opened.resolve(merge, deadline)

    with pytest.raises(UsageError, match=f"Both ends are the same commit {first}"):
        opened.list_range(first, first, deadline)
    with pytest.raises(UsageError, match="is a descendant of the newer end") as swapped:
        opened.list_range(merge, first, deadline)
    assert "--find-fix" in str(swapped.value.hint)
    for search in (opened.list_range, opened.find_bases):
        with pytest.raises(UsageError, match="have no history in common"):
            search(other, merge, deadline)


def test_where_an_older_end_parted(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """An ancestor is an end itself; from another branch it is the commit where both part; a newer one is refused."""
    first, second, side, merge = repo.names
    opened.resolve(merge, deadline)

    assert opened.find_bases(second, merge, deadline) == (second,)
    assert opened.find_bases(side, second, deadline) == (first,)
    with pytest.raises(UsageError, match="is a descendant of the newer end"):
        opened.find_bases(merge, second, deadline)
    assert set(opened.list_range(first, merge, deadline, others=(side,)).commits) == {first, second, merge}


def test_a_range_is_skipped_as_far_as_it_is_searched(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """A..B are the commits that B has and A has not; what is not searched is left out, and three dots are refused."""
    first, second, side, merge = repo.names
    opened.resolve(merge, deadline)

    assert set(opened.resolve_range(f"{first}..{merge}", (merge, f"^{side}"), deadline)) == {second, merge}
    with pytest.raises(UsageError, match="has three dots"):
        opened.resolve_range(f"{first}...{merge}", (merge,), deadline)


def test_shallow_clone(repo: Repo, tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A history that was cut off is refused, with the command that gets the rest."""
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo.path}", "shallow")

    with pytest.raises(UsageError, match="is a shallow clone") as refused:
        open_repository(str(tmp_path / "shallow"), own, deadline)
    assert "fetch --unshallow" in str(refused.value.hint)


@pytest.mark.parametrize(("address", "sentence"), [
    ("nowhere", "does not exist"), ("-x", "begins with a dash"), ("", "begins with a dash or is empty"),
])  # fmt: skip
def test_no_repository(own: Store, deadline: Deadline, address: str, sentence: str) -> None:
    """What is no repository is refused before anything is made."""
    with pytest.raises(UsageError, match=sentence):
        open_repository(address, own, deadline)


def test_plain_directory(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A directory that is no repository is refused with git's reason."""
    with pytest.raises(UsageError, match="is not a readable git repository; git says: not a git repository"):
        open_repository(str(tmp_path), own, deadline)


def test_unreachable(tmp_path: Path, own: Store, deadline: Deadline) -> None:
    """A URL where nobody answers is no mistake of the user's."""
    remote = open_repository(f"file://{tmp_path}/gone", own, deadline)

    with pytest.raises(InfrastructureError):
        remote.resolve("main", deadline)


def test_repository_that_disappears(opened: Repository, repo: Repo, own: Store, deadline: Deadline) -> None:
    """Once the ends are resolved, the original is not needed any more."""
    new = opened.resolve("main", deadline)
    shutil.rmtree(repo.path)
    again = reopen(opened.address, own, deadline)

    assert again.resolve(new, deadline) == new
    assert again.list_range(repo.names[0], new, deadline).history.bad == new


def test_dirty(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """Changes that no commit has are noticed; files that git does not know are none."""
    (repo.path / "unknown").write_text("x")
    assert not opened.is_dirty(deadline)
    (repo.path / "src" / "a.txt").write_text("changed")
    assert opened.is_dirty(deadline)


@pytest.mark.slow
def test_nothing_is_written(repo: Repo, own: Store, deadline: Deadline) -> None:
    """Whatever is asked, no file of the user's repository changes: no ref, no index, no object."""
    (repo.path / "src" / "a.txt").write_text("3")
    before = fingerprint(repo.path)
    opened = open_repository(str(repo.path), own, deadline)
    ends = opened.resolve("v1", deadline), opened.resolve("main", deadline)
    opened.list_range(*ends, deadline)
    opened.is_dirty(deadline)
    opened.revert(repo.names[1], ends[1], deadline)

    assert fingerprint(repo.path) == before


@pytest.mark.slow
def test_range(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """Every commit between the ends has its parents, author, subject and files; the older end is known too."""
    first, second, side, merge = repo.names
    found = opened.list_range(first, opened.resolve("main", deadline), deadline)

    assert found.history.commits == (second, side, merge)
    assert found.history.good == first
    assert found.commits[second].files == ("docs/b.txt", "src/a.txt")
    assert found.commits[merge].parents == (second, side)
    assert found.commits[merge].files == ()
    assert (found.commits[first].subject, found.commits[first].author) == (
        "first: ä",
        "Ann Author <ann@harness.invalid>",
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text", "version"), [
    ("meson.version", "255~rc1\n", "255"),
    ("meson.version", "257.3\n", "257"),
    ("meson.build", "project('systemd', 'c',\n        version : '252',\n        license : 'LGPLv2+',", "252"),
    ("meson.build", "project('systemd', 'c', version : files('meson.version'))\n", None),
    ("configure.ac", "AC_INIT([systemd],\n        [232],\n        [http://bugs])", "232"),
    ("other", "252", None),
])  # fmt: skip
def test_version(repo: Repo, own: Store, deadline: Deadline, name: str, text: str, version: str | None) -> None:
    """The version of systemd is read wherever systemd has said it in its time."""
    (repo.path / name).write_text(text)
    opened = open_repository(str(repo.path), own, deadline)
    commit = opened.resolve(repo.commit("version"), deadline)

    if version is None:
        with pytest.raises(InfrastructureError, match="does not say which version of systemd"):
            opened.find_version(commit, deadline)
    else:
        assert opened.find_version(commit, deadline) == version


@pytest.mark.slow
def test_revert(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """A commit comes off the newer end, also one on a merged branch; the result is the same each time."""
    _, second, side, merge = repo.names
    opened.resolve("main", deadline)
    for commit, gone in ((second, "docs/b.txt"), (side, "src/c.txt")):
        made = opened.revert(commit, merge, deadline)

        assert made is not None
        assert made == opened.revert(commit, merge, deadline)
        assert git(opened.mirror, "rev-parse", f"{made}^") == merge
        assert gone not in git(opened.mirror, "ls-tree", "-r", "--name-only", made).split()
    merged = opened.revert(merge, merge, deadline)
    assert merged is not None
    assert git(opened.mirror, "rev-parse", f"{merged}^{{tree}}") == git(repo.path, "rev-parse", f"{second}^{{tree}}")


@pytest.mark.slow
def test_no_clean_revert(repo: Repo, opened: Repository, deadline: Deadline) -> None:
    """Where a later commit changed the same lines there is nothing to test, nor where nothing is left, nor for a root."""
    changed = repo.commit("third", src__a="3")
    new = opened.resolve(repo.commit("undone", src__a="2", docs__b="9"), deadline)

    assert opened.revert(repo.names[1], new, deadline) is None
    assert opened.revert(changed, new, deadline) is None
    assert opened.revert(repo.names[0], new, deadline) is None


def test_what_a_commit_says(opened: Repository, repo: Repo, deadline: Deadline) -> None:
    """The whole message, and how many lines of which file changed."""
    opened.resolve("main", deadline)

    assert opened.read_message(repo.names[1], deadline) == "second"
    assert opened.list_changes(repo.names[1], deadline) == (("docs/b.txt", 1, 0), ("src/a.txt", 1, 1))
