"""JUnit files: our own, and those of pytest, go-junit-report, gotestsum, Surefire and others, which agree in little.

What is read: `testsuites` and `testsuite`, nested as deep as they are; `testcase`, also in another, with its class, its
name and what is inside: `failure`, `error`, `skipped`, Surefire's `flakyFailure` and `flakyError` of a pass after a
rerun, and `rerunFailure` and `rerunError` of a failure. A case that was switched off (googletest's `status="notrun"`,
`result="suppressed"`) is skipped. pytest writes an expected failure as `skipped` of type `pytest.xfail`, and our own
files name what JUnit has no word for by a type. What is next to the cases counts as a case: an `error` of a suite, and
failures that a suite says it has, and that no case explains. All else is skipped as it is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn
from xml.parsers import expat

from harness.errors import InfrastructureError
from harness.foreign import records
from harness.foreign.records import ForeignCase, ForeignReport, ForeignSuite, make_outside, shorten_text
from harness.model import Outcome
from harness.text import escape, pluralize

__all__ = ["read_junit"]

BLOCK = 1 << 20
"""Bytes that are read at a time."""
TAG = 16 << 20
"""Bytes that one tag with its attributes may have: expat keeps it in memory until it ends."""
DEPTH = 100
"""Deepest nesting; suites in suites have three or four levels."""

RESULTS = {
    "failure": Outcome.FAILED, "error": Outcome.ERROR, "skipped": Outcome.SKIPPED, "disabled": Outcome.SKIPPED,
    "ignored": Outcome.SKIPPED, "flakyFailure": Outcome.FLAKY, "flakyError": Outcome.FLAKY,
    "rerunFailure": Outcome.FAILED, "rerunError": Outcome.ERROR,
}  # fmt: skip
TYPES = {
    "pytest.xfail": Outcome.XFAILED,
    **{f"{records.PREFIX}{outcome}": outcome for outcome in (Outcome.XFAILED, Outcome.XPASSED)},
}
STATES = {
    **dict.fromkeys(("notrun", "not run", "not_run", "notexecuted", "untested", "undefined", "inconclusive", "disabled", "suppressed",
                     "skipped", "ignored", "pending", "todo"), Outcome.SKIPPED),
    **dict.fromkeys(("failed", "fail", "failure", "timeout", "timedout"), Outcome.FAILED),
    **dict.fromkeys(("error", "errored", "broken", "aborted", "canceled", "cancelled", "crashed", "interrupted"), Outcome.ERROR),
}  # fmt: skip
"""What the attributes `status` and `result` of a case say, where they say more than that it ran."""
SWITCHED_OFF = {("executed", "false"), ("disabled", "true"), ("ignored", "true"), ("enabled", "false")}
"""Attributes of a case that did not run, in files of tools that have no state for it."""
GO = "go.version"
"""Property of go-junit-report and gotestsum; Go has no two tests of one name in a package (testing, `matcher.unique`)."""


@dataclass(slots=True, kw_only=True)
class _Level:
    """A suite while it is read: what it says that it has, and what was found in it."""

    suite: ForeignSuite
    line: int
    said: dict[str, int]
    cases: int = 0
    failing: int = 0


@dataclass(slots=True, kw_only=True)
class _Open:
    """A case while it is read."""

    owner: str
    name: str
    outcome: Outcome = Outcome.PASSED
    message: str = ""
    properties: dict[str, str] = field(default_factory=dict)

    def take(self, outcome: Outcome, message: str) -> None:
        """Learn one more thing about it: a test that fails and breaks in its teardown has both."""
        if outcome.badness > self.outcome.badness or self.outcome is Outcome.PASSED:
            self.outcome, self.message = outcome, message
        elif outcome is self.outcome:
            self.message = self.message or message


def read_junit(stream: BinaryIO, report: ForeignReport) -> Iterator[ForeignCase]:
    """Yield the cases of a JUnit file, as `read_cases` does."""
    reader = _Reader(report)
    fed, block = 0, stream.read(BLOCK)
    if not block.strip():
        raise InfrastructureError(f"{report.name}:1:1: the file is empty, so it is not a JUnit file.")
    while True:
        reader.feed(block)
        fed += len(block)
        if fed - reader.parser.CurrentByteIndex > TAG:
            raise reader.make_error(f"one tag is longer than {TAG >> 20} MB; this is not a JUnit file")
        yield from reader.found
        reader.found.clear()
        if not block:
            return
        block = stream.read(BLOCK)


class _Reader:
    """Follows the elements of one file."""

    def __init__(self, report: ForeignReport) -> None:
        self.report = report
        self.found: list[ForeignCase] = []
        self.levels: list[_Level] = []
        self.cases: list[_Open] = []
        self.result: tuple[Outcome, str] | None = None
        self.text: list[str] = []
        self.path: list[str] = []
        self.block = b""
        self.before = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype

    def feed(self, block: bytes) -> None:
        """Read one more block, or the end if it is empty."""
        self.block = block
        try:
            self.parser.Parse(block, not block)
        except expat.ExpatError as error:
            place = f"{self.report.name}:{error.lineno}:{error.offset + 1}"
            inside = f" inside <{escape(self.path[-1])}>" if self.path else ""
            cut = " The file was cut off." if error.code in CUT_OFF else ""
            what = f"{expat.ErrorString(error.code)}{self.name_character(error.code)}"
            raise InfrastructureError(f"{place}: this JUnit file is broken{inside}: {what}.{cut}") from error
        except (LookupError, ValueError) as error:  # an encoding that Python does not have, or of several bytes
            raise self.make_error(f"this JUnit file cannot be read: {escape(str(error))}") from error
        self.before += len(block)

    def name_character(self, code: int) -> str:
        """Return the character that a file must not have, and how to get rid of it, if such a one is what is wrong."""
        index = self.parser.ErrorByteIndex - self.before
        if code != expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN] or not 0 <= index < len(self.block):
            return ""
        byte = self.block[index]
        if byte >= ord(" ") or chr(byte) in "\t\n\r":
            return ""
        named = " (ESC, the start of a colour)" if chr(byte) == "\x1b" else ""
        return (
            f": the control character U+{byte:04X}{named}, which XML cannot carry; the tool that wrote the file "
            r"should leave it out, and `tr -d '\000-\010\013\014\016-\037'` removes all of them"
        )

    def make_error(self, what: str) -> InfrastructureError:
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1
        return InfrastructureError(f"{self.report.name}:{line}:{column}: {what}.")

    def refuse_doctype(self, *_: object) -> NoReturn:
        raise self.make_error("a JUnit file has no DOCTYPE, which could make it grow without bound; remove it")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self.path and tag not in {"testsuites", "testsuite"}:
            raise self.make_error(
                f"the outermost element is <{escape(tag)}>, not <testsuites>; this is not a JUnit file"
            )
        self.path.append(tag)
        if len(self.path) > DEPTH:
            raise self.make_error("elements are nested too deeply for a JUnit file")
        if tag in {"testsuites", "testsuite"}:
            self.begin_suite(tag, attributes)
        elif tag == "testcase":
            self.begin_case(attributes)
        elif tag in RESULTS and (self.cases or tag in {"failure", "error"}) and self.result is None:
            outcome = TYPES.get(attributes.get("type", ""), RESULTS[tag])
            self.result = outcome, attributes.get("message", "")
            self.parser.CharacterDataHandler = self.take_text
        elif tag == "property" and "name" in attributes:
            properties = self.cases[-1].properties if self.cases else self.levels[-1].suite.properties
            properties[attributes["name"]] = attributes.get("value", "")

    def begin_suite(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self.report.started:
            self.report.started = escape(attributes.get("timestamp", ""), 40)
        above = self.levels[-1].suite.path if self.levels else ()
        # What holds all suites is often called by the tool, or by the day.
        path = above if tag == "testsuites" else (*above, attributes.get("name", ""))
        said = {name: _read_number(attributes.get(name, "")) for name in ("tests", "failures", "errors")}
        suite = ForeignSuite(path=path)
        self.levels.append(_Level(suite=suite, line=self.parser.CurrentLineNumber, said=said))
        if tag == "testsuite":
            self.report.suites.append(suite)

    def begin_case(self, attributes: Mapping[str, str]) -> None:
        if "name" not in attributes:
            raise self.make_error("this <testcase> has no name")
        outer = self.cases[-1] if self.cases else None
        owner = attributes.get("classname", outer.owner if outer is not None else "")
        case = _Open(owner=owner, name=attributes["name"])
        for name in ("status", "result"):
            outcome = STATES.get(attributes.get(name, "").lower())
            if outcome is not None:
                case.take(outcome, f"{name} {attributes[name]}")
        if any(attributes.get(name, "").lower() == value for name, value in SWITCHED_OFF):
            case.take(Outcome.SKIPPED, "switched off")
        self.cases.append(case)

    def take_text(self, text: str) -> None:
        if sum(map(len, self.text)) < records.LONGEST:
            self.text.append(text)

    def end(self, tag: str) -> None:
        self.path.pop()
        if tag in RESULTS and self.result is not None and not RESULTS.keys() & set(self.path):
            self.end_result()
        elif tag == "testcase":
            self.end_case()
        elif tag in {"testsuites", "testsuite"}:
            self.end_suite()

    def end_result(self) -> None:
        assert self.result is not None
        outcome, message = self.result
        message = shorten_text(message, "".join(self.text))
        self.levels[-1].failing += outcome.wants_a_look
        self.result, self.parser.CharacterDataHandler = None, None
        self.text.clear()
        if self.cases:
            self.cases[-1].take(outcome, message)
        else:
            self.found.append(make_outside(self.levels[-1].suite, message))

    def end_case(self) -> None:
        case, level = self.cases.pop(), self.levels[-1]
        level.suite.repeats = GO in level.suite.properties
        level.cases += 1
        suite = level.suite
        if self.cases:
            suite = ForeignSuite(path=(*suite.path, *(outer.name for outer in self.cases)), repeats=suite.repeats)
        self.found.append(
            ForeignCase(
                suite=suite, owner=case.owner, name=case.name, outcome=case.outcome,
                message=case.message, properties=case.properties,
            )
        )  # fmt: skip

    def end_suite(self) -> None:
        """Hold what a suite says that it has against what it had; what one above says of it is not said again."""
        level = self.levels.pop()
        said = level.said["failures"] + level.said["errors"]
        name = f"the suite {escape(level.suite.name)}" if level.suite.name else "the outermost suite"
        if said > level.failing:
            message = (
                f"{self.report.name}:{level.line}: {name} says that {pluralize(said, 'case')} failed, of which "
                f"{level.failing or 'none'} {'is' if level.failing <= 1 else 'are'} in the file."
            )
            self.found.append(make_outside(level.suite, message))
            self.report.problems.append(message)
        elif level.said["tests"] > level.cases:
            self.report.problems.append(
                f"{self.report.name}:{level.line}: {name} says that it has {pluralize(level.said['tests'], 'case')}, "
                f"of which {level.cases or 'none'} {'is' if level.cases <= 1 else 'are'} in the file."
            )
        if self.levels:
            self.levels[-1].cases += max(level.cases, level.said["tests"])
            self.levels[-1].failing += max(level.failing, said)


def _read_number(text: str) -> int:
    """Return the number of an attribute, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004


CUT_OFF = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
        expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
        expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
    }
)
