"""Results in JSON: CTRF, the stream of `go test -json` (test2json), and meson's testlog.json.

CTRF: https://ctrf.io/docs/specification; test2json: `go doc test2json`; meson writes `TestResult` as text, one test on a
line (mesonbuild/mtest.py).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InfrastructureError
from harness.foreign.records import LONGEST, ForeignCase, ForeignReport, ForeignSuite, make_outside, shorten_text
from harness.model import Outcome
from harness.text import escape, pluralize

__all__ = ["read_ctrf", "read_go", "read_meson"]

KEPT = 4096
"""Characters of a test's output that are kept while it runs."""


class _Record(BaseModel):
    """What is read of an object; what else is in it does not matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _CtrfTest(_Record):
    name: str
    status: str
    suite: str | list[str] = ""
    file: str = Field("", alias="filePath")
    message: str | None = None
    trace: str | None = None
    flaky: bool | None = None


class _CtrfSummary(_Record):
    tests: int = 0
    failed: int = 0


class _CtrfResults(_Record):
    tests: list[_CtrfTest]
    summary: _CtrfSummary = _CtrfSummary()


class _Ctrf(_Record):
    results: _CtrfResults


CTRF = {
    "passed": Outcome.PASSED, "failed": Outcome.FAILED, "skipped": Outcome.SKIPPED, "pending": Outcome.SKIPPED,
    "other": Outcome.ERROR,
}  # fmt: skip


def read_ctrf(stream: BinaryIO, report: ForeignReport) -> Iterator[ForeignCase]:
    """Yield the cases of a CTRF file, as `read_cases` does."""
    value = _parse(stream.read(), report.name, 1, "CTRF file")
    results = _validate(_Ctrf, value, f"{report.name}:1:1", "CTRF file").results
    for test in results.tests:
        outcome = CTRF.get(test.status)
        if outcome is None:
            raise InfrastructureError(
                f"{report.name}: a test has the status `{escape(test.status)}`, which CTRF does not have."
            )
        if test.flaky and outcome is Outcome.PASSED:
            outcome = Outcome.FLAKY
        path = tuple(test.suite) if isinstance(test.suite, list) else (test.suite,) if test.suite else ()
        suite = ForeignSuite(path=path or ((test.file,) if test.file else ()))
        message = shorten_text(test.message or "", test.trace or "")
        yield ForeignCase(suite=suite, owner="", name=test.name, outcome=outcome, message=message)
    failed = sum(test.status == "failed" for test in results.tests)
    if results.summary.failed > failed or results.summary.tests > len(results.tests):
        yield make_outside(
            ForeignSuite(),
            f"The summary says {pluralize(results.summary.tests, 'test')} and {results.summary.failed} failed, and the file has {len(results.tests)} and {failed}.",
        )


class _Event(_Record):
    action: str = Field(alias="Action")
    package: str = Field("", alias="Package")
    test: str | None = Field(None, alias="Test")
    output: str = Field("", alias="Output")
    time: str = Field("", alias="Time")


ENDS = {"pass": Outcome.PASSED, "fail": Outcome.FAILED, "skip": Outcome.SKIPPED, "bench": Outcome.PASSED}


def read_go(stream: BinaryIO, report: ForeignReport) -> Iterator[ForeignCase]:
    """Yield the cases of what `go test -json` printed, as `read_cases` does."""
    suites: dict[str, ForeignSuite] = {}
    running: dict[str, dict[str, str]] = {}
    failing: set[str] = set()
    for number, line in enumerate(stream, start=1):
        if not line.lstrip().startswith(b"{"):  # `go build` and `go vet` print in between
            continue
        value = _parse(line, report.name, number, "line of `go test -json`")
        event = _validate(_Event, value, f"{report.name}:{number}:1", "line of `go test -json`")
        if not event.package:
            continue
        report.started = report.started or escape(event.time, 40)
        suite = suites.setdefault(event.package, ForeignSuite(path=(event.package,), repeats=True))
        tests = running.setdefault(event.package, {"": ""})
        name = event.test or ""
        if event.action == "output" and name in tests:  # also a test that has ended may print
            tests[name] = (tests.get(name, "") + event.output)[-KEPT:]
        elif event.action == "run":
            tests[name] = ""
        elif event.action in ENDS and name:
            outcome, said = ENDS[event.action], tests.pop(name, "")
            if outcome is Outcome.FAILED:
                failing.add(event.package)
            yield ForeignCase(suite=suite, owner="", name=name, outcome=outcome, message=_find_reason(said, outcome))
        elif event.action in ENDS:
            yield from _end_package(suite, running.pop(event.package), event, failing)
    for package, tests in running.items():
        report.problems.append(f"{report.name}: the tests of {escape(package)} did not end; the file was cut off.")
        yield from _list_unfinished(suites[package], tests)


def _end_package(suite: ForeignSuite, tests: dict[str, str], event: _Event, failing: set[str]) -> Iterator[ForeignCase]:
    """Yield what the end of a package says: tests that never ended, and a failure that none of its tests explains."""
    yield from _list_unfinished(suite, tests)
    if event.action == "fail" and event.package not in failing:
        reason = _find_reason(tests.get("", ""), Outcome.FAILED)
        yield make_outside(
            suite, reason or "The package failed, and none of its tests did: it was not built, or crashed."
        )


def _list_unfinished(suite: ForeignSuite, tests: Mapping[str, str]) -> Iterator[ForeignCase]:
    for name in tests:
        if name:
            message = "The test began and did not end."
            yield ForeignCase(suite=suite, owner="", name=name, outcome=Outcome.ERROR, message=message)


def _find_reason(said: str, outcome: Outcome) -> str:
    """Return the first line that a test itself printed."""
    lines = (line.strip() for line in said.splitlines())
    own = (line for line in lines if line and not line.startswith(("=== ", "--- ", "FAIL", "ok ", "exit status")))
    return next(own, "") if outcome is not Outcome.PASSED else ""


class _MesonTest(_Record):
    name: str
    result: str
    stdout: str | None = None
    stderr: str | None = None


MESON = {
    "OK": Outcome.PASSED, "FAIL": Outcome.FAILED, "TIMEOUT": Outcome.FAILED, "ERROR": Outcome.ERROR,
    "INTERRUPT": Outcome.ERROR, "SKIP": Outcome.SKIPPED, "IGNORED": Outcome.SKIPPED, "EXPECTEDFAIL": Outcome.XFAILED,
    "UNEXPECTEDPASS": Outcome.XPASSED, "RUNNING": Outcome.ERROR, "PENDING": Outcome.ERROR,
}  # fmt: skip


def read_meson(stream: BinaryIO, report: ForeignReport) -> Iterator[ForeignCase]:
    """Yield the cases of meson's testlog.json, as `read_cases` does."""
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        value = _parse(line, report.name, number, "line of meson's testlog.json")
        test = _validate(_MesonTest, value, f"{report.name}:{number}:1", "line of meson's testlog.json")
        outcome = MESON.get(test.result)
        if outcome is None:
            raise InfrastructureError(
                f"{report.name}:{number}:1: the result `{escape(test.result)}` is not one of meson's."
            )
        # `PROJECT:SUITE / NAME`, as meson prints it.
        group, _, name = test.name.rpartition(" / ")
        reason = next((line for line in (test.stderr or test.stdout or "").splitlines()[::-1] if line.strip()), "")
        message = test.result if test.result == "TIMEOUT" else reason[:LONGEST]
        yield ForeignCase(
            suite=ForeignSuite(path=(group,) if group else ()), owner="", name=name, outcome=outcome,
            message=message if outcome.wants_a_look else "",
        )  # fmt: skip


def _parse(data: bytes, name: str, line: int, what: str) -> Any:
    try:
        return json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        row, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
        said = error.msg if isinstance(error, json.JSONDecodeError) else "it is not UTF-8, or nested too deeply"
        raise InfrastructureError(
            f"{name}:{line + row - 1}:{column}: this {what} is not JSON: {said}. The file was cut off or changed by hand."
        ) from error


T = TypeVar("T", bound=_Record)


def _validate(model: type[T], value: object, place: str, what: str) -> T:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise InfrastructureError(f"{place}: this is not a {what}: `{key}` {first['msg']}.") from error
