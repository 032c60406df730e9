"""Baselines as files: the same for the same results, fit for a diff, and checked when they are read."""

import difflib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import cli
from harness.compare import ChangeKind, RunOutcomes, carry_history, compare, load_run, open_all, open_side
from harness.compare.baseline import find_baseline, format_baseline, load_baseline, write_baseline
from harness.compare.loading import Places
from harness.errors import InfrastructureError, UsageError
from harness.model import Outcome
from tests.helpers.sides import CASE, cell_side, run_result, side, write_run

OTHER = "cgroup/test_x.py::test_z"
names = st.text(st.characters(codec="utf-8"), min_size=1)
found = st.dictionaries(names, st.dictionaries(names, st.sampled_from(list(Outcome)), max_size=4), max_size=4)


def made(cells: dict[str, dict[str, Outcome]]) -> RunOutcomes:
    return side(
        *(cell_side(name, cases, facts={"systemd": "252", "boot": "cold"}) for name, cases in cells.items()),
        started="2026-11-24T00:00:00+00:00", facts={"harness": "1", "host kernel": "6.1"},
    )  # fmt: skip


@pytest.mark.slow
@given(found)
def test_what_is_saved_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, cells: dict[str, dict[str, Outcome]]
) -> None:
    """Any names and outcomes come back; what varies from run to run does not."""
    path = tmp_path_factory.mktemp("b") / "b.json"
    one = made(cells)
    write_baseline(one, path)
    read = load_baseline(path, name="b")

    assert {name: cell.cases for name, cell in read.cells.items()} == cells
    assert set(compare(one, read).counts) <= {"same", "still failing", "still broken", "still flaky"}
    assert all(cell.facts == {"systemd": "252"} for cell in read.cells.values())
    assert read.facts == {"harness": "1"}
    assert [item.name for item in path.parent.iterdir()] == ["b.json"]
    path.unlink()
    path.parent.rmdir()


@given(st.permutations(["a", "b", "c"]), st.permutations([CASE, OTHER, "pod/t.py::t"]))
def test_bytes_depend_on_nothing_but_results(cells: list[str], cases: list[str]) -> None:
    """In whatever order cells ended and cases ran, the file is the same."""
    one = made({cell: dict.fromkeys(cases, Outcome.PASSED) for cell in cells})
    assert format_baseline(one) == format_baseline(
        made({cell: dict.fromkeys(sorted(cases), Outcome.PASSED) for cell in "abc"})
    )


def test_a_case_that_changed_is_one_line_of_a_diff() -> None:
    """A reviewer sees the case and both of its outcomes, and nothing else."""
    before = format_baseline(made({"a": {CASE: Outcome.PASSED, OTHER: Outcome.PASSED}}))
    after = format_baseline(made({"a": {CASE: Outcome.FAILED, OTHER: Outcome.PASSED}}))
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]

    assert changed == [f'- "{CASE}": "passed",', f'+ "{CASE}": "failed",']


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"passed"', '"fine"', "`cells.0.cases.*` must be"),
        ('"passed"', '"passed",', ":10:38: this baseline is not JSON"),
        (f'"{OTHER}"', f'"{CASE}"', f"the key `{CASE}` appears twice"),
        ('"format": 1', '"format": 2', "the baseline has format 2, and this harness reads up to 1"),
        ('"axes"', '"axis"', "the key `cells.0.ax.s` is"),
        ("<<<", "<<<", ""),
    ],
)
def test_broken_baseline_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    """A merge that went wrong, another outcome, a newer format: a sentence that names the file."""
    monkeypatch.chdir(tmp_path)
    path = Path("b.json")
    text = format_baseline(made({"a": {OTHER: Outcome.PASSED, CASE: Outcome.FAILED}}))
    path.write_text(text.replace(old, new, 1) if said else f"<<<<<<< ours\n{text}", encoding="utf-8")
    with pytest.raises(InfrastructureError, match=rf"^b\.json.*{said}"):
        load_baseline(path, name="b")


def test_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    """A baseline is named by one word, which is no path."""
    for name in ("../x", "a/b", "", ".x", "a\nb", "x" * 101):
        with pytest.raises(UsageError):
            find_baseline(tmp_path, name)
    assert find_baseline(tmp_path, "release-1.2") == tmp_path / "release-1.2.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a good run `20261124-1` and a worse one, `20261124-2`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)
    (tmp_path / "matrix.yaml").touch()
    for number, outcome in ((1, Outcome.PASSED), (2, Outcome.FAILED)):
        name = f"20261124-{number}"
        write_run(tmp_path / "runs" / name, run_result(name, {"a": {CASE: outcome, OTHER: Outcome.PASSED}}))
    return tmp_path


def test_verbs_save_list_and_promote(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run becomes a baseline; one that is worse takes its place only if that is said."""
    assert cli.main(["baseline", "save", "release", "20261124-1"]) == 0
    assert cli.main(["baseline", "save", "release", "20261124-1"]) == 2
    assert cli.main(["baseline", "save", "next", "last"]) == 0
    first = (project / "ci" / "baselines" / "release.json").read_bytes()
    capsys.readouterr()
    assert cli.main(["baseline", "list", "--format", "json"]) == 0
    assert [(row["name"], row["cases"], row["failed"]) for row in json.loads(capsys.readouterr().out)] == [
        ("next", 2, 1), ("release", 2, 0),
    ]  # fmt: skip

    assert cli.main(["baseline", "promote", "next", "release"]) == 1
    assert f"regressed: a {CASE}" in capsys.readouterr().out
    assert (project / "ci" / "baselines" / "release.json").read_bytes() == first
    assert cli.main(["baseline", "promote", "next", "release", "--accept-regressions"]) == 0
    where = Places(runs=project / "runs", baselines=project / "ci" / "baselines")
    assert open_side("release", where).cells["a"].cases[CASE] is Outcome.FAILED
    assert (
        load_run(project / "runs" / "20261124-2", name="r").cells["a"].cases
        == open_side("next", where).cells["a"].cases
    )


def test_run_that_is_not_whole_is_no_baseline(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Interrupted, without cells that were asked for, without a shard, or one in which nothing ran."""
    result = run_result("20261124-3", {"a": {CASE: Outcome.SKIPPED}})
    place = project / "runs" / "20261124-3"
    write_run(place, result, wanted=("a", "b"))
    assert cli.main(["baseline", "save", "x", "last"]) == 2
    assert "no result for 1 of the 2 cells that were asked for: b." in capsys.readouterr().err
    write_run(place, result.model_copy(update={"command": "harness run --shard 1/2"}), wanted=("a",))
    assert cli.main(["baseline", "save", "x", "last"]) == 2
    assert "The shard 2/2 is missing" in capsys.readouterr().err
    write_run(place, result, wanted=("a",))
    assert cli.main(["baseline", "save", "x", "last"]) == 4
    assert not (project / "ci").exists()


def test_repetitions_are_one_case_with_counts(tmp_path: Path) -> None:
    """What `--multiply` ran is one case: failed if all runs did, flaky if some did; a baseline keeps how many."""
    outcomes = {
        **{
            f"s/test_a.py::test_x[again{number}]": Outcome.FAILED if number == 1 else Outcome.PASSED
            for number in (1, 2, 3)
        },
        **{f"s/test_a.py::test_y[p-again{number}]": Outcome.FAILED for number in (1, 2)},
        "s/test_a.py::test_once[again]": Outcome.PASSED,
    }
    side = load_run(write_run(tmp_path, run_result("r", {"c": outcomes})), name="r")
    write_baseline(side, tmp_path / "b.json")
    for found in (side, load_baseline(tmp_path / "b.json", name="b")):
        assert found.cells["c"].cases == {
            "s/test_a.py::test_x": Outcome.FLAKY,
            "s/test_a.py::test_y[p]": Outcome.FAILED,
            "s/test_a.py::test_once[again]": Outcome.PASSED,
        }
        assert found.cells["c"].counts == {"s/test_a.py::test_x": (1, 3), "s/test_a.py::test_y[p]": (2, 2)}
    assert side.cells["c"].messages["s/test_a.py::test_x"] == "failed it is"


@pytest.mark.parametrize(
    ("outcome", "name"),
    [(Outcome.FAILED, "new failure"), (Outcome.FLAKY, "flaky"), (Outcome.ERROR, "broken")],
)
def test_promote_holds_a_candidate_to_the_limits_of_the_gate(project: Path, outcome: Outcome, name: str) -> None:
    """A case that newly fails, is flaky or broke keeps a candidate from becoming the bar, as it keeps a release."""
    assert name
    good = {CASE: Outcome.PASSED, OTHER: Outcome.PASSED}
    for run, cases in (("20261125-1", good), ("20261125-2", {**good, "cgroup/new.py::t": outcome})):
        write_run(project / "runs" / run, run_result(run, {"a": cases}))
    assert cli.main(["baseline", "save", "bar", "20261125-1"]) == 0
    assert cli.main(["baseline", "save", "candidate", "20261125-2"]) == 0
    assert cli.main(["baseline", "promote", "candidate", "bar"]) == 1


def test_a_baseline_remembers_failures_and_fixes(project: Path) -> None:
    """Since when a case fails is carried on; one that was fixed and fails again has a status of its own."""
    place = project / "ci" / "baselines"
    steps = {"1": Outcome.FAILED, "2": Outcome.FAILED, "3": Outcome.PASSED, "4": Outcome.PASSED}
    seen = {}
    for number, outcome in steps.items():
        run = f"20261125-{number}"
        result = run_result(
            run, {"a": {CASE: outcome, OTHER: Outcome.PASSED}}, started=f"2026-11-0{number}T00:00:00+00:00"
        )
        write_run(project / "runs" / run, result)
        assert cli.main(["baseline", "save", "bar", run, "--replace"]) == 0
        seen[number] = load_baseline(place / "bar.json", name="bar").cells["a"]
    assert [seen[number].since.get(CASE) for number in "12"] == [None, "2026-11-01"]
    assert [seen[number].fixed for number in "1234"] == [frozenset(), frozenset(), {CASE}, {CASE}]
    now = side(cell_side("a", {CASE: Outcome.FAILED, OTHER: Outcome.PASSED}))
    found = compare(load_baseline(place / "bar.json", name="bar"), now)
    assert found.counts == {ChangeKind.FAILS_AGAIN: 1, ChangeKind.SAME: 1}
    assert found.exit_code == 1


A, B = "s/test_a.py::test_x", "s/test_a.py::test_y"


def test_several_runs_are_counted_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --pool each case counts over all runs, whichever attempt they are; what broke in one says nothing there."""
    runs = {
        "20261126-1": {"a": {A: Outcome.PASSED, B: Outcome.FAILED}},
        "20261126-2": {"a": {A: Outcome.FAILED, B: Outcome.ERROR}},
        "20261126-3": {"a": {A: Outcome.PASSED, B: Outcome.FAILED}, "b": {A: Outcome.PASSED}},
    }
    for number, (name, cells) in enumerate(runs.items(), start=1):
        write_run(project / "runs" / name, run_result(name, cells, attempt=number, commit="c"))
    assert cli.main(["baseline", "save", "joined", *runs]) == 2
    assert "--pool" in capsys.readouterr().err
    assert cli.main(["baseline", "save", "pooled", *runs, "--pool"]) == 0
    where = Places(runs=project / "runs", baselines=project / "ci" / "baselines")
    cell = open_side("pooled", where).cells["a"]
    assert (cell.cases, cell.counts) == ({A: Outcome.FLAKY, B: Outcome.FAILED}, {A: (1, 3), B: (2, 2)})
    whole, conflicts = open_all(list(runs), where, pooled=True)
    assert conflicts == ()
    assert whole.older == ("20261126-2: 1 case of a broke, s/test_a.py::test_y first, which counts for nothing.",)
    strict, _ = open_all(list(runs), where, pooled=True, strict=True)
    assert (strict.cells["a"].cases[B], strict.older) == (Outcome.ERROR, ())
    shutil.copytree(project / "runs" / "20261126-1", project / "copy")
    with pytest.raises(UsageError, match="copy is a copy of 20261126-1; each run counts once"):
        open_all(["20261126-1", str(project / "copy")], where, pooled=True)
    capsys.readouterr()
    assert cli.main(["compare", ",".join(runs), "pooled", "--pool"]) == 0
    other = run_result("20261126-4", {"a": {A: Outcome.PASSED}}, commit="another")
    write_run(project / "runs" / "20261126-4", other)
    assert cli.main(["baseline", "save", "mixed", *runs, "20261126-4", "--pool"]) == 2
    assert "different commits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("counts", "best"),
    [
        ([(0, 20), (1, 20), (3, 20)], (0, 20, "2026-11-01")),
        ([(4, 20), (1, 20), (3, 20)], (1, 20, "2026-11-02")),
        ([(4, 20), (3, 20), (1, 20)], None),
        ([(3, 100), (0, 2)], (3, 100, "2026-11-01")),
        ([(0, 2), (3, 100)], None),
        ([(3, 100), None, (5, 80)], (3, 100, "2026-11-01")),
        ([(3, 100), None, None], (3, 100, "2026-11-01")),
        ([(1, 20), (1, 20)], None),
    ],
)
def test_the_bar_is_the_best_of_the_baselines(
    counts: list[tuple[int, int] | None], best: tuple[int, int, str] | None, tmp_path: Path
) -> None:
    """Each baseline may be a little worse than the one before; what is compared with is the best, with enough runs."""
    path = tmp_path / "b.json"
    for day, found in enumerate(counts, start=1):
        cell = cell_side("a", {A: Outcome.FLAKY}, counts={A: found} if found else {})
        now = side(cell, started=f"2026-11-0{day}T00:00:00+00:00")
        write_baseline(carry_history(now, load_baseline(path, name="b")) if path.exists() else now, path)
    read = load_baseline(path, name="b").cells["a"]
    assert read.best.get(A) == best
    assert read.find_bar(A) == (best[:2] if best else counts[-1])
