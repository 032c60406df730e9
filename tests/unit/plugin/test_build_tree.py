"""What the plugin gives to cases that are asked where the runtime is built; here that is this computer."""

import json
from pathlib import Path

import pytest

from harness.cell_file import BuildTree
from harness.errors import InfrastructureError
from harness.model import Outcome
from harness.plugin.build_tree import NO_TREE, Tree
from harness.wait import Deadline
from tests.helpers.fake_guest import run


def describe(tmp_path: Path, **more: object) -> BuildTree:
    """Return a tree on this computer, whose scratch directory is `tmp_path`."""
    return BuildTree.model_validate(
        {
            "environment": None, "source": str(tmp_path), "goroot": "/go", "scratch": str(tmp_path),
            "outside": str(tmp_path), "env": {"PATH": "/usr/bin:/bin", "OWN": "one"}, "go": "1.27.3", **more,
        }
    )  # fmt: skip


def test_a_command_gives_its_status_and_its_words(tmp_path: Path) -> None:
    """Both outputs are one, it runs in the source, and what is added to its environment counts."""
    tree = Tree(describe(tmp_path))

    done = tree.run("sh", "-c", "pwd; echo $OWN $TWO >&2; exit 3", env={"TWO": "two"})

    assert (done.code, done.out) == (3, f"{tmp_path}\none two\n")
    assert tree.run("pwd", cwd="/").out == "/\n"


def test_a_case_that_takes_too_long_fails_with_the_last_words(tmp_path: Path) -> None:
    """A test that hangs under a new Go is that Go's failure, and no error of the harness."""
    tree = Tree(describe(tmp_path))
    tree.deadline = Deadline.after(0.5, "case")

    with pytest.raises(TimeoutError, match=r"longer than 0 s, in `sh -c .*\n=== RUN TestHangs"):
        tree.run("sh", "-c", "echo '=== RUN TestHangs'; exec sleep 60")


def test_no_docker_is_an_error_of_the_harness(tmp_path: Path) -> None:
    """It says nothing about the runtime."""
    tree = Tree(describe(tmp_path, environment=tmp_path / "environment" / "0123" / "files"))

    with pytest.raises(InfrastructureError, match="Docker daemon does not answer"):
        tree.run("true")


CASES = """
def test_tree(tree): assert tree.run("sh", "-c", "echo up").out == "up\\n"
def test_plain(cell): assert cell.systemd == "252"
def test_guest(host): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_cases_of_a_build_suite(tmp_path: Path, *, there: bool) -> None:
    """They run without a guest; without a tree they are skipped with the reason; one that asks a guest is wrong."""
    tree = json.loads(describe(tmp_path).model_dump_json()) if there else None
    _, cases = run(tmp_path, tmp_path, CASES, more={"machine": None, "tree": tree})

    assert {name: case.outcome for name, case in cases.items()} == {
        "test_tree": Outcome.PASSED if there else Outcome.SKIPPED,
        "test_plain": Outcome.PASSED,
        "test_guest": Outcome.ERROR,
    }
    assert cases["test_tree"].message == ("" if there else NO_TREE)
