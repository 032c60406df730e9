"""The decision as JUnit: a case for each check, so that a CI system shows which of them refused."""

from pathlib import Path

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from harness.gate.checks import Check, CheckLevel
from harness.gate.decision import Decision
from harness.sanitize import escape
from harness.writing import replace_file

__all__ = ["write"]

DETAILS = 200
"""Lines in the text of a failure."""


def write(decision: Decision, path: Path) -> None:
    """Write the JUnit file of a decision; raises as `replace_file` does."""
    suite = TestSuite("release gate")
    for check in decision.checks:
        suite.add_testcase(_make_case(check))
    suite.update_statistics()
    xml = JUnitXml("harness gate")
    xml.add_testsuite(suite)
    xml.update_statistics()
    with replace_file(path) as half:
        xml.write(str(half), pretty=True)


def _make_case(check: Check) -> TestCase:
    case = TestCase(escape(check.name), classname="gate", time=0.0)
    told = [escape(check.text), *map(escape, check.details[:DETAILS])]
    if len(check.details) > DETAILS:
        told.append(f"and {len(check.details) - DETAILS} more")
    text = "\n".join(told)
    if check.level is CheckLevel.REFUSED:
        failure = Failure(escape(check.text))
        failure.text = text
        case.result = [failure]
    else:
        case.system_out = text
    return case
