"""A run as a table and as JUnit."""

import io
from pathlib import Path
from typing import Any

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from rich.console import Console

from harness.model import Outcome, Phase, State
from harness.report import junit, terminal
from harness.results import CaseResult, CellResult, ExpectationResult, PhaseResult, RunResult
from harness.text import format_duration

FATAL = "The guest died. See console.log:812: Kernel panic"


def case(name: str, outcome: Outcome, message: str = "", **more: Any) -> CaseResult:
    return CaseResult(
        nodeid=f"cgroup/test_x.py::{name}", outcome=outcome, raw=outcome, seconds=1.5, message=message, **more
    )


@pytest.fixture
def run() -> RunResult:
    """A run with a cell of each kind."""
    phases = (
        PhaseResult(phase=Phase.BOOT, state=State.DONE, seconds=8.7),
        PhaseResult(phase=Phase.SUITES, state=State.DONE, seconds=61.2),
    )
    mixed = CellResult(
        id="debian-bookworm+systemd-252+legacy+nspawn",
        axes={"distro": "debian/bookworm", "go": None},
        facts={"systemd": "252.39"},
        phases=phases,
        cases=(
            case("test_a", Outcome.PASSED),
            case("test_b", Outcome.FAILED, "assert \x1b[31mno\x00", details="Traceback \x07"),
            case("test_c", Outcome.SKIPPED, "needs cgroup mode unified"),
            case("test_d", Outcome.XFAILED, "known", expectation="Expected: it is broken. (https://example.org/1)"),
            case("test_e", Outcome.FLAKY, "first try", reruns=1, details="try 1"),
        ),
        again="harness run --cell debian-bookworm+systemd-252+legacy+nspawn",
    )
    broken = CellResult(id="debian-sid+systemd-262+unified+nspawn", axes={}, phases=phases[:1], error=FATAL)
    return RunResult(
        id="20261123-1", harness="0", command="harness run", started="2026-11-23T00:00:00+00:00", seconds=75.0,
        cells=(mixed, broken),
    )  # fmt: skip


def test_junit_has_every_case_with_its_kind(run: RunResult, tmp_path: Path) -> None:
    """CI systems see failures, errors, skips and flaky passes as what they are."""
    path = tmp_path / "junit.xml"
    junit.write(run, path)
    xml = JUnitXml.fromfile(str(path))
    mixed, broken = list(xml)
    kinds = {item.name: [type(result) for result in item.result] for item in mixed}

    assert {"test_a": [], "test_b": [Failure], "test_c": [Skipped], "test_d": [Skipped], "test_e": []} == kinds
    assert (6, 1, 1, 2) == (xml.tests, xml.failures, xml.errors, xml.skipped)
    assert "flakyFailure" in path.read_text(encoding="utf-8")
    assert [Error] == [type(result) for item in broken for result in item.result]
    assert ["junit.xml"] == [item.name for item in tmp_path.iterdir()]


def test_junit_survives_what_a_console_says(run: RunResult, tmp_path: Path) -> None:
    """Control characters, which XML cannot carry, do not break the file."""
    path = tmp_path / "junit.xml"
    junit.write(run, path)
    failure = next(item for item in next(iter(JUnitXml.fromfile(str(path)))) if item.name == "test_b").result[0]

    assert "\N{REPLACEMENT CHARACTER}" in failure.message
    assert failure.text.startswith("Traceback")


def test_warnings_are_in_junit(run: RunResult, tmp_path: Path) -> None:
    """What a console said, and a crash of PID 1, are properties of the cell's suite."""
    first, second = run.cells
    changed = (
        first.model_copy(update={"warnings": ("unit-failed: a", "hung-task: b\x1b")}),
        second.model_copy(update={"pid1_crash": "systemd as PID 1 crashed."}),
    )
    path = tmp_path / "junit.xml"
    junit.write(run.model_copy(update={"cells": changed}), path)
    one, two = ([(item.name, item.value) for item in suite.properties()] for suite in JUnitXml.fromfile(str(path)))

    assert ("warning", "unit-failed: a") in one
    assert ("warning", "hung-task: b\N{REPLACEMENT CHARACTER}") in one
    assert ("pid1_crash", "systemd as PID 1 crashed.") in two


def test_table_says_what_is_wrong_and_how_to_repeat_it(run: RunResult) -> None:
    """Counts, times, the guilty case with its message, the error, the command and the last line are there."""
    out = io.StringIO()
    Console(file=out, width=160).print(terminal.run_summary(run, Path("runs/20261123-1")), soft_wrap=True)
    text = out.getvalue()

    assert "2/4 1F 1x 1~ 1s" in text
    assert "8.7 s" in text
    assert "F cgroup/test_x.py::test_b" in text
    assert "test_c" not in text
    assert FATAL in text
    assert "again: harness run --cell debian-bookworm+systemd-252+legacy+nspawn" in text
    assert "2 cells: 1 failed, 1 error in 1 min 15 s.  results: runs/20261123-1" in text


def test_expectations_that_want_a_look_are_told_before_the_last_line(run: RunResult) -> None:
    """Each with its pattern, what is wrong with it, its reason and its link; of many cases some, and their number."""
    known: dict[str, Any] = {
        "cells": "runtime==runc", "reason": "Known.", "issue": "https://example.org/1", "expires": "2026-01-31"
    }  # fmt: skip
    found = tuple((f"cell-{number}", "cgroup/test_x.py::test_a") for number in range(5))
    told = (
        ExpectationResult(state="passes", cases="cgroup/test_x.py::*", found=found, **known),
        ExpectationResult(state="expired", cases="pod/old", **known),
        ExpectationResult(state="unused", cases="pod/gone", **known),
    )
    out = io.StringIO()
    listed = run.model_copy(update={"expectations": told})
    Console(file=out, width=160).print(terminal.run_summary(listed, Path("runs/1")), soft_wrap=True)
    *_, last = text = out.getvalue().splitlines()

    assert "  cgroup/test_x.py::* where runtime==runc: passes in 5 cases, and can be removed" in text
    assert "    X cell-2 cgroup/test_x.py::test_a" in text
    assert "    and 2 more in result.json" in text
    assert "  pod/old where runtime==runc: expired on 2026-01-31, so it no longer excuses anything" in text
    assert "  pod/gone where runtime==runc: matches no case, although all of its cells ran" in text
    assert text.count("    Known. https://example.org/1") == 3
    assert last.startswith("2 cells: ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.04, "0.0 s"), (9.94, "9.9 s"), (38.2, "38 s"), (252, "4 min 12 s")]
)
def test_duration_is_said_as_people_say_it(seconds: float | None, text: str) -> None:
    """Below ten seconds with a decimal, above a minute in minutes."""
    assert text == format_duration(seconds)
