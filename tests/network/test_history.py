"""The repository with real systemd that the tests of bisection use is what it says it is, and the same everywhere."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import source
from harness.store import Store
from harness.wait import Deadline
from tools import history
from tools.history import FEWEST, History, git
from tools.history_edits import CULPRITS, EDITS, MISTAKE, MISTAKES, Edit

COMMITS = 60


@pytest.fixture(scope="module")
def made(store: Store, tmp_path_factory: pytest.TempPathFactory) -> History:
    deadline = Deadline.after(300, "history of systemd")
    return history.make(tmp_path_factory.mktemp("history") / "systemd", store, deadline, commits=COMMITS)


@pytest.fixture(scope="module")
def tree(store: Store) -> Path:
    """The unpacked source package."""
    deadline = Deadline.after(300, "source of systemd")
    revision = source.resolve(history.ORIGIN, history.VERSION, store, deadline)
    return source.check_out(history.ORIGIN, revision, store, deadline).path


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another computer: another user, time zone, umask and configuration of git."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-01-01T00:00:00")
    old = os.umask(0o077)
    yield
    os.umask(old)


def _list(made: History, *options: str) -> list[str]:
    return git(made.path, "rev-list", *options, f"{made.good}..{made.bad}").split()


@pytest.mark.usefixtures("elsewhere")
def test_it_is_the_same_everywhere(made: History, store: Store, tmp_path: Path, deadline: Deadline) -> None:
    """Names of commits depend on the package's version and the parameters, and on nothing else."""
    again = history.make(tmp_path / "systemd", store, deadline, commits=COMMITS)

    assert (made.good, made.bad, made.culprit) == (again.good, again.bad, again.culprit)
    assert made.unbuildable == again.unbuildable


def test_it_has_its_parts(made: History) -> None:
    """As many commits as asked for, one merge of a branch with several commits, a lone broken commit and a stretch."""
    between = _list(made)
    (merge,) = made.merges
    beside = git(made.path, "rev-list", f"{merge}^1..{merge}^2").split()
    children = {parent: child for child in between for parent in git(made.path, "rev-parse", f"{child}^@").split()}
    runs = sorted(children[name] not in made.unbuildable for name in made.unbuildable)

    assert COMMITS == len(between)
    assert [merge] == _list(made, "--merges")
    assert 5 == len(beside)
    assert {made.culprit, *made.unbuildable} < {*between}
    assert [False, False, True, True] == runs
    assert "" == git(made.path, "status", "--porcelain", "--ignored")


def test_a_commit_is_broken_if_it_has_the_mistake(made: History) -> None:
    """Exactly the commits that are called unbuildable have the call of a function that there is not."""
    found = {
        name
        for name in (*_list(made), made.good)
        if git(made.path, "grep", "--name-only", "--max-count=1", MISTAKE, name, "--", "src/core", "src/nspawn") != ""
    }

    assert made.unbuildable == found


@pytest.mark.parametrize("culprit", ["limit", "mount"])
def test_the_culprit_changes_its_file_and_nothing_else(
    culprit: str, store: Store, tmp_path: Path, deadline: Deadline
) -> None:
    """A short history has all parts too; the commit with the change is one line of one file, on the branch if asked for."""
    short = history.make(tmp_path / "systemd", store, deadline, culprit=culprit, commits=FEWEST, inside=True)
    (merge,) = short.merges
    changes = git(short.path, "show", "--format=", "--numstat", short.culprit).split()

    assert ["1", "1", CULPRITS[culprit].edit.path] == changes
    assert short.culprit in git(short.path, "rev-list", f"{merge}^1..{merge}^2").split()
    assert FEWEST == len(_list(short))
    assert (CULPRITS[culprit].case is None) != (CULPRITS[culprit].script is None)


def test_the_patches_make_the_tree_of_the_package(made: History, tree: Path) -> None:
    """After the last patch the tree is that of the package; each patch is a commit of the files that it names."""
    names = (tree / ".pc" / "applied-patches").read_text(encoding="utf-8").split()
    commits = git(made.path, "rev-list", "--reverse", f"{made.good}..{made.bad}").split()[: len(names)]
    index = {"GIT_INDEX_FILE": str(made.path / ".git" / "test-index")}
    for name, commit in zip(names, commits, strict=True):
        text = (tree / "debian" / "patches" / name).read_text(encoding="utf-8", errors="replace")
        wanted = {path for pair in re.findall(r"^--- (\S+)\n\+\+\+ (\S+)", text, re.MULTILINE) for path in pair}
        changed = git(made.path, "diff", "--name-only", f"{commit}^", commit).split("\n")
        assert {path.partition("/")[2] for path in wanted} - {"dev/null", "null"} == {*changed}

    git(made.path, "read-tree", commits[-1], variables=index)
    differences = git(made.path, f"--work-tree={tree}", "-c", "core.autocrlf=false", "diff", variables=index)
    others = git(made.path, f"--work-tree={tree}", "ls-files", "--others", "--directory", variables=index).split()

    assert "" == differences
    assert [".pc/", "debian/"] == others


@given(st.integers(), st.integers(FEWEST, 200), st.booleans(), st.sampled_from(sorted(CULPRITS)))
def test_every_arrangement_has_all_parts(seed: int, count: int, inside: bool, culprit: str) -> None:  # noqa: FBT001
    """Whatever the seed: as many commits as asked for, each mistake fixed, one culprit inside, no merge of one file's two changes."""
    edit = CULPRITS[culprit].edit
    blocks = history.arranged(seed, count, edit, inside=inside)
    flat = [edit for main, side in blocks for edit in (*main, *side)]
    (merged,) = (block for block in blocks if block[1])

    assert count == len(flat) + 1
    assert 1 == flat.count(edit)
    assert edit not in {flat[0], flat[-1]} or inside
    assert inside == (edit in merged[1])
    assert {edit.path for edit in merged[0]}.isdisjoint(edit.path for edit in merged[1])
    for broken, fixed in MISTAKES:
        assert flat.index(broken) < flat.index(fixed)


def test_every_file_is_changed_by_one_kind_of_edit() -> None:
    """Edits of the same file could not be told from one another when branches are merged."""
    paths = [edit.path for edit in EDITS]
    paths += [edit.path for edit, _ in MISTAKES]
    paths += [culprit.edit.path for culprit in CULPRITS.values()]

    assert len(paths) == len({*paths})


def test_edits_fit_the_package(tree: Path) -> None:
    """All of them are found in Debian's systemd, whichever a history takes."""
    edits = (*EDITS, *(edit for edit, _ in MISTAKES), *(culprit.edit for culprit in CULPRITS.values()))
    for edit in edits:
        before = (tree / edit.path).read_bytes()
        assert before != edit.applied(before, 1)


def test_too_few_commits_are_refused() -> None:
    """A history without all its parts would test less than it says."""
    with pytest.raises(ValueError, match="at least 12 edits, and got 11"):
        history.arranged(1, FEWEST - 1, CULPRITS["limit"].edit, inside=False)


def test_a_place_that_is_not_there_is_named() -> None:
    """Another version of systemd does not make a history without the change that is looked for."""
    edit = Edit(path="src/a.c", subject="a", anchor="nowhere", text="there")
    with pytest.raises(RuntimeError, match=r"src/a\.c has nothing like `nowhere`"):
        edit.applied(b"here\n", 1)
