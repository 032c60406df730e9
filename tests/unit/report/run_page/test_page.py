"""What the page of a run shows: bounded excerpts, history, timeline, and all of it harmless."""

import html
import json
import os
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report_page import large, leave_logs
from harness import results
from harness.model import Outcome, Phase, State
from harness.report import run_page
from harness.report.run_page.timeline import draw_timeline
from harness.results import CaseResult, CellResult, PhaseResult, RunResult

SOURCES = Path(run_page.__file__).parent
HOSTILE = (
    "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>\x1b]8;;file:///etc\x07x\x1b[31m\udcff\u202e\x00"
)


def shown(run: RunResult, directory: Path) -> dict[str, Any]:
    """Return the data of a run's page."""
    found = re.search(
        r'<script type="application/json" id="run-data">(.*?)</script>', run_page.render_page(run, directory)
    )
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def small(**values: Any) -> RunResult:
    """Return a run of one cell with one case that failed."""
    case = CaseResult(nodeid="cgroup/test_x.py::test_a", outcome=Outcome.FAILED, raw=Outcome.FAILED, seconds=1.0)
    cell = {"id": "a+b", "axes": {"distro": "debian/bookworm"}, "cases": (case,)} | values
    return RunResult(
        id="20261123-1", harness="0", command="harness run", started="2026-11-23T10:00:00+00:00",
        cells=(CellResult.model_validate(cell),),
    )  # fmt: skip


def console(directory: Path, content: bytes, cell: str = "a+b") -> None:
    """Leave a console log."""
    place = directory / "cells" / cell / "machine"
    place.mkdir(parents=True)
    (place / "console.log").write_bytes(content)


@pytest.mark.slow
def test_a_line_of_100_megabytes_costs_little(tmp_path: Path) -> None:
    """One line of 100 MB, of signs that are six times as large in JSON, leaves the page small."""
    console(tmp_path, b"\xff\x90\x1b]" * 25_000_000)
    run = small(error="The guest died.")
    text = run_page.render_page(run, tmp_path)
    ((_, parts, skipped),) = shown(run, tmp_path)["excerpts"]["0"]

    assert len(text) < 400_000
    assert parts
    assert skipped + sum(part[2] for part in parts) > 99_000_000


def test_links_and_pipes_are_no_files(tmp_path: Path) -> None:
    """What a directory of a run has besides regular files is neither followed nor read nor waited for."""
    console(tmp_path, b"hello\n")
    place = tmp_path / "cells" / "a+b"
    (tmp_path / "secret.log").write_text("secret words", encoding="utf-8")
    (place / "link.log").symlink_to(tmp_path / "secret.log")
    (place / "up").symlink_to(tmp_path)
    os.mkfifo(place / "pipe.log")
    text = run_page.render_page(small(), tmp_path)

    assert "secret words" not in text
    assert ["machine/console.log"] == [shown(small(), tmp_path)["paths"][0]]
    assert "pipe.log" not in text


def test_hostile_text_is_only_text(tmp_path: Path) -> None:
    """Whatever is in names, messages, details, facts and logs, the page has our elements and nothing else."""
    case = CaseResult(
        nodeid=f"cgroup/{HOSTILE}", outcome=Outcome.FAILED, raw=Outcome.FAILED, seconds=1.0, message=HOSTILE,
        details=HOSTILE, expectation=HOSTILE,
    )  # fmt: skip
    phase = PhaseResult(phase=Phase.BOOT, state=State.FAILED, seconds=1.0, text=HOSTILE, started=HOSTILE)
    values = {
        "axes": {HOSTILE: HOSTILE}, "facts": {HOSTILE: HOSTILE}, "error": HOSTILE, "again": HOSTILE, "cases": (case,),
        "phases": (phase,),
    }  # fmt: skip
    console(tmp_path, HOSTILE.encode(errors="surrogateescape") * 100)
    infested = small(**values).model_copy(update={"command": HOSTILE, "computer": {HOSTILE: HOSTILE}})
    text = run_page.render_page(infested, tmp_path)

    assert tags(run_page.render_page(small(error="x"), tmp_path)) == tags(text)
    assert "\x1b" not in text
    assert "\x00" not in text
    text.encode("utf-8")


def tags(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Elements of a page with the names of their attributes."""
    found: list[tuple[str, tuple[str, ...]]] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, tuple(name for name, _ in attrs)))

    Parser().feed(text)
    return found


def test_scripts_never_make_markup_of_text() -> None:
    """The page's script uses none of the doors by which a string becomes markup or code, and loads nothing."""
    script = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.js"))

    for door in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "fetch(",
        "http:",
    ):
        assert door not in script.replace('"http://www.w3.org/2000/svg"', ""), door


@pytest.mark.slow
def test_a_page_of_10000_cases_is_bounded(tmp_path: Path) -> None:
    """10,000 cases with logs of 200 cells: at most 5 MB, every case is there, and every cell that failed has its console."""
    run = large(200, 50)
    leave_logs(run, tmp_path, lines=2000)
    text = run_page.render_page(run, tmp_path)
    data = shown(run, tmp_path)

    assert len(text.encode()) <= run_page.PAGE_BYTES
    assert [len(cell.cases) for cell in run.cells] == [len(cell["codes"]) for cell in data["cells"]]
    for index, cell in enumerate(run.cells):
        if cell.outcome in {Outcome.FAILED, Outcome.ERROR}:
            assert "machine/console.log" in {data["paths"][item[0]] for item in data["excerpts"][str(index)]}


@pytest.mark.slow
def test_more_cases_than_fit_are_counted(tmp_path: Path) -> None:
    """Of 100,000 cases those that harmed nobody are left out first, and the sums are right."""
    run = large(2000, 50)
    data = shown(run, tmp_path)
    left = {code: sum(cell["left"].get(code, 0) for cell in data["cells"]) for code in ".sFE~xX"}
    kept = "".join(cell["codes"] for cell in data["cells"])

    assert 100_000 == len(kept) + sum(left.values())
    assert len(kept) <= 30_000
    assert 0 == left["F"] + left["E"] + left["~"] + left["X"]


@pytest.mark.slow
def test_names_without_end_still_fit(tmp_path: Path) -> None:
    """Ten thousand different names of a thousand strange letters each: the page is cut, not its bound."""
    cases = tuple(
        CaseResult(
            nodeid=f"{number}\u2603" * 200,
            outcome=Outcome.PASSED,
            raw=Outcome.PASSED,
            seconds=0.0,
            message="\u2603" * 300,
        )
        for number in range(10_000)
    )
    assert len(run_page.render_page(small(cases=cases), tmp_path).encode()) <= run_page.PAGE_BYTES


def test_history_is_of_the_same_cells(tmp_path: Path) -> None:
    """Runs next to it that have a cell of it are columns in the order of their starts; broken and foreign ones are none."""
    run = small()
    passed = run.cells[0].cases[0].model_copy(update={"outcome": Outcome.PASSED})
    for name, started, cells in (
        ("b", "2026-11-22T10:00:00+00:00", (run.cells[0].model_copy(update={"cases": (passed,)}),)),
        ("a", "2026-11-24T10:00:00+00:00", run.cells),
        ("other", "2026-11-21T10:00:00+00:00", (run.cells[0].model_copy(update={"id": "else"}),)),
    ):
        other = run.model_copy(update={"id": name, "started": started, "cells": cells})
        results.write(other, tmp_path / name / "result.json")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text('{"id": ', encoding="utf-8")
    (tmp_path / "a" / "report.html").write_text("page", encoding="utf-8")
    found = run_page.collect_past(run, tmp_path / run.id)

    assert [("b", False), ("a", True)] == [(item.id, item.page) for item in found.runs]
    assert {("a+b", "cgroup/test_x.py::test_a"): ".F"} == found.outcomes


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0.1, 900)), min_size=1, max_size=30))
def test_lanes_are_as_few_as_cells_at_a_time(spans: list[tuple[float, float]]) -> None:
    """No two cells overlap on a lane, and there are no more lanes than cells that ran at one time."""
    begin = datetime(2026, 11, 23, tzinfo=UTC)
    spans = [(round(start, 1), round(took, 1)) for start, took in spans]
    cells = [
        CellResult(
            id=str(number), axes={},
            phases=(
                PhaseResult(
                    phase=Phase.BOOT, state=State.DONE, seconds=took,
                    started=(begin + timedelta(seconds=start)).isoformat(timespec="milliseconds"),
                ),
            ),
        )
        for number, (start, took) in enumerate(spans)
    ]  # fmt: skip
    found = draw_timeline(cells)

    assert found is not None
    for lane in range(found.lanes):
        bars = sorted((bar.start, bar.start + bar.seconds) for bar in found.bars if bar.lane == lane)
        assert all(end <= start + 0.06 for (_, end), (start, _) in pairwise(bars))
    most = max(sum(start <= at < start + took for start, took in spans) for at, _ in spans)
    assert found.lanes <= most
    assert max(bar.start + bar.seconds for bar in found.bars) <= found.seconds + 0.01


def test_a_long_pause_is_shortened() -> None:
    """A run that went on the next day shows its work, not the night; without times there is no timeline."""
    phases = [
        PhaseResult(phase=Phase.BOOT, state=State.DONE, seconds=100.0, started=f"2026-11-2{day}T10:00:00.000+00:00")
        for day in (3, 4)
    ]
    found = draw_timeline([CellResult(id=str(number), axes={}, phases=(item,)) for number, item in enumerate(phases)])

    assert found is not None
    assert found.seconds < 220
    assert [86_300.0] == [pause.seconds for pause in found.pauses]
    assert (
        draw_timeline([CellResult(id="x", axes={}, phases=(phases[0].model_copy(update={"started": "soon"}),))]) is None
    )


def test_results_of_before_are_read() -> None:
    """A phase without a start, as earlier versions wrote it, is a phase."""
    old = '{"phase": "boot", "state": "done", "seconds": 1.5, "text": "cold"}'
    assert PhaseResult.model_validate_json(old).started is None


def test_the_page_is_written_whole_or_not(tmp_path: Path) -> None:
    """It is written next to its place and renamed; elsewhere its links lead back to the run's directory."""
    directory = tmp_path / "runs" / "1"
    directory.mkdir(parents=True)
    path = run_page.write(small(), directory, tmp_path / "site" / "page.html")

    assert ["page.html"] == [item.name for item in path.parent.iterdir()]
    assert '"base":"../runs/1/"' in path.read_text(encoding="utf-8")
    assert str(tmp_path) not in path.read_text(encoding="utf-8")
    assert directory / "report.html" == run_page.write(small(), directory)


def test_what_went_wrong_is_there_without_a_script(tmp_path: Path) -> None:
    """The failed case, its message and the expectation's link are in the page's own markup; no other scheme is a link."""
    text = run_page.render_page(small(error="The guest died."), tmp_path)
    known = {"cells": "*", "cases": "x", "reason": "Known.", "expires": "2026-01-01", "state": "expired"}
    listed = [known | {"issue": "https://example.org/1"}, known | {"issue": "javascript:alert(1)"}]
    run = RunResult.model_validate(small().model_dump() | {"expectations": listed})

    assert "The guest died." in text.partition('id="run-data"')[0]
    links = [parse_qs(html.unescape(found)) for found in re.findall(r'href="#([^"]*)"', text)]
    assert {"view": ["case"], "id": ["cgroup/test_x.py::test_a"]} in links
    assert 'href="https://example.org/1"' in run_page.render_page(run, tmp_path)
    assert 'href="javascript' not in run_page.render_page(run, tmp_path)
