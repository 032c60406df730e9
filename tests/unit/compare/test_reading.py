"""Reading runs: as fast as need be, and with sentences for what is broken."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import results
from harness.compare import Places, RunOutcomes, compare, load_run, open_all, open_side
from harness.compare.runs import locate
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.model import Outcome
from harness.text import escape
from tests.helpers.sides import CASE, run_result, write_run

HOSTILE = "\x1b[31m<script>alert(1)</script>\u202e\ud800| `x` @everyone\n\n# A title\x00" + "x" * 2000

names = st.text(st.characters(codec="utf-8"), min_size=1)
ids = names.filter(lambda text: text not in {".", ".."} and not {"/", "\0"} & set(text))
nodeids = names.filter(lambda text: text[0] not in "/-:" and ".." not in text)
found = st.dictionaries(ids, st.dictionaries(nodeids, st.sampled_from(list(Outcome)), max_size=4), max_size=4)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A directory of runs with `20261124-9` and `20261124-10` in it, and one of baselines."""
    for name in ("20261124-9", "20261124-10"):
        write_run(tmp_path / "runs" / name, run_result(name, {"a": {CASE: Outcome.PASSED}}))
    return Places(runs=tmp_path / "runs", baselines=tmp_path / "baselines")


@pytest.mark.slow
@given(found)
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, cells: dict[str, dict[str, Outcome]]
) -> None:
    """Any names and outcomes, as the harness writes them or as another program does, are read as pydantic reads them."""
    directory = write_run(tmp_path_factory.mktemp("run"), run_result("r", cells))
    quick = load_run(directory, name="r")
    whole = results.read(directory / "result.json")
    (directory / "result.json").write_text(json.dumps(whole.model_dump(mode="json")), encoding="utf-8")
    slow = load_run(directory, name="r")

    assert quick == slow
    assert {cell.id: {case.nodeid: case.outcome for case in cell.cases} for cell in whole.cells} == {
        name: cell.cases for name, cell in quick.cells.items()
    }
    assert compare(quick, slow).counts.keys() <= compare(slow, slow).counts.keys()
    shutil.rmtree(directory)


def test_cells_are_cut_right_at_the_border_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many bytes are read at a time, the same cells come out."""
    cells = {f"cell-{number}": {CASE: Outcome.FAILED, "x": Outcome.PASSED} for number in range(5)}
    directory = write_run(tmp_path, run_result("r", cells))
    expected = load_run(directory, name="r")
    for size in (300, 307, 512, 1000):
        monkeypatch.setattr("harness.compare.runs.BLOCK", size)
        assert load_run(directory, name="r") == expected


def broken(tmp_path: Path, text: bytes) -> str:
    """Return the message about a result.json with this content."""
    (tmp_path / "result.json").write_bytes(text)
    with pytest.raises(InfrastructureError) as caught:
        load_run(tmp_path, name="runs/1")
    return str(caught.value) + (caught.value.hint or "")


def test_broken_results_are_named_with_their_place(tmp_path: Path) -> None:
    """Truncated, no UTF-8, no result, a key twice, a cell twice: a sentence with file:line:column where there is one."""
    good = (write_run(tmp_path, run_result("r", {"a": {CASE: Outcome.PASSED}})) / "result.json").read_bytes()
    lines = good[:-3].count(b"\n") + 1

    assert f"runs/1/result.json:{lines}:" in broken(tmp_path, good[:-3])
    assert all("cut off" in broken(tmp_path, good[:end]) for end in range(1, len(good) - 2, 50))
    assert "runs/1/result.json:2:9: this result of a run is not UTF-8" in broken(
        tmp_path, good.replace(b'"r"', b'"\xff"')
    )
    assert "`cells.0.cases.0.outcome` must" in broken(
        tmp_path, good.replace(b'"outcome": "passed"', b'"outcome": "fine"')
    )
    assert "the key `id` appears twice" in broken(tmp_path, good.replace(b'"harness"', b'"id"'))
    assert "runs/1/result.json:1:1: " in broken(tmp_path, b"")
    assert "this is not a result of format 1" in broken(tmp_path, b"[]")
    assert "nested too deeply" in broken(tmp_path, b"[" * 100_000)
    twice = run_result("r", {"a": {}, "b": {}})
    results.write(twice.model_copy(update={"cells": (twice.cells[0],) * 2}), tmp_path / "result.json")
    assert "the cell `a` appears twice" in broken(tmp_path, (tmp_path / "result.json").read_bytes())


def test_newer_format_is_refused_with_the_version_that_wrote_it(tmp_path: Path) -> None:
    """A result of a later harness is not half understood, whatever else is in it."""
    said = broken(tmp_path, b'{"format": 2, "harness": "9.1", "cells": {"quite": "different"}}')

    assert "the result has format 2, and this harness reads up to 1" in said
    assert "version 9.1" in said
    write_run(tmp_path, run_result("r", {"a": {}}, format=2))
    assert "format 2" in broken(tmp_path, (tmp_path / "result.json").read_bytes())


def test_hostile_text_is_shown_without_its_power() -> None:
    """No escape, bidi mark, surrogate or line break comes through, and no more than is asked for."""
    shown = escape(HOSTILE)

    assert shown.isprintable()
    assert shown.startswith("\\x1b[31m<script>alert(1)</script>\\u202e\\ud800| `x` @everyone  # A title\\x00xxx")
    assert len(shown) < 350
    shown.encode()


@pytest.mark.slow
def test_line_of_100_mb_costs_no_more_than_a_short_one(tmp_path: Path) -> None:
    """A message of that length is read, and only its beginning is kept."""
    result = run_result("r", {"a": {CASE: Outcome.FAILED}})
    case = result.cells[0].cases[0].model_copy(update={"message": "x" * 100_000_000})
    cell = result.cells[0].model_copy(update={"cases": (case,), "error": "y" * 10_000_000})
    directory = write_run(tmp_path, result.model_copy(update={"cells": (cell,)}))
    read = load_run(directory, name="r").cells["a"]

    assert len(read.messages[CASE]) == len(read.error or "") == 1000


def test_run_that_is_not_whole_says_so(tmp_path: Path) -> None:
    """An interrupted run, and cells that were asked for and have no result, are reported by name."""
    result = run_result("r", {"a": {}}, interrupted=True)
    side = load_run(write_run(tmp_path, result, wanted=("a", "b", "c")), name="runs/1")

    assert side.problems == (
        "runs/1 was interrupted before its cells had finished.",
        "runs/1 has no result for 2 of the 3 cells that were asked for: b, c.",
    )


@pytest.mark.parametrize(
    ("command", "shards"),
    [
        ("harness run --profile ci --shard 2/5", ((2, 5),)),
        ("harness run --shard=1/2 -- -k 'a b'", ((1, 2),)),
        ("harness run --profile ci", ()),
        ("harness run --shard 9/2", ()),
        ("harness run --shard '", ()),
    ],
)
def test_shard_is_known_from_the_command(tmp_path: Path, command: str, shards: tuple[tuple[int, int], ...]) -> None:
    """The command that a run notes says which shard it is; what is no shard is none."""
    write_run(tmp_path, run_result("r", {}, command=command))
    assert load_run(tmp_path, name="r").shards == shards


def test_names_are_found(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run by its name, its directory, its result.json and as `last`; what is not there is named."""
    monkeypatch.chdir(tmp_path)
    by_name = open_side("20261124-9", places)

    def same(text: str) -> bool:
        return open_side(text, places).cells.keys() == by_name.cells.keys()

    assert same("runs/20261124-9")
    assert same("runs/20261124-9/result.json")
    assert same("last")
    (places.runs / "20261124-10" / "result.json").unlink()
    with pytest.raises(UsageError, match=r"last/result\.json: there is no result"):
        open_side("last", places)
    with pytest.raises(UsageError, match="no run and no baseline `nothing`"):
        open_side("nothing", places)
    with pytest.raises(UsageError, match="no/where: there is no such file"):
        open_side("no/where", places)
    with pytest.raises(UsageError, match="named twice"):
        open_all(["20261124-9", "runs/20261124-9"], places)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"notes\.txt:1:1: this is neither"):
        open_side("notes.txt", places)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_sentence(data: bytes) -> None:
    """Whatever a file has, it is read or refused with a sentence that names it."""
    try:
        locate(data, "file", "baseline")
    except HarnessError as error:
        said = str(error)
    else:
        return
    assert said.startswith("file:")
    assert said.endswith(".")


def test_side_is_empty_without_cells() -> None:
    """A side with nothing in it compares with itself."""
    assert compare(RunOutcomes(name="a", kind="run", cells={}), RunOutcomes(name="b", kind="run", cells={})).ran == 0
