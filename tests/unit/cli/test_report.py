"""`harness report`: which run, which format, where it goes, and what goes wrong."""

import json
import os
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from bench.report_page import large, leave_logs
from harness import proc, results
from harness.errors import ExitCode
from harness.proc import CommandError, Done
from harness.wait import Deadline
from tests import ROOT


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A directory of two runs, the second one later."""
    for number in (1, 2):
        run = large(3, 4).model_copy(update={"id": f"20261123-{number}", "started": f"2026-11-23T0{number}:00:00Z"})
        place = tmp_path / run.id
        results.write(run, place / "result.json")
        leave_logs(run, place, lines=5)
        os.utime(place / "result.json", (1_000_000 * number, 1_000_000 * number))
    return tmp_path


def report(runs: Path, *words: str) -> Done:
    argv = [
        sys.executable, "-m", "harness", "--runs", str(runs), "--matrix", str(ROOT / "matrix.yaml"), "report", *words
    ]  # fmt: skip
    return proc.run(argv, deadline=Deadline.after(60, "report"), apart=True)


@pytest.mark.slow
def test_the_page_of_a_run_goes_into_its_directory(runs: Path) -> None:
    """`harness report RUN` writes report.html there and prints its path; without a run it is the latest one's."""
    assert str(runs / "20261123-1" / "report.html") == report(runs, "20261123-1").out.strip()
    assert str(runs / "20261123-2" / "report.html") == report(runs).out.strip()
    assert "<title>Run 20261123-2: " in (runs / "20261123-2" / "report.html").read_text(encoding="utf-8")
    assert '"runs":[["20261123-1",' in (runs / "20261123-2" / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_other_formats(runs: Path, tmp_path: Path) -> None:
    """JUnit goes into the directory or where it is told to, JSON to stdout; both have all cases."""
    path = runs / "20261123-1"
    report(runs, f"{path}{os.sep}", "--format", "junit", "-o", str(tmp_path / "x" / "all.xml"))
    told = json.loads(report(runs, "20261123-1", "--format", "json").out)

    assert (
        sum(len(cell["cases"]) + bool(cell["error"]) for cell in told["cells"])
        == JUnitXml.fromfile(str(tmp_path / "x" / "all.xml")).tests
    )
    assert not (path / "junit.xml").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("none",), ExitCode.USAGE, "There is no run none"),
        (("20261123-1", "--format", "pdf"), ExitCode.USAGE, "pdf"),
        (("20261123-1", "-o", "/proc/none/report.html"), ExitCode.USAGE, "cannot be written"),
    ],
)
def test_what_cannot_be_is_said(runs: Path, words: tuple[str, ...], code: ExitCode, says: str) -> None:
    """A run that is not there, a format that is unknown, and a place that cannot be written are sentences and codes."""
    with pytest.raises(CommandError) as caught:
        report(runs, *words)

    assert code == caught.value.done.code
    assert says in caught.value.done.err
    assert "Traceback" not in caught.value.done.err


@pytest.mark.slow
def test_no_run_at_all(tmp_path: Path) -> None:
    """Without any run it says so, and what makes one."""
    with pytest.raises(CommandError) as caught:
        report(tmp_path)

    assert ExitCode.USAGE == caught.value.done.code
    assert "There is no run in" in caught.value.done.err
