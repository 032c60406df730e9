"""Runs the suites of one cell in a child pytest process and reads what came out.

The child loads `harness.plugin`, which gives the cases their fixtures and says which failures are
none (the guest had died). Outcomes are read from pytest-reportlog: JUnit shows a rerun as two
identical cases.
"""

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import proc
from harness.cell_file import CELL_FILE, PUT_OFF, BuildTree, CellFile, Limits, Upgrade
from harness.errors import InfrastructureError, UsageError
from harness.model import Cell, Outcome
from harness.results import CaseResult
from harness.wait import Deadline

__all__ = ["SuiteSpec", "collect_cases", "is_named", "parse_cases", "put_off", "run"]

logger = logging.getLogger(__name__)

REPORT = "reportlog.jsonl"
OUTPUT = "pytest.log"

LONGEST_MESSAGE = 2000
"""Characters of a case's message that are kept."""
LONGEST_DETAILS = 256 * 1024
"""Characters of the tracebacks and outputs of a case that are kept."""

PASSED_OR_FAILED, INTERRUPTED, INTERNAL, USAGE, NOTHING = {0, 1}, 2, 3, 4, 5
"""Exit statuses of pytest (its reference, section "Exit codes")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSpec:
    """What to run.

    Attributes:
        machine: Directory of the guest that they ask; None for suites that are asked of the build tree.
        tree: That tree; None where the runtime has none.
        suites: Names of the suites, each with its limits.
        directory: Where the child's output and report go.
        cases: Node ids of the cases that run; all cases of the suites if empty.
        upgrade: How cases can upgrade the guest, where the cell is about that.
        fresh: Which cases run: those that ask for a booted guest (True), the others (False), or all (None).
        workers: How many processes run cases that are independent of each other.
    """

    cell: Cell
    machine: Path | None
    tree: BuildTree | None = None
    root: Path
    suites: Mapping[str, Limits]
    directory: Path
    arguments: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    multiply: int = 1
    upgrade: Upgrade | None = None
    fresh: bool | None = None
    workers: int = 1

    def make_argv(self) -> tuple[str, ...]:
        """Return the child's command line."""
        return (
            *_make_pytest_argv(self.root),
            "--harness-cell", str(self.directory / CELL_FILE),
            "--report-log", str(self.directory / REPORT),
            *(("-n", str(self.workers)) if self.workers > 1 else ()),
            *self.arguments,
            *(str(self.root / name) for name in self.cases or self.suites),
        )  # fmt: skip


def _make_pytest_argv(root: Path) -> tuple[str, ...]:
    """Return pytest's command line that knows the suites below `root`."""
    return (
        sys.executable, "-m", "pytest", "-c", str(root / "pytest.ini"), "--rootdir", str(root),
        # Hypothesis, where it is installed, takes half of the time that pytest takes to start.
        "-p", "no:cacheprovider", "-p", "no:pytest11.testinfra", "-p", "no:hypothesispytest", "-p", "harness.plugin",
    )  # fmt: skip


def collect_cases(root: Path, suites: Iterable[str], deadline: Deadline) -> tuple[str, ...]:
    """Return node ids of the suites' cases in their order; raises UsageError for an empty or broken suite."""
    argv = [*_make_pytest_argv(root), "--collect-only", "-q", *(str(root / name) for name in suites)]
    done = proc.run(argv, cwd=root.parent, deadline=deadline, expect=None, env=_make_environment())
    if done.code:
        # pytest marks what went wrong among the lines that led there.
        said = [line for line in done.out.splitlines() if line.startswith(("E ", "ERROR ", "ERROR: "))]
        raise UsageError("The suites could not be collected; pytest says:\n" + _get_tail("\n".join(said) or done.out))
    return tuple(line for line in done.out.splitlines() if "::" in line)


def _make_environment() -> dict[str, str]:
    return proc.make_environment({"PYTHONDONTWRITEBYTECODE": "1"})


def _get_tail(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines()[-proc.TAIL :])


def is_named(nodeid: str, name: str) -> bool:
    """Say whether a case is meant by a name: its own, with or without parameters, or its class, file or directory."""
    return nodeid == name or any(nodeid.startswith(f"{name.rstrip('/')}{mark}") for mark in ("[", "::", "/"))


def run(spec: SuiteSpec, deadline: Deadline) -> tuple[CaseResult, ...]:
    """Run the suites against the guest, and return their cases in the order in which they ran.

    Raises:
        UsageError: pytest did not take its arguments, or a suite cannot be imported.
        InfrastructureError: pytest itself broke.
        DeadlineError: The suites did not end in time.
    """
    if not spec.suites:
        return ()  # pytest would take no paths for the whole directory
    spec.directory.mkdir(parents=True, exist_ok=True)
    # What the child of a harness that was killed still writes is in no file of this one, and its report is not read as ours.
    for old in (PUT_OFF, REPORT):
        (spec.directory / old).unlink(missing_ok=True)
    described = CellFile(
        cell=spec.cell,
        machine=spec.machine,
        tree=spec.tree,
        suites=dict(spec.suites),
        multiply=spec.multiply,
        upgrade=spec.upgrade,
        fresh=spec.fresh,
    )
    (spec.directory / CELL_FILE).write_text(described.model_dump_json(indent=1) + "\n", encoding="utf-8")
    output = spec.directory / OUTPUT
    done = proc.run(
        spec.make_argv(), cwd=spec.root.parent, output=output, deadline=deadline, expect=None,
        env=_make_environment(),
    )  # fmt: skip
    cases = tuple(parse_cases(read_report(spec.directory / REPORT)))
    if done.code in PASSED_OR_FAILED or (done.code == INTERRUPTED and cases):
        return cases
    if done.code == NOTHING:
        return ()
    tail = _get_tail(done.out)
    if done.code in {INTERRUPTED, USAGE}:
        raise UsageError(f"The suites could not be collected; pytest's output is in {output}.\n{tail}")
    raise InfrastructureError(f"pytest ended with status {done.code}; its output is in {output}.\n{tail}")


def put_off(directory: Path) -> tuple[str, ...]:
    """Return node ids of cases that were left for a booted guest; `directory` is the `SuiteSpec.directory`."""
    try:
        return tuple((directory / PUT_OFF).read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return ()


def read_report(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a pytest-reportlog file; a last line that was cut off by a dying process is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            logger.warning("%s: a record is cut off", path)


def parse_cases(records: Iterable[Mapping[str, Any]]) -> Iterator[CaseResult]:
    """Yield cases out of the records of a report: the set-up, call and tear-down of every attempt make one case."""
    attempts: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        if record.get("$report_type") == "TestReport":
            attempts.setdefault(record["nodeid"], []).append(record)
    for nodeid, reports in attempts.items():
        yield _make_case(nodeid, reports)


def _make_case(nodeid: str, reports: list[Mapping[str, Any]]) -> CaseResult:
    reruns = sum(report["outcome"] == "rerun" for report in reports)
    last = [report for report in reports if report["outcome"] != "rerun"]
    raw, guilty = _choose_outcome(last)
    outcome = raw
    properties = dict(pair for report in last for pair in report.get("user_properties", ()))
    if "harness_outcome" in properties:
        outcome = Outcome(properties["harness_outcome"])
    elif raw is Outcome.PASSED and reruns:
        outcome = Outcome.FLAKY
    failed = [report for report in reports if report["outcome"] in {"failed", "rerun"}]
    return CaseResult(
        nodeid=nodeid,
        outcome=outcome,
        raw=raw,
        seconds=round(sum(report["duration"] for report in reports), 3),
        message=properties.get("harness_cause") or _make_message(guilty or (failed[-1] if failed else None)),
        details=_cut("\n\n".join(_collect_details(report) for report in failed)),
        reruns=reruns,
    )


def _choose_outcome(reports: list[Mapping[str, Any]]) -> tuple[Outcome, Mapping[str, Any] | None]:
    """Return the outcome of one attempt as pytest sees it, and the report that decided it."""
    for report in reports:
        if report["outcome"] == "failed":
            # In a set-up too: a container that does not start in a fixture is what an upgrade breaks first.
            # Where the guest or the harness is at fault, the plugin says so.
            return Outcome.FAILED, report
    for report in reports:
        if report["outcome"] == "skipped":
            return (Outcome.XFAILED if report.get("wasxfail") is not None else Outcome.SKIPPED), report
    if any(report["when"] == "call" and report["outcome"] == "passed" for report in reports):
        return Outcome.PASSED, None
    return Outcome.ERROR, None


def _make_message(report: Mapping[str, Any] | None) -> str:
    """Return one line that says why: the exception of a traceback, or the reason of a skip."""
    if report is None:
        return ""
    text = report.get("longrepr")
    if isinstance(text, Mapping):
        crash = text.get("reprcrash")
        return _get_first_line(crash["message"]) if crash else ""
    if isinstance(text, (list, tuple)):  # a skip: file, line, reason
        return _get_first_line(str(text[2]).removeprefix("Skipped: "))
    return _get_first_line(str(text or ""))


def _get_first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"


def _cut(text: str) -> str:
    """Return what is kept of the details of a case: all, or the beginning and the end with a note between."""
    half = LONGEST_DETAILS // 2
    left_out = len(text) - 2 * half
    return text if left_out <= 0 else f"{text[:half]}\n[{left_out} characters were left out here]\n{text[-half:]}"


def _collect_details(report: Mapping[str, Any]) -> str:
    parts = [_format_traceback(report.get("longrepr"))]
    parts += [f"--- {title} ---\n{text.rstrip()}" for title, text in report.get("sections", ()) if text.strip()]
    return "\n".join(part for part in parts if part)


def _format_traceback(longrepr: Any) -> str:
    if not isinstance(longrepr, Mapping):
        return str(longrepr or "")
    entries = longrepr.get("reprtraceback", {}).get("reprentries", ())
    lines: list[str] = []
    for entry in entries:
        data = entry["data"]
        lines += data.get("lines", ())
        place = data.get("reprfileloc")
        if place:
            lines.append(f"{place['path']}:{place['lineno']}: {place['message']}")
    return "\n".join(lines)
