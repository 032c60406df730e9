"""JUnit XML of a run, for CI systems; Surefire's `flakyFailure` and `rerunFailure` keep reruns apart.

One test suite for each cell, one test case for each case. A cell that broke before its cases ran
has one case of its own name, so that no CI system shows it as green. What JUnit has no word for (an expected failure, a
pass that was expected to fail) is a type that begins with `harness.`, and what a reader could not tell otherwise is a
property that does: `harness.compare` reads the same from it as from result.json.
"""

import json
import re
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestSuite
from junitparser.xunit2 import FlakyFailure, TestCase

from harness.foreign import records
from harness.model import Outcome
from harness.results import CaseResult, CellResult, RunResult
from harness.text import clean_xml
from harness.writing import replace_file

__all__ = ["write"]

KINDS = {
    Outcome.FAILED: (Failure, None),
    Outcome.XPASSED: (Failure, f"{records.PREFIX}xpassed"),
    Outcome.ERROR: (Error, None),
    Outcome.SKIPPED: (Skipped, None),
    Outcome.XFAILED: (Skipped, f"{records.PREFIX}xfailed"),
}
"""By which element JUnit says an outcome, and of which type."""

PLAIN = re.compile(r"(?:[\w-]+/)*[\w-]+\.py::[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")
"""A node id that comes back from a class and a name."""


def write(run: RunResult, path: Path, *, inside: bool = True) -> None:
    """Write the JUnit file of a run; `inside` and what it raises are those of `replace_file`."""
    xml = JUnitXml(clean_xml(run.id))
    suites = [_make_suite(cell) for cell in run.cells] or [TestSuite(clean_xml(run.id))]
    header = run.model_dump(mode="json", exclude={"cells", "expectations", "seconds"})
    suites[0].add_property(records.RUN, json.dumps(header))
    for suite in suites:
        xml.add_testsuite(suite)
    xml.update_statistics()
    with replace_file(path, inside=inside) as half:
        xml.write(str(half), pretty=True)


def _make_suite(cell: CellResult) -> TestSuite:
    name = clean_xml(cell.id)
    suite = TestSuite(name)
    for key, value in {**cell.axes, **cell.facts}.items():
        if value is not None:
            suite.add_property(clean_xml(key), clean_xml(value))
    error = None if cell.error is None else cell.error[: records.LONGEST]
    exact = {"id": cell.id, "axes": cell.axes, "facts": cell.facts, "error": error}
    suite.add_property(records.CELL, json.dumps(exact))
    for warning in cell.warnings:
        suite.add_property("warning", clean_xml(warning))
    if cell.pid1_crash:
        suite.add_property("pid1_crash", clean_xml(cell.pid1_crash))
    if cell.error:
        broken = TestCase(records.BROKEN, classname=name, time=cell.seconds)
        result = Error(clean_xml(cell.error.splitlines()[0]))
        result.text = clean_xml(cell.error)
        broken.result = [result]
        suite.add_testcase(broken)
    for case in cell.cases:
        suite.add_testcase(_make_case(name, case))
    suite.update_statistics()
    return suite


def _make_case(cell: str, case: CaseResult) -> TestCase:
    place, _, name = clean_xml(case.nodeid).partition("::")
    item = TestCase(name or place, classname=f"{cell}.{place.removesuffix('.py').replace('/', '.')}")
    item.time = case.seconds
    message = clean_xml(case.message or case.outcome.value)
    if case.expectation:
        message = f"{clean_xml(case.expectation)}: {message}"
    if not PLAIN.fullmatch(case.nodeid):
        _add_property(item, records.NODEID, case.nodeid)
    if case.outcome.wants_a_look:
        _add_property(item, records.MESSAGE, case.message[: records.LONGEST])
    if case.outcome in KINDS:
        kind, named = KINDS[case.outcome]
        result = kind(message, named)
        result.text = clean_xml(case.details)
        item.result = [result]
    elif case.outcome is Outcome.FLAKY:
        flaky = FlakyFailure(message)
        flaky.text = clean_xml(case.details)
        item.add_interim_result(flaky)
    return item


def _add_property(item: TestCase, name: str, value: str) -> None:
    """Add a property to a case, which junitparser can only give to a suite."""
    properties = item.child(Properties)
    if properties is None:
        properties = Properties()
        item.append(properties)
    properties.add_property(Property(name, json.dumps(value)))
