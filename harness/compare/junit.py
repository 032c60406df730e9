"""JUnit files: our own, and those of pytest, go-junit-report, gotestsum, Surefire and others, which agree in little.

What is read: `testsuites` and `testsuite`, nested as deep as they are; `testcase` with its class, its name and what is
inside: `failure`, `error`, `skipped`, and Surefire's `flakyFailure` and `flakyError` of a pass after a rerun. A
case that is there twice was executed again: failed first and passed at last is flaky. pytest writes an expected
failure as `skipped` of type `pytest.xfail`. All else is skipped as it is read, so that a log of 100 MB costs no memory.

One of our own files has a suite for each cell, with the cell's axes and facts as properties. A file of another tool
is one cell without axes, whose name is that of the tool's file format: `junit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn
from xml.parsers import expat

from harness.compare.outcomes import CellOutcomes, RunOutcomes
from harness.errors import InfrastructureError
from harness.model import AXES, Outcome, find_worst, format_axes, parse_cell_id
from harness.text import escape

__all__ = ["FOREIGN", "load_junit"]

FOREIGN = "junit"
"""Name of the one cell of another tool's file."""

LONGEST = 1000
"""Characters of a message that are kept."""
BLOCK = 1 << 20
"""Bytes that are read at a time."""
TAG = 16 << 20
"""Bytes that one tag with its attributes may have: expat keeps it in memory until it ends."""
DEPTH = 100
"""Deepest nesting; suites in suites have three or four levels."""

RESULTS = {"failure": Outcome.FAILED, "error": Outcome.ERROR, "skipped": Outcome.SKIPPED}
RERUN = frozenset({"flakyFailure", "flakyError"})
REQUIRED = frozenset({"distro", "systemd", "cgroup", "runtime"})
"""Axes that every file of ours has, the oldest too."""
PROVEN = frozenset({"systemd", "cgroup", "runtime"})
"""Axes of whose value a guest has a fact with the same name, which takes its place among the properties."""
PLAIN_AXES = frozenset(axis.name for axis in AXES) - PROVEN
BROKEN = "cell"
"""Name of the case by which our own file says that the cell broke, see `harness.report.junit`."""


def load_junit(path: Path, *, name: str) -> RunOutcomes:
    """Return what a JUnit file says; raises InfrastructureError, with file:line:column, if it is none or is cut off."""
    reader = _Reader(name)
    try:
        with path.open("rb") as stream:
            reader.read(stream)
    except OSError as error:
        raise InfrastructureError(f"{name} cannot be read: {error.strerror}.") from error
    return RunOutcomes(
        name=name, kind="junit", started=reader.started, cells={cell.id: cell for cell in reader.make_cells()}
    )


@dataclass(slots=True, kw_only=True)
class _Suite:
    """A suite while it is read."""

    name: str
    properties: dict[str, str] = field(default_factory=dict)
    cases: dict[str, Outcome] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def ours(self) -> bool:
        """Whether it is a cell of ours: no other tool writes such properties."""
        return self.properties.keys() >= REQUIRED


@dataclass(slots=True, kw_only=True)
class _Case:
    """A case while it is read."""

    classname: str
    name: str
    outcome: Outcome = Outcome.PASSED
    message: str = ""


class _Reader:
    """Follows the elements of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = ""
        self.suites: list[_Suite] = []
        self.open: list[_Suite] = []
        self.case: _Case | None = None
        self.path: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype

    def read(self, stream: BinaryIO) -> None:
        fed, block = 0, stream.read(BLOCK)
        if not block.strip():
            raise InfrastructureError(f"{self.name}:1:1: the file is empty, so it is no JUnit file.")
        try:
            while block:
                self.parser.Parse(block, False)
                fed += len(block)
                if fed - self.parser.CurrentByteIndex > TAG:
                    raise self.make_error(f"one tag is longer than {TAG >> 20} MB; this is no JUnit file")
                block = stream.read(BLOCK)
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            place = f"{self.name}:{error.lineno}:{error.offset + 1}"
            inside = f" inside <{escape(self.path[-1])}>" if self.path else ""
            what = expat.ErrorString(error.code)
            cut = " The file was cut off." if error.code in CUT_OFF else ""
            raise InfrastructureError(f"{place}: this JUnit file is broken{inside}: {what}.{cut}") from error
        except (LookupError, ValueError) as error:  # an encoding that Python does not have, or of several bytes
            raise self.make_error(f"this JUnit file cannot be read: {error}") from error

    def make_error(self, what: str) -> InfrastructureError:
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        return InfrastructureError(f"{self.name}:{line}:{column}: {what}.")

    def refuse_doctype(self, *_: object) -> NoReturn:
        raise self.make_error("a JUnit file has no DOCTYPE, which could make it grow without bound; remove it")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self.path and tag not in {"testsuites", "testsuite"}:
            raise self.make_error(f"the outermost element is <{escape(tag)}>, not <testsuites>; this is no JUnit file")
        self.path.append(tag)
        if len(self.path) > DEPTH:
            raise self.make_error("elements are nested too deeply for a JUnit file")
        if tag in {"testsuites", "testsuite"} and not self.started:
            self.started = escape(attributes.get("timestamp", ""), 40)
        if tag == "testsuite":
            self.open.append(_Suite(name=attributes.get("name", "")))
            self.suites.append(self.open[-1])
        elif tag == "testcase":
            self.begin_case(attributes)
        elif self.case is not None:
            self.enter_element(tag, attributes)
        elif tag == "property" and self.open and "name" in attributes:
            self.open[-1].properties[attributes["name"]] = attributes.get("value", "")

    def begin_case(self, attributes: Mapping[str, str]) -> None:
        if "name" not in attributes:
            raise self.make_error("this <testcase> has no name")
        if not self.open:
            self.open.append(_Suite(name=""))
            self.suites.append(self.open[-1])
        self.case = _Case(classname=attributes.get("classname", ""), name=attributes["name"])

    def enter_element(self, tag: str, attributes: Mapping[str, str]) -> None:
        assert self.case is not None
        if tag in RESULTS:
            outcome = RESULTS[tag]
            if tag == "skipped" and attributes.get("type") == "pytest.xfail":
                outcome = Outcome.XFAILED
        elif tag in RERUN:
            outcome = Outcome.FLAKY
        else:
            return
        # A test that fails and breaks in its teardown has both.
        if outcome.badness > self.case.outcome.badness or self.case.outcome is Outcome.PASSED:
            self.case.outcome = outcome
            self.case.message = attributes.get("message", "")[:LONGEST]

    def end(self, tag: str) -> None:
        self.path.pop()
        if tag == "testsuite":
            self.open.pop()
        elif tag == "testcase" and self.case is not None:
            self.end_case(self.open[-1], self.case)
            self.case = None

    def end_case(self, suite: _Suite, case: _Case) -> None:
        if suite.ours and case.classname == suite.name and case.name == BROKEN:
            suite.error = case.message or "The cell broke."
            return
        nodeid = _make_nodeid(suite, case)
        outcome = case.outcome
        if nodeid in suite.cases:
            outcome = _merge_outcomes(suite.cases[nodeid], outcome)
        suite.cases[nodeid] = outcome
        if outcome.wants_a_look and case.message:
            suite.messages[nodeid] = case.message

    def make_cells(self) -> list[CellOutcomes]:
        """Return the cells of the file: one of each of our suites, and one of all others together."""
        found: dict[str, CellOutcomes] = {}
        cases: dict[str, Outcome] = {}
        messages: dict[str, str] = {}
        for suite in self.suites:
            if not suite.ours:
                for nodeid, outcome in suite.cases.items():
                    cases[nodeid] = _merge_outcomes(cases[nodeid], outcome) if nodeid in cases else outcome
                messages |= suite.messages
                continue
            if suite.name in found:
                raise InfrastructureError(f"{self.name}: the cell `{escape(suite.name)}` is there twice.")
            found[suite.name] = CellOutcomes(
                id=suite.name,
                axes=_find_axes(suite),
                facts={key: value for key, value in suite.properties.items() if key not in PLAIN_AXES},
                cases=suite.cases,
                messages=suite.messages,
                error=suite.error,
                place=self.name,
            )
        if cases or not found:
            found[FOREIGN] = CellOutcomes(id=FOREIGN, cases=cases, messages=messages, place=self.name)
        return list(found.values())


CUT_OFF = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
    }
)


def _find_axes(suite: _Suite) -> dict[str, str | None]:
    """Return the axes of a cell of ours: as its name has them where a fact may have taken the place of one."""
    axes: dict[str, str | None] = {axis.name: suite.properties.get(axis.name) for axis in AXES}
    try:
        named = format_axes(parse_cell_id(suite.name))
    except ValueError:
        return axes
    return axes | {name: named[name] for name in PROVEN}


def _make_nodeid(suite: _Suite, case: _Case) -> str:
    """Return a case's name that is the same in another file of the same tool; pytest's node id in our own files."""
    if suite.ours and case.classname.startswith(f"{suite.name}."):
        place = case.classname.removeprefix(f"{suite.name}.").replace(".", "/")
        return f"{place}.py::{case.name}"
    owner = case.classname or suite.name
    return f"{owner}::{case.name}" if owner else case.name


def _merge_outcomes(before: Outcome, now: Outcome) -> Outcome:
    """Return the outcome of a case that is there twice: the tool executed it again, or two cases have one name."""
    if now is Outcome.PASSED and before in {Outcome.FAILED, Outcome.ERROR, Outcome.FLAKY}:
        return Outcome.FLAKY
    return find_worst((before, now))
