"""Shards of CI jobs: equally long by the committed times, merged to one run again, and nothing lost on the way."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from harness import ci, results, schedule
from harness.app.project import load_project
from harness.app.request import RunOptions
from harness.app.settings import resolve_settings
from harness.ci import Shard
from harness.cli import main
from harness.errors import ConfigError
from harness.model import Outcome, Phase, State
from harness.results import CaseResult, CellResult, ExpectationResult, PhaseResult, RunResult
from harness.wait import Cancellation
from tests.helpers import trees

CELLS = [f"cell-{number}" for number in range(5)]
WANTED = dict(zip(CELLS, (1, 2, 1, 2, 3), strict=True))


def cell(name: str, outcome: Outcome = Outcome.PASSED, *, seconds: float = 1.0, error: str | None = None) -> CellResult:
    """Return a cell with one case."""
    case = CaseResult(nodeid="cgroup/test_a.py::test_a", outcome=outcome, raw=outcome, seconds=1)
    phase = PhaseResult(phase=Phase.SUITES, state=State.DONE, seconds=seconds)
    return CellResult(id=name, axes={"cgroup": "unified"}, phases=(phase,), cases=(case,), error=error)


def run(*cells: CellResult, started: str = "2026-11-24T10:00:00+00:00", **more: object) -> RunResult:
    """Make a run."""
    facts = {"id": "r", "harness": "1", "command": "harness run", "started": started, "seconds": 10.0, "cells": cells}
    return RunResult.model_validate({**facts, **more})


def shards(**changes: RunResult | None) -> list[Shard]:
    """Three shards that are as they should be, but for the changes: `s2=None` has no shard 2."""
    found = {
        index: run(*(cell(name) for name, owner in WANTED.items() if owner == index), computer={"cores": str(index)})
        for index in (1, 2, 3)
    } | {int(key[1:]): value for key, value in changes.items()}
    return [Shard(index=index, result=value) for index, value in sorted(found.items()) if value is not None]


def merge(parts: list[Shard]) -> ci.Merged:
    """Merge the shards into one run."""
    return ci.merge(parts, WANTED, 3, name="merged", command="harness run --profile ci")


def test_shards_become_one_run_in_the_order_of_the_matrix() -> None:
    """Whatever shard had a cell, the merged run has all of them once, in the matrix's order, and lasted the longest."""
    merged = merge(shards(s2=run(cell("cell-3"), cell("cell-1"), seconds=99.0, started="2026-11-24T09:00:00+00:00")))
    assert merged.problems == ()
    assert [item.id for item in merged.result.cells] == CELLS
    assert (merged.result.seconds, merged.result.started) == (99.0, "2026-11-24T09:00:00+00:00")
    assert merged.result.computer == {"cores": "1, 3"}


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (shards(s2=None), "Shard 2 of 3 left no result."),
        (shards(s2=run(cell("cell-1"))), "Shard 2 of 3 has no result of the cell cell-3."),
        (shards(s3=run(cell("cell-4"), interrupted=True)), "Shard 3 of 3 was interrupted."),
        (shards(s3=run(cell("cell-4"), harness="2")), "The shards ran different versions of the harness: 1, 2."),
        (shards(s3=run(cell("cell-4"), cell("cell-0"))), "The cell cell-0 has two results, from the shards 1 and 3."),
        (shards(s3=run(cell("cell-4"), cell("cell-9"))), "The cell cell-9 is not among those that should run"),
        ([*shards(s1=None), Shard(index=1, result=None, problem="It is cut off.")], "It is cut off."),
    ],
)
def test_what_is_missing_or_doubtful_is_named(parts: list[Shard], problem: str) -> None:
    """Each way in which shards can be wrong is one sentence, and what is there is merged nevertheless."""
    merged = merge(parts)
    assert [text for text in merged.problems if text.startswith(problem)], merged.problems
    assert len(merged.problems) == 1
    assert {item.id for item in merged.result.cells} >= set(CELLS) - {"cell-0", "cell-1", "cell-2", "cell-3"}


@pytest.mark.parametrize("order", [(Outcome.PASSED, Outcome.FAILED), (Outcome.FAILED, Outcome.PASSED)])
def test_of_two_results_the_worse_counts(order: tuple[Outcome, Outcome]) -> None:
    """A failure is not hidden by another shard that ran the same cell, in whatever order they are read."""
    first, second = order
    parts = shards(s1=run(cell("cell-0", first), cell("cell-2")), s3=run(cell("cell-4"), cell("cell-0", second)))
    [found] = [item for item in merge(parts).result.cells if item.id == "cell-0"]
    assert found.outcome is Outcome.FAILED


def test_what_shards_say_about_known_failures_is_said_once() -> None:
    """An expectation that two shards speak of is one, with the cases of both."""
    facts = {"state": "passes", "cells": "a", "cases": "b", "reason": "R.", "issue": "i", "expires": "2027-01-01"}
    said = [ExpectationResult.model_validate({**facts, "found": ((name, "case"),)}) for name in ("cell-0", "cell-4")]
    parts = shards(
        s1=run(cell("cell-0"), cell("cell-2"), expectations=(said[0],)),
        s3=run(cell("cell-4"), expectations=(said[1],)),
    )
    [found] = merge(parts).result.expectations
    assert found.found == (("cell-0", "case"), ("cell-4", "case"))


def test_only_the_shards_of_a_division_are_collected(tmp_path: Path) -> None:
    """Shards of another division, files and other directories are left alone; a broken result is a problem."""
    for name in ("1-of-2", "1-of-3", "10-of-3", "other"):
        results.write(run(), tmp_path / name / "result.json")
    trees.write(tmp_path, {"2-of-3": "a file", "3-of-3/result.json": '{"cut": '})
    found = ci.collect(tmp_path, 3)
    assert [item.index for item in found] == [1, 3]
    assert "was cut off" in found[1].problem
    assert ci.collect(tmp_path / "nowhere", 3) == ()


@pytest.mark.slow
@given(
    names=st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=12, unique=True),
    count=st.integers(1, 5),
    data=st.data(),
)
def test_splitting_and_merging_is_what_one_machine_does(names: list[str], count: int, data: st.DataObject) -> None:
    """For any cells, times and number of shards, the merged run has exactly the cells of the whole run, in order."""
    seconds = {name: data.draw(st.floats(1, 1000)) for name in names}
    parts = [schedule.select_shard(names, names, seconds, index=index, count=count) for index in range(1, count + 1)]
    owner = {name: index for index, part in enumerate(parts, 1) for name in part}
    found = [Shard(index=index, result=run(*map(cell, part))) for index, part in enumerate(parts, 1)]
    merged = ci.merge(found, {name: owner[name] for name in names}, count, name="m", command="c")
    assert ([item.id for item in merged.result.cells], merged.problems) == (names, ())


def test_durations_keep_what_is_known_and_drop_what_is_gone() -> None:
    """The latest time counts, in whole seconds of at least one; broken cells and cells that are no more say nothing."""
    runs = [run(cell("a", seconds=9.7), cell("b", seconds=0.1)), run(cell("a", seconds=3.2), cell("c", error="Broke."))]
    found = ci.merge_durations({"a": 60, "c": 7, "gone": 5}, ci.collect_durations(runs), ["c", "b", "a", "new"])
    assert found == {"a": 3, "b": 1, "c": 7}


@pytest.mark.parametrize("text", ["[1]", '{"a": 0}', '{"a": "1"}', '{"a": true}', '{"a": NaN}', '{"a": ', "\xff"])
def test_a_wrong_file_of_durations_is_refused(tmp_path: Path, text: str) -> None:
    """Shards by a file that machines could read differently would lose cells: it is an error, not ignored."""
    (tmp_path / "durations.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"durations\.json: this"):
        ci.read(tmp_path / "durations.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as the working directory, with a history that no other machine has."""
    trees.write(tmp_path, {**trees.PROJECT, "matrix.yaml": trees.AXES + "profiles:\n  all: {}\n"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    return tmp_path


def shard(index: int, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return the cells of a shard of two, as `harness ci shard` prints them."""
    capsys.readouterr()
    assert main(["ci", "shard", f"{index}/2", "--profile", "all", "--format", "ids", *words]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.slow
def test_shards_follow_the_committed_times_and_no_history(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One cell that takes as long as all others has a shard for itself; a machine's own history changes nothing."""
    slow = "debian-sid+systemd-262+unified+nspawn"
    both = [shard(1, capsys), shard(2, capsys)]
    trees.write(project, {"ci/durations.json": json.dumps({slow: 9000})})
    assert shard(1, capsys) == [slow]
    assert sorted(shard(2, capsys)) == sorted({*both[0], *both[1]} - {slow})
    trees.write(project, {"store/history.json": json.dumps(dict.fromkeys(both[0], 50_000.0))})
    assert shard(1, capsys) == [slow]
    chosen = resolve_settings(matrix=None, store=None, runs=None, debug=False, cancelled=Cancellation())
    request = RunOptions(profile="all", shard="1/2").make_request(load_project(chosen), chosen)
    assert request.cells == (slow,)


@pytest.mark.slow
def test_durations_are_written_from_the_history(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`harness ci durations` takes the times of this computer's history, of cells of the matrix only."""
    name = shard(1, capsys)[0]
    trees.write(project, {"store/history.json": json.dumps({name: 12.6, "build runc": 9.0, "other": 0.0})})
    assert main(["ci", "durations"]) == 0
    assert json.loads((project / "ci/durations.json").read_bytes()) == {name: 13}


@pytest.mark.slow
def test_the_merged_run_is_also_junit(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`harness ci merge` leaves one result.json and one junit.xml of all cells; exit code 1 where a shard is missing."""
    names = shard(1, capsys), shard(2, capsys)
    for index in (1, 2):
        results.write(run(*map(cell, names[index - 1])), project / f"shards/{index}-of-2/result.json")
    words = ["ci", "merge", "shards", "--shards", "2", "--profile", "all", "--into", "merged"]
    assert main(words) == 0
    assert len(results.read(project / "merged/result.json").cells) == len(names[0]) + len(names[1])
    suites = list(JUnitXml.fromfile(str(project / "merged/junit.xml")))
    assert {suite.name for suite in suites} == {*names[0], *names[1]}

    (project / "shards/1-of-2/result.json").unlink()
    (project / "shards/1-of-2").rmdir()
    capsys.readouterr()
    assert main(words) == 1
    assert "Shard 1 of 2 left no result." in capsys.readouterr().out
    assert len(results.read(project / "merged/result.json").cells) == len(names[1])
