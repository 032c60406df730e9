"""SECURITY.md: each promise names tests, and they are there."""

import ast
import re
from pathlib import Path

import pytest

from harness.errors import ConfigError
from tests.helpers import trees

ROOT = Path(__file__).parents[3]
LINES = [line for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("line", LINES)
def test_each_promise_is_held_by_tests_that_are_there(line: str) -> None:
    """The last column names at least one test, and each is a function of its file with a check in it."""
    named = NAMED.findall(line.split("|")[-2])
    assert named
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{path} has no {name}"
        assert any(
            isinstance(node, (ast.Assert, ast.With)) or "refused" in ast.dump(node)
            for node in ast.walk(functions[name])
        )


def test_every_test_of_hostile_input_is_named() -> None:
    """No file of these tests is without a promise."""
    files = {f"tests/unit/hostile/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert files == {
        path for line in LINES for path, _ in NAMED.findall(line) if path.startswith("tests/unit/hostile/")
    }


def test_no_file_chooses_the_builder_host(tmp_path: Path) -> None:
    """A matrix that asks for it is refused, with the option that a person may give."""
    with pytest.raises(ConfigError, match=r"matrix\.yaml:\d+:\d+: .*--builder host"):
        trees.load(trees.project(tmp_path), f"{trees.AXES}defaults: {{builder: host}}\n")


@pytest.mark.parametrize(
    "name",
    [
        ".github/workflows/harness.yml",
        ".gitlab-ci.yml",
        ".travis.yml",
        ".semaphore/semaphore.yml",
        ".semaphore/release.yml",
    ],
)
def test_a_cache_belongs_to_one_profile(name: str) -> None:
    """What jobs of one profile bring into a CI system's cache, no job of another one gets: a release uses its own."""
    text = (ROOT / name).read_text(encoding="utf-8")
    ran = [
        (key[-1], profile)
        for found in re.finditer(r"ci/run-shard .* \"?([\w$]+)\"?$", text, re.MULTILINE)
        if (key := re.findall(r"(?:store[=-]|- PROFILE=)(\w+)", text[: found.start()])) and (profile := found[1])
    ]
    assert ran
    assert all(profile in {key, "$PROFILE"} for key, profile in ran)
