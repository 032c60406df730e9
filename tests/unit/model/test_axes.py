"""An axis costs three files: one is added to a copy of the source, and everything that reads axes has it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

ROW = """    Axis(
        name="filesystem",
        fields=(
            AxisField(name="filesystem", optional=True, about="file system of the guest: ext4", title="file system"),
        ),
        prefix="fs-",
    ),
"""
VALUES = "    cgroup: Annotated[tuple[CgroupMode, ...], Field(min_length=1)]"

EDITS = {
    "harness/model/axes.py": {'    Axis(\n        name="cgroup",': ROW + '    Axis(\n        name="cgroup",'},
    "harness/model/cell.py": {
        "    cgroup: CgroupMode\n": "    filesystem: str | None = None\n    cgroup: CgroupMode\n",
    },
    "harness/matrix/models.py": {
        f"{VALUES}\n": f"    filesystem: tuple[str | None, ...] = (None,)\n{VALUES}\n",
        "    cgroup: CgroupMode\n": "    filesystem: str | None = None\n    cgroup: CgroupMode\n",
        f"{VALUES} | None = None\n": f"    filesystem: tuple[str, ...] | None = None\n{VALUES} | None = None\n",
    },
}
"""What a new axis changes, file by file."""

FILES_TO_TOUCH = {"axis": 3}
"""How many files a new axis may change."""

USE = """
import json
from harness.bisect.axes import AXES, find_differences
from harness.compare import CellOutcomes, RunOutcomes, compare, drop_axes, find_rules
from harness.compare.junit import PLAIN_AXES
from harness.gate import find_first_bads
from harness.selection.fields import FIELDS
from harness.model import Cell, CgroupMode, Outcome, format_axes, parse_axes, parse_cell_id
from harness.plugin.needs import NEEDS

def cell(fs, mode=CgroupMode.LEGACY):
    return Cell(distro="debian", channel="sid", systemd="262", filesystem=fs, cgroup=mode, runtime="nspawn")

def side(name, outcomes):
    cells = {
        one.id: CellOutcomes(id=one.id, axes=format_axes(one), cases={"a/b.py::c": outcome})
        for one, outcome in outcomes.items()
    }
    return RunOutcomes(name=name, kind="run", cells=cells)

cells = [cell(fs, mode) for fs in ("ext4", "xfs") for mode in CgroupMode]
old = side("old", {one: Outcome.PASSED for one in cells})
new = side("new", {one: Outcome.FAILED if one.filesystem == "xfs" else Outcome.PASSED for one in cells})
found = compare(old, new)
print(json.dumps({
    "inverse": all(parse_cell_id(one.id) == one == parse_axes(format_axes(one)) for one in [*cells, cell(None)]),
    "rule": find_rules(found, old, new).overall.expression,
    "first bads": len(find_first_bads(found, old, new)),
    "across": len(drop_axes(side("one", {cells[0]: Outcome.PASSED}), ["filesystem"]).cells),
    "bisect": [change.axes for change in find_differences(cells[0], cells[3])],
    "known": ["filesystem" in names for names in (FIELDS, NEEDS, AXES, PLAIN_AXES)],
}))
"""


@pytest.fixture(name="tree")
def make_tree(tmp_path: Path) -> Path:
    """Copy what the harness is made of, and add an axis to the copy."""
    for name in ("harness", "images", "suites"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, edits in EDITS.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        for old, new in edits.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "matrix.yaml").write_text(
        """\
version: 1
axes:
  distro: [debian/sid]
  systemd: [distro]
  go: ["1.27"]
  filesystem: [ext4, xfs]
  cgroup: [unified]
  runtime: [nspawn]
""",
        encoding="utf-8",
    )
    return tmp_path


def python(tree: Path, *words: str) -> str:
    """Run Python on the copy, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "HOME": str(tree), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_new_axis_costs_three_files(tree: Path) -> None:
    """The matrix multiplies it, expressions select by it, and comparison, gate and bisection name it."""
    assert len(EDITS) == FILES_TO_TOUCH["axis"]
    select = ["-m", "harness", "matrix", "list", "--format", "json", "--select", "filesystem==xfs"]
    assert [(cell["id"], cell["filesystem"]) for cell in json.loads(python(tree, *select))] == [
        ("debian-sid+systemd-262+fs-xfs+unified+nspawn", "xfs")
    ]
    table = python(tree, "-m", "harness", "matrix", "list").splitlines()
    assert table[0].split() == ["cell", "systemd", "go", "filesystem", "cgroup", "runtime"]
    assert json.loads(python(tree, "-c", USE)) == {
        "inverse": True,
        "rule": "filesystem!=ext4",
        "first bads": 1,
        "across": 1,
        "bisect": [["filesystem"]],
        "known": [True, True, True, True],
    }
