"""What a run leaves for people and other tools: the models of result.json.

runs/<id>/result.json                the whole run, `RunResult`
runs/<id>/junit.xml                  the same for CI systems
runs/<id>/log.txt                    everything the harness logged
runs/<id>/cells/<cell>/plan.json     what was going to be done, written before it was
runs/<id>/cells/<cell>/result.json   one `CellResult`, written when the cell has ended
runs/<id>/cells/<cell>/machine/      the guest: console.log, journal.txt, machine.json, ssh_config
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness.credentials import redact
from harness.errors import ExitCode, InfrastructureError, UsageError
from harness.model import Outcome, Phase, State, find_worst
from harness.text import escape
from harness.writing import write_text

__all__ = [
    "FORMAT", "INTERRUPTED", "REPETITION", "CaseResult", "CellId", "CellResult", "CommandLine", "ExpectationResult", "NodeId",
    "PhaseResult", "RunResult", "check_format", "find_problem", "read", "write",
]  # fmt: skip

INTERRUPTED = "The run was interrupted."
"""Error of a cell that was interrupted; results of before December 2026 have no other mark of it."""

LONGEST = 255
"""Bytes of a file's name at most (ext4, xfs, btrfs)."""

REPETITION = re.compile(r"\[again[0-9]+\]$|-again[0-9]+(?=\]$)")
"""What `harness run --multiply` adds to a case's parameters."""

FORMAT = 1
"""Version of result.json; a change that a reader could stumble over raises it."""


def _check_file_name(text: str) -> str:
    if not text or text in {".", ".."} or "/" in text or "\0" in text or len(text.encode(errors="replace")) > LONGEST:
        raise ValueError("must be the name of a directory, without a slash")
    return text


def _check_node_id(text: str) -> str:
    place = text.partition("::")[0]
    if not place or place[0] in "/-" or ".." in place.split("/"):
        raise ValueError("must be a node id below the suites, without `..` and not beginning with a slash or dash")
    return text


CellId = Annotated[str, AfterValidator(_check_file_name)]
"""Identifier of a cell, which is also the name of its directory in a run, and of nothing outside of it."""
NodeId = Annotated[str, AfterValidator(_check_node_id)]
"""pytest's node id below the suites: `cgroup/test_limits.py::test_memory`."""
CommandLine = Annotated[str, AfterValidator(redact)]
"""A command line, without the passwords that older versions wrote into it."""


class ResultModel(BaseModel):
    """Base of the models of written results: frozen; unknown keys, and numbers that JSON does not have, are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CaseResult(ResultModel):
    """One test item and what became of it.

    Attributes:
        nodeid: Its name, see `NodeId`.
        outcome: What became of it.
        raw: What pytest said, before an expectation or a dead guest changed it.
        seconds: All its phases and reruns.
        message: One line: why it was skipped, failed or is an error.
        details: Traceback and captured output of each attempt.
        reruns: How often it was executed again.
        expectation: Why its failure was expected, with the issue's link.
    """

    nodeid: NodeId
    outcome: Outcome
    raw: Outcome
    seconds: float
    message: str = ""
    details: str = ""
    reruns: int = 0
    expectation: str | None = None

    @property
    def suite(self) -> str:
        """The suite that has the case: the first directory of its node id."""
        return self.nodeid.split("/", 1)[0]


class PhaseResult(ResultModel):
    """One phase of the plan.

    Attributes:
        phase: Which.
        state: How it ended.
        seconds: How long it took.
        text: One line about it.
        started: Time of its start, ISO 8601 in UTC with milliseconds; None in results of before November 2026.
    """

    phase: Phase
    state: State
    seconds: float
    text: str = ""
    started: str | None = None


class CellResult(ResultModel):
    """What became of one cell.

    Attributes:
        id: The cell's identifier.
        axes: Its place on each axis.
        phases: The phases of its plan that were begun.
        facts: What the guest proved (systemd's version, kernel, cgroup mode), and what it ran under and why.
        cases: Its cases, in the order in which they ran.
        error: Why the cell broke, where it did: whole sentences, for people.
        interrupted: Whether it was ended before its end, so that `--resume` runs it again.
        again: The command line that repeats it.
        warnings: What its guest's console said that no suite of it expects and that is not the end: a line each.
        pid1_crash: What happened to systemd as PID 1 of its guest, where it crashed or stands still; then `error` says it too.
    """

    id: CellId
    axes: dict[str, str | None]
    phases: tuple[PhaseResult, ...] = ()
    facts: dict[str, str] = {}
    cases: tuple[CaseResult, ...] = ()
    error: str | None = None
    interrupted: bool = False
    again: CommandLine = ""
    warnings: tuple[str, ...] = ()
    pid1_crash: str | None = None

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of its cases; `error` where the cell itself broke, `skipped` where nothing ran."""
        return Outcome.ERROR if self.error else find_worst(case.outcome for case in self.cases)

    @property
    def seconds(self) -> float:
        """Time of all its phases."""
        return sum(phase.seconds for phase in self.phases)

    def get_seconds(self, phase: Phase) -> float | None:
        """Return the time of one phase, or None if it was not begun."""
        return next((item.seconds for item in self.phases if item.phase is phase), None)

    def count_outcomes(self) -> Counter[Outcome]:
        """Return how many cases had which outcome."""
        return Counter(case.outcome for case in self.cases)


class ExpectationResult(ResultModel):
    """A known failure of matrix.yaml that a person should look at after a run.

    Attributes:
        state: `passes`: cases that it covers passed; `expired`: its last day is over; `unused`: all of its cells
            ran, and none of the cases that it names did.
        cells: Its expression over cells, as it is written.
        cases: Its pattern of cases, as it is written.
        reason: Why it is there.
        issue: Link to where it is being worked on.
        expires: Its last day, as 2027-06-01.
        found: The cases that speak against it, each as cell and node id; only for `passes`.
    """

    state: Literal["passes", "expired", "unused"]
    cells: str
    cases: str
    reason: str
    issue: str
    expires: str
    found: tuple[tuple[str, str], ...] = ()


class RunResult(ResultModel):
    """What became of one run.

    Attributes:
        id: Its directory's name.
        format: Version of this model.
        harness: Version of the harness.
        command: The command line that repeats it.
        started: Time of its start, ISO 8601 in UTC.
        seconds: How long it took.
        computer: What ran it: cores and kernel; what a guest ran under is in its cell's facts.
        cells: Its cells, in the order of the matrix.
        interrupted: Whether it was ended before its cells were.
        expectations: Known failures that are known no more: they pass, have expired, or are about nothing.
        shard: Which of how many shards of the cells it is; None for all of them, and in results of before December 2026.
        commit: The commit of the project that was run; None where it is not known. Like the next two not in older results.
        attempt: Which attempt at it this is; a higher number is a later one. None outside of CI.
        matrix: Hash of the matrix file.
        problems: What is missing or doubtful, whole sentences; only the merged result of shards has any.
    """

    id: str
    format: Annotated[int, Field(strict=True, ge=1)] = FORMAT
    harness: str
    command: CommandLine
    started: str
    seconds: float = 0.0
    computer: dict[str, str] = {}
    cells: tuple[CellResult, ...] = ()
    interrupted: bool = False
    expectations: tuple[ExpectationResult, ...] = ()
    shard: tuple[int, int] | None = None
    commit: str | None = None
    attempt: Annotated[int, Field(ge=1)] | None = None
    matrix: str | None = None
    problems: tuple[str, ...] = ()

    def count_outcomes(self) -> Counter[Outcome]:
        """Return how many cells had which outcome."""
        return Counter(cell.outcome for cell in self.cells)

    @property
    def exit_code(self) -> ExitCode:
        """What the command line returns: see `ExitCode`."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        outcomes = {cell.outcome for cell in self.cells}
        if Outcome.ERROR in outcomes:
            return ExitCode.INFRASTRUCTURE
        if any(outcome.unexpected for outcome in outcomes):
            return ExitCode.FAILED
        if outcomes <= {Outcome.SKIPPED}:
            return ExitCode.NOTHING_RAN
        return ExitCode.OK


def write(result: BaseModel, path: Path) -> None:
    """Write a model as JSON; raises as `write_text` does."""
    write_text(path, json.dumps(result.model_dump(mode="json"), indent=1) + "\n", inside=True)


def read(path: Path) -> RunResult:
    """Return the run of a result.json; raises UsageError if it is not there, else InfrastructureError."""
    data = b""
    try:
        data = path.read_bytes()
        run = RunResult.model_validate_json(data)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{path}: there is no result; the run did not begin, or was removed.",
            hint="A run is named as below runs/, or by its directory.",
        ) from error
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValidationError, RecursionError) as error:
        check_format(data, str(path))
        raise InfrastructureError(f"{path}: this is not a result of format {FORMAT}: {find_problem(error)}.") from error
    if run.format > FORMAT:
        check_format(data, str(path))
    return run


class _Version(BaseModel):
    format: Annotated[int, Field(strict=True)]
    harness: str = "unknown"


def check_format(data: bytes, shown: str) -> None:
    """Raise InfrastructureError for a result of a newer format, which names the harness that wrote it.

    Messages call the file `shown`.
    """
    try:
        version = _Version.model_validate_json(data)
    except (ValidationError, RecursionError):
        return
    if version.format > FORMAT:
        raise InfrastructureError(
            f"{shown}: the result has format {version.format}, and this harness reads up to {FORMAT}.",
            hint=f"It was written by version {escape(version.harness)} of the harness; use that version or a later one.",
        )


def find_problem(error: ValidationError | RecursionError) -> str:
    """Return the first thing that is wrong in a file that the harness wrote earlier, as a clause."""
    if isinstance(error, RecursionError):
        return "its values are nested too deeply"
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    match first["type"]:
        case "json_invalid":
            return "it is not complete JSON text, and was cut off or changed by hand"
        case "missing":
            return f"the key `{name}` is missing"
        case "extra_forbidden":
            return f"the key `{name}` is not known to this version of the harness"
        case _:
            said = first["msg"].rstrip(".").replace("Input should", "must").removeprefix("Value error, ")
            return f"`{name}` {said}" if name else f"the file {said}"
