"""result.json and the exit codes that follow from it."""

import itertools
from pathlib import Path

import pytest

from harness.errors import ExitCode, InfrastructureError, UsageError
from harness.model import Cell, CgroupMode, Outcome, find_worst, format_axes
from harness.results import CaseResult, CellResult, RunResult, read, write


def case(outcome: Outcome, nodeid: str = "cgroup/test_x.py::test_y") -> CaseResult:
    return CaseResult(nodeid=nodeid, outcome=outcome, raw=outcome, seconds=0.5)


def cell(*outcomes: Outcome, error: str | None = None) -> CellResult:
    return CellResult(id="a+b", axes={"distro": "debian/x"}, cases=tuple(map(case, outcomes)), error=error)


def run(*cells: CellResult, interrupted: bool = False) -> RunResult:
    return RunResult(
        id="20261123-1", harness="0", command="harness run", started="2026-11-23T00:00:00+00:00", cells=cells,
        interrupted=interrupted,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (run(cell(Outcome.PASSED, Outcome.SKIPPED)), ExitCode.OK),
        (run(cell(Outcome.PASSED, Outcome.XFAILED, Outcome.FLAKY)), ExitCode.OK),
        (run(cell(Outcome.PASSED), cell(Outcome.FAILED)), ExitCode.FAILED),
        (run(cell(Outcome.XPASSED)), ExitCode.FAILED),
        (run(cell(Outcome.FAILED), cell(Outcome.ERROR)), ExitCode.INFRASTRUCTURE),
        (run(cell(Outcome.PASSED, error="The guest died.")), ExitCode.INFRASTRUCTURE),
        (run(cell(Outcome.SKIPPED)), ExitCode.NOTHING_RAN),
        (run(cell()), ExitCode.NOTHING_RAN),
        (run(), ExitCode.NOTHING_RAN),
        (run(cell(Outcome.PASSED), interrupted=True), ExitCode.INTERRUPTED),
    ],
)
def test_exit_code_is_that_of_the_worst_cell(result: RunResult, code: ExitCode) -> None:
    """Broken infrastructure outranks failures, and nothing ran is not success."""
    assert code == result.exit_code


def test_worst_is_the_worst_of_every_pair() -> None:
    """Of any two outcomes the one with the greater badness counts, in either order."""
    for one, other in itertools.product(Outcome, repeat=2):
        assert find_worst([one, other]) == find_worst([other, one]) == max(one, other, key=lambda item: item.badness)


def test_result_survives_writing_and_reading(tmp_path: Path) -> None:
    """What is read is what was written, and no half-written file stays."""
    result = run(cell(Outcome.FAILED, Outcome.FLAKY))
    write(result, tmp_path / "deep" / "result.json")

    assert result == read(tmp_path / "deep" / "result.json")
    assert ["result.json"] == [path.name for path in (tmp_path / "deep").iterdir()]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"id": "x", "format": 99}'])
def test_file_that_is_no_result_is_named(tmp_path: Path, text: str) -> None:
    """A file of another tool or a later format is refused with its path."""
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InfrastructureError, match=str(path)):
        read(path)
    with pytest.raises(UsageError, match="there is no result"):
        read(tmp_path / "nothing.json")


def test_axes_name_the_cell_as_the_matrix_does() -> None:
    """Values stand as they are written in matrix.yaml."""
    item = Cell(
        distro="flatcar", channel="edge", release="2079.99.0", systemd="241", go="1.12", cgroup=CgroupMode.LEGACY,
        runtime="rkt", runtime_version="1.30.0", flavor="host",
    )  # fmt: skip

    assert "flatcar/edge@2079.99.0" == format_axes(item)["distro"]
    assert "rkt@1.30.0" == format_axes(item)["runtime"]
    assert "flatcar-edge-2079.99.0+systemd-241+go-1.12+legacy+rkt-1.30.0-host" == item.id
