"""Figures of the source: counted by hand in a small tree."""

import json
from pathlib import Path

import pytest

from tools import measure
from tools.source_index import load_verbs, read_modules

FILES = {
    "harness/__init__.py": "",
    "harness/__main__.py": "print('1.0')\n",
    "harness/cli/__init__.py": "",
    "harness/cli/report.py": "from harness import model\n\n\ndef register(): ...\n",
    "harness/cli/compare.py": "from harness.model import Cell\nfrom . import report\n",
    "harness/cli/gate.py": "class Cell: ...\nclass Gate:\n    @property\n    def name(self): ...\n",
    "harness/model.py": "class Cell:\n    def __init__(self): ...\n    def shown(self):\n        def again(): ...\n",
    "tests/unit/model/test_axes.py": 'FILES_TO_TOUCH = {"axis": 3}\n',
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of seven modules, one test, and no environment of its own."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_figures_of_a_tree(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each figure is what a person would count in the files above."""
    measure.main(["--tree", str(tree), "--format", "json"])
    figures = {item["name"]: item["value"] for item in json.loads(capsys.readouterr().out)}
    version = figures.pop("harness --version")
    assert version.endswith("s of CPU")
    assert figures == {
        "modules of ours that report / compare / gate import": "4 / 5 / 3",
        "lines of cli": "10",
        "internal imports per module": "0.4",
        "public class names defined twice": "1 of 2",
        "functions that begin with a verb": "50 %",
        "files to touch for a new axis / runtime / distro": "3 / ? / ?",
        "quick tier / .ci/run, whole": "- / -",
        "lines of harness/": "15",
    }


def test_table(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is Markdown with a column for what is wanted."""
    measure.main(["--tree", str(tree)])
    head, rule, first, *_ = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in head.split("|")] == ["", "figure", "today", "wanted", ""]
    assert set(rule) == {"|", "-"}
    assert [cell.strip() for cell in first.split("|")[2:4]] == ["4 / 5 / 3", "20 / 35 / 40"]


def test_imports_are_those_of_modules(tree: Path) -> None:
    """An import of a name is one of its module, and a relative one is one of the package's."""
    imports = {module.name: module.imports for module in read_modules(tree, ["harness"])}
    assert imports["harness.cli.report"] == {"harness.model"}
    assert imports["harness.cli.compare"] == {"harness.model", "harness.cli.report"}


def test_verbs_are_a_sorted_list() -> None:
    """Each verb is one word, in lower case, and the list is in order, so that it is easy to review."""
    text = (Path(measure.__file__).parent / "verbs.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == sorted({*lines})
    assert load_verbs() == {*lines}
    assert all(line.isalpha() and line.islower() for line in lines)
