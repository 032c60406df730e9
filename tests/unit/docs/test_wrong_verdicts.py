"""docs/reference/wrong-verdicts.md: each verdict that was ever wrong names the tests that hold it now, and they run."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/wrong-verdicts.md").read_text(encoding="utf-8")
ROWS = [
    line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "what was said" not in line
]
NAMED = re.compile(r"`((?:tests|suites)/[\w/]+\.py)::(\w+)`")


@cache
def list_tests(path: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a file of tests by name."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_each_wrong_verdict_is_held_by_tests_that_run(row: list[str]) -> None:
    """Its tests are functions of their files, and nothing leaves them out wherever they run."""
    said, right, *_ = row
    named = NAMED.findall(row[-1])
    assert said
    assert right
    assert row[-1] == ", ".join(f"`{path}::{name}`" for path, name in named) != ""
    for path, name in named:
        function = list_tests(path).get(name)
        assert function is not None, f"{path} has no {name}"
        marks = " ".join(map(ast.unparse, function.decorator_list))
        assert "skip(" not in marks
        assert "xfail" not in marks


def test_no_verdict_is_there_twice() -> None:
    """Each is said once."""
    said = [row[0] for row in ROWS]
    assert len(set(said)) == len(said) > 50


def test_commits_are_those_of_this_history() -> None:
    """A commit of a row changed the tests or what they test; a clone without history cannot say."""
    shallow = subprocess.run(
        ["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shallow.stdout.strip() != "false":
        pytest.skip("This is no clone with its history.")
    commits = {word for row in ROWS for word in re.findall(r"^[0-9a-f]{7}$", row[2])}
    assert commits
    for commit in commits:
        argv = ["git", "show", "--name-only", "--format=", commit, "--", "tests", "suites"]
        assert subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout, commit
