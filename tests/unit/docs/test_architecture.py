"""What docs/architecture.md names is there: each path of the repository, and each module, class and function."""

import re
from importlib import import_module, util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

PATHS = sorted(set(re.findall(r"`((?:harness|suites|images|tests|tools|ci|bench)/[\w./-]*)`", TEXT)))
NAMES = sorted(set(re.findall(r"`(harness(?:\.\w+)+)`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_path_is_there(path: str) -> None:
    """A path is one of the repository; NAME in it stands for any name."""
    assert list(ROOT.glob(path.replace("NAME", "*").rstrip("/")))


@pytest.mark.parametrize("name", NAMES)
def test_name_is_there(name: str) -> None:
    """A name is a module, or something in one."""
    module, _, attribute = name.rpartition(".")
    if not hasattr(import_module(module), attribute):
        assert util.find_spec(name) is not None
