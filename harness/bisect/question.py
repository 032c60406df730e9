"""What is asked at a revision: cases of the suites, or a command of the user's; and what the answer means."""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from harness import pipeline, proc
from harness.bisect.records import Asked, Sample
from harness.bisect.surroundings import find_files, list_variables
from harness.errors import DeadlineError, InfrastructureError
from harness.machine import Pid1CrashError
from harness.matching import search
from harness.model import Outcome, Verdict
from harness.pipeline import CellTask, RunContext
from harness.plan import BuildRequest, Plan
from harness.results import CaseResult
from harness.store import hash_file
from harness.suite import is_named

__all__ = ["COMMAND_SECONDS", "AbortError", "Cases", "Command", "Question", "judge"]

SKIP_CODE = 125
ABORT_CODE = 128
"""Exit statuses of a command, as in `git bisect run`: 0 good, 125 skip, 128 and more abort, all else bad."""

COMMAND_SECONDS = 1800.0
"""What a command may take where the user says nothing."""

OUTPUT = "run.log"
"""File with what the command printed."""

MOST_OUTPUT = 8 << 20
"""Bytes of it that are kept; of more, the end as well, with a note between."""

MOST_MESSAGE = 1000
"""Characters of its last line that a sample says."""


class AbortError(InfrastructureError):
    """The user's command ended with a status that ends the bisection."""


class Question(Protocol):
    """What is asked at a revision."""

    def ask(self, asked: Asked, plan: Plan, work: RunContext, directory: Path) -> Sample:
        """Ask it in a guest of the plan, which leaves its evidence in the directory.

        Raises:
            InfrastructureError: There was no guest to ask, or it died.
            AbortError: The bisection must end.
        """

    def needs(self, request: BuildRequest, plan: Plan) -> bool:
        """Return whether a build of a plan is needed, in a guest, for it to be asked."""

    def collect_inputs(self, plan: Plan) -> Mapping[str, Any]:
        """Return what the answer depends on, apart from the guest, as plain JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Cases of the suites; bad if one fails.

    Attributes:
        tests: Node ids of cases, files or directories below the suites.
        canary: Node id of a case that has to pass in the same guest, or the sample says nothing.
        matching: A failure that this does not find in its message or details is another failure, which is a skip.
    """

    tests: tuple[str, ...]
    canary: str | None = None
    matching: re.Pattern[str] | None = None

    def ask(self, asked: Asked, plan: Plan, work: RunContext, directory: Path) -> Sample:
        """As `Question` says."""
        cases = (*((self.canary,) if self.canary else ()), *self.tests)
        once = {name: file.model_copy(update={"reruns": 0}) for name, file in plan.suites.items()}
        result = pipeline.evaluate(CellTask(plan=replace(plan, suites=once), cases=cases), work, directory)
        if result.pid1_crash:
            raise Pid1CrashError(result.pid1_crash)
        if result.error:
            raise InfrastructureError(result.error)
        sample = judge(asked, result.cases, self.tests, canary=self.canary, matching=self.matching)
        return sample.model_copy(update={"artifact": result.facts.get("systemd_artifact")})

    def needs(self, request: BuildRequest, plan: Plan) -> bool:
        """As `Question` says."""
        cases = (*((self.canary,) if self.canary else ()), *self.tests)
        return plan.needs_guest(cases) and (request is not plan.build or plan.needs_runtime(cases))

    def collect_inputs(self, plan: Plan) -> Mapping[str, Any]:
        """As `Question` says: the suites' code is a part of it."""
        code = {
            str(path.relative_to(plan.root)): hash_file(path)
            for name in ("lib", *plan.suites)
            for path in sorted((plan.root / name).rglob("*.py"))
        }
        matching = self.matching.pattern if self.matching else None
        return {"tests": list(self.tests), "canary": self.canary, "matching": matching, "suites": code}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that runs on this computer while the guest runs, and finds it through its environment.

    Attributes:
        seconds: What it may take.
        hang: What a revision is at which it takes longer.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    seconds: float = COMMAND_SECONDS
    hang: Verdict = Verdict.SKIP

    def ask(self, asked: Asked, plan: Plan, work: RunContext, directory: Path) -> Sample:
        """As `Question` says."""
        with pipeline.boot_cell(plan, work, directory) as guest:
            variables = {
                "HARNESS_REVISION": asked.revision,
                "HARNESS_GUEST": str(guest.files.directory),
                "HARNESS_SSH_CONFIG": str(guest.ssh_config),
            }
            # A guest that died under the command is judged before the command's status, which says 255 when ssh finds nobody.
            try:
                sample = self.run(asked, variables, work, directory)
            except AbortError:
                guest.find_late_crash(work.deadline)
                guest.check()
                raise
            if sample.verdict is Verdict.BAD:
                guest.find_late_crash(work.deadline)
                guest.check()
        return sample

    def run(self, asked: Asked, variables: Mapping[str, str], work: RunContext, directory: Path) -> Sample:
        """Run the command with further variables in its environment; raises as `ask`."""
        try:
            done = proc.run(
                self.argv,
                deadline=work.deadline.within(self.seconds, f"command `{self.argv[0]}`"),
                env={**self.environment, **variables},
                cwd=self.cwd,
                output=directory / OUTPUT,
                expect=None,
                most=MOST_OUTPUT,
            )
        except proc.SpawnError as error:
            # It says nothing about the revision, and would come at each.
            raise AbortError(
                f"{error} The bisection stops here, and nothing is lost.",
                hint="Put the command back and continue with --resume. A script needs a first line such as `#!/bin/sh`, and "
                "has to be executable.",
            ) from error
        except DeadlineError as error:
            work.deadline.check()  # the bisection's own end is none of the command's
            return asked.conclude(self.hang, reason="time" if self.hang is Verdict.SKIP else "", message=str(error))
        if not 0 <= done.code < ABORT_CODE:
            how = f"status {done.code}" if done.code >= 0 else signal.Signals(-done.code).name
            raise AbortError(
                f"The command `{self.argv[0]}` ended with {how}, which ends the bisection.",
                hint=f"Its output is in {directory / OUTPUT}. Status 0 is good, 125 is skip, others below 128 are bad.",
            )
        last = next((line.strip() for line in reversed(done.out.splitlines()) if line.strip()), "")
        message = f"status {done.code}" + (f": {last[:MOST_MESSAGE]}" if last else "")
        if done.code == SKIP_CODE:
            return asked.conclude(Verdict.SKIP, reason="command", message=message)
        return asked.conclude(Verdict.BAD if done.code else Verdict.GOOD, message=message)

    def needs(self, request: BuildRequest, plan: Plan) -> bool:  # noqa: ARG002 - as all questions
        """As `Question` says: a command finds one."""
        return True

    def collect_inputs(self, plan: Plan) -> Mapping[str, Any]:  # noqa: ARG002 - as all questions
        """As `Question` says."""
        return self.collect_own_inputs()

    def collect_own_inputs(self) -> Mapping[str, Any]:
        """Return all that it depends on besides the revision, as far as can be seen."""
        return {
            "command": list(self.argv),
            "limit": [self.seconds, self.hang.value],
            "directory": str(self.cwd),
            "variables": list_variables(self.environment),
            "files": {str(path): hash_file(path) for path in find_files(self.argv, self.cwd)},
        }


def judge(
    asked: Asked,
    cases: Sequence[CaseResult],
    tests: Sequence[str],
    *,
    canary: str | None = None,
    matching: re.Pattern[str] | None = None,
) -> Sample:
    """Judge the cases of one guest: bad if a test fails, good if all pass; anything else is a skip, and never bad."""
    watched = [case for case in cases if canary and is_named(case.nodeid, canary)]
    if canary and not (watched and all(case.outcome.passes for case in watched)):
        why = next((case.message for case in watched if not case.outcome.passes), "it did not run")
        return asked.conclude(Verdict.SKIP, reason="canary", message=f"The canary {canary} did not pass: {why}")
    wanted = [case for case in cases if any(is_named(case.nodeid, test) for test in tests)]
    failed = [case for case in wanted if case.outcome.fails]
    right = [case for case in failed if matching is None or search(matching.pattern, f"{case.message}\n{case.details}")]
    if right:
        return asked.conclude(Verdict.BAD, message=_format_case(right[0]))
    if failed:
        return asked.conclude(Verdict.SKIP, reason="other failure", message=_format_case(failed[0]))
    broken = [case for case in wanted if case.outcome is Outcome.ERROR]
    if broken:
        return asked.conclude(Verdict.SKIP, reason="error", message=_format_case(broken[0]))
    passed = [case for case in wanted if case.outcome.passes]
    if not passed:
        why = _format_case(wanted[0]) if wanted else f"There is no case {' or '.join(tests)} here."
        return asked.conclude(Verdict.SKIP, reason="skipped" if wanted else "not found", message=why)
    flaky = next((case for case in passed if case.outcome is Outcome.FLAKY), None)
    return asked.conclude(Verdict.GOOD, message=f"{flaky.nodeid} passed after it had failed" if flaky else "")


def _format_case(case: CaseResult) -> str:
    return f"{case.nodeid}: {case.message}" if case.message else case.nodeid
