"""The releases of Go as commits, and the Go of a cell replaced by one of them."""

import re
from pathlib import Path

import pytest

from harness import catalog, matrix
from harness.bisect import releases
from harness.bisect.subject import GoSubject
from harness.errors import UsageError
from harness.plan import Plan, make_plan
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

VERSIONS = ("1.9.7", "1.21.10", "1.21.2", "1.22.0", "1.10")


def planned(cell: str) -> Plan:
    """Return the plan of a cell of the project's own matrix."""
    known = catalog.load(ROOT)
    project = matrix.load(ROOT / "matrix.yaml", known)
    (found,) = (one for one in matrix.expand(project, known).cells if one.id == cell)
    return make_plan(found, project, known, ("cgroup",))


@pytest.mark.slow
def test_releases_are_commits_in_their_order(tmp_path: Path, deadline: Deadline) -> None:
    """Each release is the only parent of the next one, by numbers and not by letters, and has its version in it."""
    repository = releases.make_repository("go", VERSIONS, Store(tmp_path), deadline)
    found = repository.list_range(
        repository.resolve("1.9.7", deadline), repository.resolve("1.22.0", deadline), deadline
    )
    names = [repository.resolve(version, deadline) for version in ("1.9.7", "1.10", "1.21.2", "1.21.10", "1.22.0")]

    assert [found.commits[name].subject for name in names] == [
        "go 1.9.7", "go 1.10", "go 1.21.2", "go 1.21.10", "go 1.22.0",
    ]  # fmt: skip
    assert [found.commits[name].parents for name in names[1:]] == [(name,) for name in names[:-1]]
    assert repository.read_content(names[3], releases.FILE, deadline) == "1.21.10\n"


@pytest.mark.slow
def test_a_short_version_is_its_newest_release(tmp_path: Path, deadline: Deadline) -> None:
    """1.21 means 1.21.10 and not 1.21.2."""
    repository = releases.make_repository("go", VERSIONS, Store(tmp_path), deadline)

    assert repository.resolve("1.21", deadline) == repository.resolve("1.21.10", deadline)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "hint"), [
    ("1.20", "The nearest to it: 1.10, 1.21.2."), ("1.99", "The nearest to it: 1.22.0."),
    ("1.2", "The nearest to it: 1.9.7."), ("latest", "A release is named by its number, such as 1.22.0."),
])  # fmt: skip
def test_an_unknown_release(tmp_path: Path, deadline: Deadline, version: str, hint: str) -> None:
    """It is said which there are; tags and commits are nothing that the user named."""
    repository = releases.make_repository("go", VERSIONS, Store(tmp_path), deadline)
    sentence = f"No release `{version}` of go is known; there are 5 from 1.9.7 to 1.22.0."

    with pytest.raises(UsageError, match=re.escape(sentence)) as caught:
        repository.resolve(version, deadline)
    assert caught.value.hint == hint


@pytest.mark.slow
def test_a_new_release_leaves_the_names_of_the_others(tmp_path: Path, deadline: Deadline) -> None:
    """A bisection that goes on after a release finds its commits again."""
    before = releases.make_repository("go", VERSIONS, Store(tmp_path), deadline).resolve("1.22.0", deadline)
    repository = releases.make_repository("go", (*VERSIONS, "1.22.1"), Store(tmp_path), deadline)

    assert repository.resolve("1.22.0", deadline) == before
    assert repository.list_range(before, repository.resolve("1.22", deadline), deadline).commits.keys() >= {before}


@pytest.mark.slow
def test_the_go_of_the_cell_is_replaced(tmp_path: Path, deadline: Deadline) -> None:
    """What is built is the cell's runtime, by the release that the commit stands for; the cell says so."""
    repository = releases.make_repository("go", VERSIONS, Store(tmp_path), deadline)
    subject = GoSubject(
        repository=repository, base=planned("debian-bookworm+systemd-252+go-1.27+unified+runc-1.1.5")
    )  # fmt: skip
    made = subject.plan(repository.resolve("1.21.2", deadline), deadline)

    assert subject.name == subject.request(made).name == "runc"
    assert subject.request(made).go == made.cell.go == "1.21.2"
    assert made.cell.runtime_version == "1.1.5"


@pytest.mark.slow
def test_a_runtime_without_go_is_refused(tmp_path: Path, deadline: Deadline) -> None:
    """Nspawn is not built with Go."""
    repository = releases.make_repository("go", VERSIONS, Store(tmp_path), deadline)
    with pytest.raises(UsageError, match="nspawn is not built with Go"):
        GoSubject(repository=repository, base=planned("debian-bookworm+systemd-252+unified+nspawn"))
