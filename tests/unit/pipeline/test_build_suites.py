"""Suites that are asked where the runtime is built: they need no guest, and are not kept from running by a build that fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline, suite
from harness.catalog import SuiteFile, SuitePlace
from harness.errors import InfrastructureError
from harness.model import Outcome, Phase
from harness.pipeline import CellTask, RunContext, list_prerequisites
from harness.plan import Plan

CASES = """
def test_source(tree): assert False, "not reached"
def test_cell(cell): assert cell.runtime == "nspawn"
"""


@pytest.fixture
def both(planned: Plan, tmp_path: Path) -> Plan:
    """A plan with a suite for each place; its runtime is not built."""
    root = tmp_path / "suites"
    for name in ("source", "inside"):
        (root / name).mkdir(parents=True)
        (root / name / "test_it.py").write_text(CASES)
    (root / "pytest.ini").write_text("[pytest]\n")
    suites = {
        "source": SuiteFile(name="source", description="At the build.", place=SuitePlace.BUILD),
        "inside": SuiteFile(name="inside", description="In the guest."),
    }
    return replace(planned, suites=suites, root=root)


def test_named_cases_say_what_is_needed(both: Plan) -> None:
    """A guest is needed for its own cases only; a plan without any suite is for a person who wants one."""
    assert list(both.select_suites(SuitePlace.BUILD)) == ["source"]
    assert list(both.select_suites(SuitePlace.GUEST)) == ["inside"]
    assert both.select_suites(SuitePlace.GUEST, ["source/test_it.py::test_cell"]) == {}
    assert both.needs_guest()
    assert not both.needs_guest(["source/test_it.py"])
    assert both.needs_guest(["source/test_it.py", "inside/test_it.py"])
    assert replace(both, suites={}).needs_guest()


def test_without_a_guest_nothing_is_made_for_it(both: Plan) -> None:
    """No image, and no build ahead of the cases that are about the build."""
    assert list_prerequisites(both) != ()
    assert list_prerequisites(replace(both, suites={"source": both.suites["source"]})) == ()


@pytest.mark.slow
def test_cell_without_a_guest(both: Plan, work: RunContext, tmp_path: Path) -> None:
    """Its cases are judged, what asks for a source that there is not is skipped, and no phase is about a guest."""
    plan = replace(both, suites={"source": both.suites["source"]})

    result = pipeline.evaluate(CellTask(plan=plan), work, tmp_path / "cell")

    assert result.error is None
    assert [(case.nodeid, case.outcome) for case in result.cases] == [
        ("source/test_it.py::test_source", Outcome.SKIPPED),
        ("source/test_it.py::test_cell", Outcome.PASSED),
    ]
    assert [(phase.phase, phase.text) for phase in result.phases] == [(Phase.SUITES, "1 passed, 1 skipped")]
    assert (tmp_path / "cell" / "tree" / "pytest.log").is_file()


@pytest.mark.slow
def test_guest_that_is_not_to_be_had_keeps_the_cases_of_the_build(both: Plan, work: RunContext, tmp_path: Path) -> None:
    """The cell is an error, and what was found out before stays in its result."""
    broken = {Phase.IMAGE: InfrastructureError("The image could not be made.")}

    result = pipeline.evaluate(CellTask(plan=both, broken=broken), work, tmp_path / "cell")

    assert result.error == "The image could not be made."
    assert [case.outcome for case in result.cases] == [Outcome.SKIPPED, Outcome.PASSED]


@pytest.mark.slow
def test_children_of_a_killed_harness_write_nothing_here(both: Plan, work: RunContext, tmp_path: Path) -> None:
    """A pytest that outlived its harness has the report open, and goes on to write; the cases that run now are not its."""
    plan = replace(both, suites={"source": both.suites["source"]})
    report = tmp_path / "cell" / "tree" / suite.REPORT
    report.parent.mkdir(parents=True)
    with report.open("w") as orphan:
        orphan.write("{}\n" * 999)
        orphan.flush()
        result = pipeline.evaluate(CellTask(plan=plan), work, tmp_path / "cell")
        orphan.write('{"$report_type": "TestReport", "nodeid": "source/test_it.py::test_cell", "outcome": "failed"}\n')

    assert [case.outcome for case in result.cases] == [Outcome.SKIPPED, Outcome.PASSED]
    assert {record.get("outcome") for record in suite.read_report(report)} <= {None, "passed", "skipped"}
    assert b"\0" not in report.read_bytes()
