"""What becomes of one cell: a guest, its suites, their cases judged, the evidence.

A failed case is a value in the result; so is a cell that broke, since one cell must not stop another.
Only an interruption of the run is passed on as an exception.
"""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from harness import log, suite
from harness.errors import CancelledError, HarnessError, InfrastructureError
from harness.machine import Machine
from harness.matrix import Expectation, judge
from harness.model import Outcome, Phase
from harness.pipeline.guest import guest_of
from harness.pipeline.state import IN_GUEST, Evaluation
from harness.pipeline.workplace import BUDGETS, Workplace
from harness.plan import Plan
from harness.results import CaseResult, CellResult, write
from harness.rundir import PLAN, RESULT
from harness.suite import Limits, SuiteSpec
from harness.wait import Deadline

__all__ = ["INTERRUPTED", "evaluate"]

logger = log.get(__name__)

INTERRUPTED = "The run was interrupted."
"""The error of a cell that was ended before its end; `--resume` runs it again."""


def evaluate(plan: Plan, work: Workplace, directory: Path) -> CellResult:
    """Build, boot, test and judge one cell.

    Args:
        plan: What is done.
        work: What all cells share.
        directory: Where the cell's evidence goes; result.json is written there last.

    Raises:
        CancelledError: The run was interrupted. The result that there is has been written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    description = json.dumps(asdict(plan), indent=1, default=_plain)
    (directory / PLAN).write_text(description + "\n", encoding="utf-8")
    evaluation = Evaluation(plan=plan, directory=directory, work=work)
    try:
        _evaluate(evaluation)
    except Exception as error:  # a mistake of ours must not stop the other cells either
        evaluation.error = _why(evaluation, error)
        if evaluation.error == INTERRUPTED:
            raise CancelledError(INTERRUPTED) from error
    finally:
        write(evaluation.result(), directory / RESULT)
    return evaluation.result()


def _why(it: Evaluation, error: Exception) -> str:
    """What the result says of a cell that ended early."""
    name = it.plan.cell.id
    if isinstance(error, CancelledError) or it.work.deadline.cancelled.is_set():
        logger.info("%s: interrupted: %s", name, error)  # whatever else went wrong then is a consequence
        return INTERRUPTED
    if isinstance(error, HarnessError):
        logger.info("%s: %s", name, error)
        return f"{error}" + (f"\n{error.hint}" if error.hint else "")
    logger.error("%s: an error of the harness itself", name, exc_info=error)
    return f"The harness met an error of its own: {type(error).__name__}: {error}"


def _plain(value: object) -> object:
    """A value in a plan that is no plain JSON: a path, or a model of a knowledge file."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else str(value)


def _evaluate(it: Evaluation) -> None:
    """Run the suites in one guest, and those cases in another that ask for a booted one where the first was restored."""
    with guest_of(it) as guest:
        _in_guest(it, guest, fresh=None if it.fresh else False)
    if suite.put_off(it.directory):
        _in_booted_guest(it)


def _in_booted_guest(it: Evaluation) -> None:
    place = it.directory / "booted"
    booted = replace(it, directory=place, work=replace(it.work, fresh=True), facts={}, phases=[], cases=())
    place.mkdir(exist_ok=True)
    try:
        with guest_of(booted) as guest:
            _in_guest(booted, guest, fresh=True)
    finally:
        it.phases += [phase for phase in booted.phases if phase.phase in IN_GUEST]
        it.cases += booted.cases


def _in_guest(it: Evaluation, guest: Machine, *, fresh: bool | None) -> None:
    try:
        _suites(it, guest, fresh=fresh)
    finally:
        _collect(it, guest)
    if it.work.keep is not None and it.result().outcome.badness > Outcome.PASSED.badness:
        it.work.keep(guest)


def _suites(it: Evaluation, guest: Machine, *, fresh: bool | None) -> None:
    plan = it.plan
    with it.phase(Phase.SUITES, ", ".join(plan.suites)) as progress:
        spec = SuiteSpec(
            cell=plan.cell,
            machine=guest.files.directory,
            root=plan.root,
            suites={
                name: Limits(timeout=file.timeout * it.factor, reruns=file.reruns) for name, file in plan.suites.items()
            },
            directory=it.directory,
            arguments=it.work.arguments,
            cases=it.work.cases,
            multiply=it.work.multiply,
            fresh=fresh,
            workers=min(it.work.workers, plan.cpus, max((file.workers for file in plan.suites.values()), default=1)),
        )
        cases = suite.run(spec, progress.deadline)
        it.cases = tuple(_judged(case, it.work.expectations) for case in cases)
        counts = it.result().counts()
        progress.text = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])


def _judged(case: CaseResult, expectations: tuple[Expectation, ...]) -> CaseResult:
    """The case in the light of what is known to fail."""
    text = f"{case.message}\n{case.details}"
    judgement = judge(case.nodeid, case.outcome, text, expectations, datetime.now(UTC).date())
    return case.model_copy(update={"outcome": judgement.outcome, "expectation": judgement.note or None})


def _collect(it: Evaluation, guest: Machine) -> None:
    """Evidence that only the running guest has; a guest that died gives none, and that is no further error."""
    deadline = Deadline.after(BUDGETS[Phase.COLLECT] * it.factor, f"collection from {it.plan.cell.id}")
    try:
        guest.save_journal(guest.files.directory / "journal.txt", deadline=deadline)
    except InfrastructureError as error:
        logger.warning("%s: no journal: %s", it.plan.cell.id, error)
