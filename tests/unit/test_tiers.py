"""The tiers of the tests: what is in tests/unit needs nothing but Python, and markers follow from fixtures and folders."""

import ast

import pytest

from tests import ROOT, conftest
from tests.conftest import FOLDERS, NEEDS, find_needs


def test_unit_tests_need_nothing(request: pytest.FixtureRequest) -> None:
    """No test of the unit tier that is collected asks for Docker, a guest, a browser, the network or the user's store."""
    unit = [item for item in request.session.items if "/tests/unit/" in str(item.path)]
    assert [] == [item.nodeid for item in unit if find_needs(item)]


@pytest.mark.parametrize("name", sorted({*FOLDERS, "slow", "longer"}))
def test_markers_are_registered(name: str, pytestconfig: pytest.Config) -> None:
    """A marker that a fixture sets can be selected."""
    assert any(line.startswith(f"{name}:") for line in pytestconfig.getini("markers"))


@pytest.mark.slow
def test_no_deadline_is_made_when_a_module_is_imported() -> None:
    """A deadline is made by the test that it is for: one of a module is over when many tests ran before."""
    old = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("tests", "suites")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and "Deadline." in ast.unparse(node)
        and not isinstance(node.value, (ast.Constant, ast.Lambda))
    ]

    assert [] == old


def test_needs_are_fixtures() -> None:
    """A fixture that was renamed does not take its marker away unnoticed; the browser's stands with its tests."""
    assert all(hasattr(conftest, name) for name in set(NEEDS) - {"browser"})
