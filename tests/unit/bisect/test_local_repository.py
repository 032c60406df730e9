"""What a user's repository says of itself: revisions that are in doubt, clones that lack something, releases, owners."""

import os
from pathlib import Path

import pytest

from harness.bisect.local_repository import describe_commit, find_web_address, list_oddities, resolve_local
from harness.bisect.repository import open_repository
from harness.errors import UsageError
from harness.store import Store
from harness.wait import Deadline
from tests.helpers.bisections import Repo, git

pytestmark = pytest.mark.slow


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Six commits; v1 is the third one, v2-rc1 the fifth, v2 the last."""
    made = Repo.empty(tmp_path / "repo").line("gggbbb")
    for tag, place in (("v1", 2), ("v2-rc1", 4), ("v2", 5)):
        git(made.path, "tag", tag, made.names[place])
    return made


@pytest.mark.parametrize(("revision", "place"), [
    ("v1", 2), ("HEAD", 5), ("@", 5), ("@~2", 3), (":/commit 3", 3), ("main^{/commit 1}", 1), ("v2^{tree}^{commit}", None),
    ("^main", None), ("main..v2", None), ("v2:state.txt", None), ("nowhere", None), ("--all", None), ("", None),
])  # fmt: skip
def test_what_a_revision_means(repo: Repo, deadline: Deadline, revision: str, place: int | None) -> None:
    """Every expression of git's that means one commit is that commit; what means none, or several, is refused."""
    if place is None:
        with pytest.raises(UsageError, match="has no commit"):
            resolve_local(str(repo.path), revision, deadline)
    else:
        assert resolve_local(str(repo.path), revision, deadline) == repo.names[place]


@pytest.mark.parametrize("revision", ["twice", "main@{2001-01-01}", "main@{999.weeks.ago}"])
def test_what_is_in_doubt_is_refused(repo: Repo, deadline: Deadline, revision: str) -> None:
    """A tag and a branch of one name, and a time before the reflog begins: git warns and takes one, and we ask."""
    git(repo.path, "branch", "twice", repo.names[0])
    git(repo.path, "tag", "twice", repo.names[1])
    with pytest.raises(UsageError, match="git is not sure about the revision") as refused:
        resolve_local(str(repo.path), revision, deadline)
    assert "refs/tags/" in str(refused.value.hint)


def test_partial_clone(repo: Repo, tmp_path: Path, deadline: Deadline) -> None:
    """A clone without its files is refused with the command that gets them, and then it works."""
    git(repo.path, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{repo.path}", str(clone))
    opened = open_repository(str(clone), Store(tmp_path / "store"), deadline)
    with pytest.raises(UsageError, match="is a partial clone") as refused:
        opened.resolve("HEAD", deadline)
    assert f"git -C {clone} fetch --refetch --no-filter" in str(refused.value.hint)

    git(clone, "fetch", "--quiet", "--refetch", "--no-filter")
    assert opened.resolve("HEAD", deadline) == repo.names[-1]


def test_names_of_sha256(tmp_path: Path, deadline: Deadline) -> None:
    """A repository with longer names is refused in a sentence."""
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "long")
    with pytest.raises(UsageError, match="uses SHA256 object names"):
        open_repository(str(tmp_path / "long"), Store(tmp_path / "store"), deadline)


def test_replaced_and_grafted_histories_are_noted(repo: Repo, deadline: Deadline) -> None:
    """What git shows in place of the real commits is not what is searched, and the user is told so."""
    assert list_oddities(str(repo.path), deadline) == ()
    git(repo.path, "replace", "--graft", repo.names[4], repo.names[1])
    (repo.path / ".git" / "info").mkdir(exist_ok=True)
    (repo.path / ".git" / "info" / "grafts").write_text(f"{repo.names[3]}\n")

    replaced, grafted = list_oddities(str(repo.path), deadline)
    assert "replaced objects" in replaced
    assert "grafts" in grafted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_repository_of_who_called_sudo(
    repo: Repo, tmp_path: Path, deadline: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root through sudo reads the repository of the user who called it, as git itself does; else git's advice is passed on."""
    for path in (repo.path, *repo.path.rglob("*")):
        os.chown(path, 1234, 1234)
    monkeypatch.delenv("SUDO_UID", raising=False)
    with pytest.raises(UsageError, match="dubious ownership") as refused:
        open_repository(str(repo.path), Store(tmp_path / "store"), deadline)
    assert "safe.directory" in str(refused.value.hint)

    monkeypatch.setenv("SUDO_UID", "1234")
    opened = open_repository(str(repo.path), Store(tmp_path / "store"), deadline)
    assert opened.resolve("v1", deadline) == repo.names[2]


def test_releases_of_a_commit(repo: Repo, deadline: Deadline) -> None:
    """A commit has its name by tags, and the oldest release that has it, candidates left out."""
    described, release = describe_commit(str(repo.path), repo.names[3], deadline)
    assert described.startswith("v1-1-g")
    assert release == "v2"
    repo.commit("after all tags")
    assert describe_commit(str(repo.path), repo.names[-1], deadline)[1] == ""


@pytest.mark.parametrize(("origin", "page"), [
    ("https://github.com/systemd/systemd.git", "https://github.com/systemd/systemd/commit/c"),
    ("git@github.com:rkt/rkt", "https://github.com/rkt/rkt/commit/c"),
    ("ssh://git@codeberg.org/a/b.git", "https://codeberg.org/a/b/commit/c"),
    ("https://user:secret@github.com/a/b", ""),
    ("https://host.invalid/a/b.git", ""),
    ("../elsewhere", ""),
])  # fmt: skip
def test_page_of_a_commit(repo: Repo, deadline: Deadline, origin: str, page: str) -> None:
    """The page is that of the repository's origin where its host is known, and never has a password."""
    git(repo.path, "remote", "add", "origin", origin)
    assert find_web_address(str(repo.path), "c", deadline) == page
