"""JUnit XML of a run, for CI systems; Surefire's `flakyFailure` and `rerunFailure` keep reruns apart.

One test suite for each cell, one test case for each case. A cell that broke before its cases ran
has one case of its own name, so that no CI system shows it as green.
"""

from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped, TestSuite
from junitparser.xunit2 import FlakyFailure, TestCase

from harness.model import Outcome
from harness.results import CaseResult, CellResult, RunResult
from harness.text import clean_xml
from harness.writing import replace_file

__all__ = ["write"]


def write(run: RunResult, path: Path) -> None:
    """Write the JUnit file of a run; raises as `replace_file` does."""
    xml = JUnitXml(run.id)
    for cell in run.cells:
        xml.add_testsuite(_make_suite(cell))
    xml.update_statistics()
    with replace_file(path) as half:
        xml.write(str(half), pretty=True)


def _make_suite(cell: CellResult) -> TestSuite:
    suite = TestSuite(cell.id)
    for name, value in {**cell.axes, **cell.facts}.items():
        if value is not None:
            suite.add_property(name, clean_xml(value))
    if cell.error:
        broken = TestCase("cell", classname=cell.id, time=cell.seconds)
        error = Error(clean_xml(cell.error.splitlines()[0]))
        error.text = clean_xml(cell.error)
        broken.result = [error]
        suite.add_testcase(broken)
    for case in cell.cases:
        suite.add_testcase(_make_case(cell, case))
    suite.update_statistics()
    return suite


def _make_case(cell: CellResult, case: CaseResult) -> TestCase:
    place, _, name = case.nodeid.partition("::")
    item = TestCase(name or place, classname=f"{cell.id}.{place.removesuffix('.py').replace('/', '.')}")
    item.time = case.seconds
    kinds = {
        Outcome.FAILED: Failure,
        Outcome.XPASSED: Failure,
        Outcome.ERROR: Error,
        Outcome.SKIPPED: Skipped,
        Outcome.XFAILED: Skipped,
    }
    message = clean_xml(case.message or case.outcome.value)
    if case.expectation:
        message = f"{clean_xml(case.expectation)}: {message}"
    if case.outcome in kinds:
        result = kinds[case.outcome](message)
        result.text = clean_xml(case.details)
        item.result = [result]
    elif case.outcome is Outcome.FLAKY:
        flaky = FlakyFailure(message)
        flaky.text = clean_xml(case.details)
        item.add_interim_result(flaky)
    return item
