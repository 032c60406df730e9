"""What becomes of one cell: a guest, its suites, their cases judged, the evidence.

A failed case is a value in the result; so is a cell that broke, since one cell must not stop another.
Only an interruption of the run is passed on as an exception.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from harness import build, suite
from harness.catalog import SuiteFile, SuitePlace
from harness.cell_file import BuildTree, Limits
from harness.console import format_warnings
from harness.errors import CancelledError, HarnessError, InfrastructureError
from harness.machine import Machine, Pid1CrashError
from harness.matrix import Expectation
from harness.model import Outcome, Phase
from harness.pipeline.context import BUDGETS, IN_GUEST, CellTask, Evaluation, PhaseProgress, RunContext
from harness.pipeline.expectations import judge
from harness.pipeline.guest import open_guest
from harness.resolve import resolve_build
from harness.results import INTERRUPTED, CaseResult, CellResult, write
from harness.rundir import PLAN, RESULT
from harness.suite import SuiteSpec
from harness.wait import Deadline

__all__ = ["evaluate"]

logger = logging.getLogger(__name__)


def evaluate(task: CellTask, context: RunContext, directory: Path) -> CellResult:
    """Build, boot, test and judge one cell.

    The evidence goes into `directory`; result.json is written there last.

    Raises:
        CancelledError: The run was interrupted. The result that there is has been written.
    """
    evaluation = Evaluation(task=task, context=context, directory=directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        description = json.dumps(asdict(task.plan), indent=1, default=_make_plain)
        (directory / PLAN).write_text(description + "\n", encoding="utf-8")
        _evaluate(evaluation)
    except Exception as error:  # a mistake of ours must not stop the other cells either
        evaluation.interrupted = isinstance(error, CancelledError) or context.deadline.cancelled.is_set()
        evaluation.error = INTERRUPTED if evaluation.interrupted else _explain(task.plan.cell.id, error)
        if isinstance(error, Pid1CrashError):
            evaluation.pid1_crash = evaluation.pid1_crash or str(error).splitlines()[0]
        if evaluation.interrupted:  # whatever else went wrong then is a consequence
            logger.info("%s: interrupted: %s", task.plan.cell.id, error)
            raise CancelledError(INTERRUPTED) from error
    finally:
        write(evaluation.make_result(), directory / RESULT)
    return evaluation.make_result()


def _explain(name: str, error: Exception) -> str:
    """Return what the result says of a cell that broke."""
    if isinstance(error, HarnessError):
        logger.info("%s: %s", name, error)
        return f"{error}" + (f"\n{error.hint}" if error.hint else "")
    if isinstance(error, OSError) and error.errno:
        logger.info("%s: this computer refused", name, exc_info=error)
        where = f": {error.filename}" if error.filename else ""
        return f"This computer refused what the harness needs: {error.strerror}{where}."
    logger.error("%s: an error of the harness itself", name, exc_info=error)
    return f"The harness met an error of its own: {type(error).__name__}: {error}"


def _make_plain(value: object) -> object:
    """Return a value in a plan that is no plain JSON: a path, or a model of a knowledge file."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else str(value)


def _evaluate(evaluation: Evaluation) -> None:
    """Run the suites: those of the build tree, then the others in a guest.

    The build tree comes first, as a runtime that does not build gets no guest, and why is what its cases show. One that
    cannot be had is an error of the cell, which does not keep the guest from its own cases.
    """
    missing = _run_at_build(evaluation)
    if evaluation.plan.needs_guest(evaluation.task.cases):
        _run_in_guests(evaluation)
    if missing is not None:
        raise missing


def _run_at_build(evaluation: Evaluation) -> InfrastructureError | None:
    """Run the suites that are asked of the build tree; return what kept them from it."""
    plan, cases = evaluation.plan, evaluation.task.cases
    suites = plan.select_suites(SuitePlace.BUILD, cases)
    if not suites:
        return None
    directory = evaluation.directory / "tree"
    directory.mkdir(exist_ok=True)
    try:
        with (
            evaluation.run_phase(Phase.SUITES, ", ".join(suites), seconds=BUDGETS[Phase.BUILD]) as progress,
            ExitStack() as stack,
        ):
            tree = None
            if plan.build is not None and plan.build.go is not None:
                store = evaluation.context.store
                spec = resolve_build(plan.build, store, progress.deadline)
                tree = stack.enter_context(build.open_tree(spec, directory, store, progress.deadline))
            _run_suites(evaluation, suites, progress, directory, tree=tree)
    except InfrastructureError as error:
        evaluation.context.deadline.check()
        return error
    return None


def _run_in_guests(evaluation: Evaluation) -> None:
    """Run the guest's suites in one guest, and cases in another that ask for a booted one where the first was restored."""
    with open_guest(evaluation) as guest:
        _run_in_guest(evaluation, guest, fresh=None if evaluation.fresh else False)
    if suite.put_off(evaluation.directory):
        _run_in_booted_guest(evaluation)


def _run_in_booted_guest(evaluation: Evaluation) -> None:
    place = evaluation.directory / "booted"
    booted = replace(
        evaluation,
        directory=place,
        context=replace(evaluation.context, fresh=True),
        facts={},
        phases=[],
        cases=(),
        warnings=(),
    )
    place.mkdir(exist_ok=True)
    try:
        with open_guest(booted) as guest:
            _run_in_guest(booted, guest, fresh=True)
    finally:
        evaluation.phases += [phase for phase in booted.phases if phase.phase in IN_GUEST]
        evaluation.cases += booted.cases
        evaluation.warnings += booted.warnings
        evaluation.pid1_crash = evaluation.pid1_crash or booted.pid1_crash
        evaluation.error = evaluation.error or booted.error


def _run_in_guest(evaluation: Evaluation, guest: Machine, *, fresh: bool | None) -> None:
    suites = evaluation.plan.select_suites(SuitePlace.GUEST, evaluation.task.cases)
    try:
        with evaluation.run_phase(Phase.SUITES, ", ".join(suites)) as progress:
            _run_suites(evaluation, suites, progress, evaluation.directory, guest=guest, fresh=fresh)
    finally:
        _collect(evaluation, guest)
    if evaluation.context.keep is not None and evaluation.make_result().outcome.badness > Outcome.PASSED.badness:
        evaluation.context.keep(guest)


def _run_suites(
    evaluation: Evaluation,
    suites: Mapping[str, SuiteFile],
    progress: PhaseProgress,
    directory: Path,
    *,
    guest: Machine | None = None,
    tree: BuildTree | None = None,
    fresh: bool | None = None,
) -> None:
    plan = evaluation.plan
    spec = SuiteSpec(
        cell=plan.cell,
        machine=guest.files.directory if guest else None,
        tree=tree,
        root=plan.root,
        suites={
            name: Limits(timeout=file.timeout * evaluation.factor, reruns=file.reruns) for name, file in suites.items()
        },
        directory=directory,
        arguments=evaluation.context.arguments,
        cases=tuple(case for case in evaluation.task.cases if case.partition("/")[0] in suites),
        multiply=evaluation.context.multiply,
        upgrade=evaluation.upgrade,
        fresh=fresh,
        workers=min(evaluation.context.workers, plan.cpus, max((file.workers for file in suites.values()), default=1)),
    )
    before = evaluation.cases
    evaluation.cases = tuple(_judge(case, evaluation.task.expectations) for case in suite.run(spec, progress.deadline))
    counts = evaluation.make_result().count_outcomes()
    progress.text = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    evaluation.cases = before + evaluation.cases


def _judge(case: CaseResult, expectations: tuple[Expectation, ...]) -> CaseResult:
    """Return the case in the light of what is known to fail."""
    text = f"{case.message}\n{case.details}"
    try:
        judgement = judge(case.nodeid, case.outcome, text, expectations, datetime.now(UTC).date())
    except InfrastructureError as error:
        return case.model_copy(update={"outcome": Outcome.ERROR, "message": str(error)})
    return case.model_copy(update={"outcome": judgement.outcome, "expectation": judgement.note or None})


def _collect(evaluation: Evaluation, guest: Machine) -> None:
    """Collect evidence that only the running guest has; one that died gives no journal, and that is no further error."""
    deadline = Deadline.after(BUDGETS[Phase.COLLECT] * evaluation.factor, f"collection from {evaluation.plan.cell.id}")
    try:
        guest.find_late_crash(deadline)
        if guest.pid1_crash:
            _note_crash(evaluation, guest, deadline)
        guest.save_journal(guest.files.directory / "journal.txt", deadline=deadline)
    except InfrastructureError as error:
        logger.warning("%s: no journal: %s", evaluation.plan.cell.id, error)
    guest.console.read()
    expected = {name for file in evaluation.plan.suites.values() for name in file.expect}
    log = str(guest.files.console.relative_to(evaluation.directory))
    evaluation.warnings += tuple(format_warnings(guest.console.findings, expected, log, guest.console.counts))


def _note_crash(evaluation: Evaluation, guest: Machine, deadline: Deadline) -> None:
    """Make the crash of PID 1 the error of the cell, whatever its cases said, and collect what the guest knows of it."""
    evaluation.pid1_crash = guest.pid1_crash
    evaluation.error = f"{guest.pid1_crash}\n{guest.console.format_tail()}"
    guest.save_backtrace(guest.files.directory / "pid1-crash.txt", deadline=deadline)
