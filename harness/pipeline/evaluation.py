"""What becomes of one cell: build, image, boot, proof, suites, evidence.

A failed case is a value in the result; so is a cell that broke, since one cell must not stop another.
Only an interruption of the run is passed on as an exception.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from harness import accel, build, image, log, machine, suite
from harness.accel import Accelerator
from harness.errors import CancelledError, HarnessError, InfrastructureError
from harness.image import Image
from harness.machine import Machine
from harness.matrix import Expectation, judge
from harness.model import Event, Outcome, Phase, State
from harness.pipeline.workplace import BUDGETS, Workplace
from harness.plan import Plan
from harness.results import CaseResult, CellResult, PhaseResult, axes_of, write
from harness.store import Artifact
from harness.suite import Limits, SuiteSpec
from harness.wait import Deadline

__all__ = ["INTERRUPTED", "evaluate", "ready"]

logger = log.get(__name__)

INTERRUPTED = "The run was interrupted."
"""The error of a cell that was ended before its end; `--resume` runs it again."""

IN_GUEST = frozenset({Phase.BOOT, Phase.SUITES, Phase.COLLECT})


@dataclass(slots=True, kw_only=True)
class _Evaluation:
    """What has become of one cell so far."""

    plan: Plan
    directory: Path
    work: Workplace
    phases: list[PhaseResult] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    cases: tuple[CaseResult, ...] = ()
    error: str | None = None
    factor: float = 1.0

    @contextmanager
    def phase(self, phase: Phase, text: str) -> Iterator["_Progress"]:
        """Time a phase, tell the user about it, and give it its deadline."""
        seconds = BUDGETS[phase] * (self.factor if phase in IN_GUEST else 1.0)
        deadline = self.work.deadline.within(seconds, f"{phase} of {self.plan.cell.id}")
        if phase in self.work.broken:
            raise self.work.broken[phase]
        progress = _Progress(deadline=deadline, text=text)
        self._emit(phase, State.RUNNING, text)
        begin = time.monotonic()
        state: Literal[State.FAILED, State.DONE, State.CACHED] = State.FAILED
        try:
            yield progress
            state = State.CACHED if progress.cached else State.DONE
        finally:
            seconds = round(time.monotonic() - begin, 3)
            self.phases.append(PhaseResult(phase=phase, state=state, seconds=seconds, text=progress.text))
            self._emit(phase, state, progress.text)

    def _emit(self, phase: Phase, state: State, text: str) -> None:
        self.work.emit(Event(cell=self.plan.cell.id, phase=phase, state=state, text=text))

    def result(self) -> CellResult:
        """What has become of the cell."""
        cell = self.plan.cell
        return CellResult(
            id=cell.id,
            axes=axes_of(cell),
            phases=tuple(self.phases),
            facts=self.facts,
            cases=self.cases,
            error=self.error,
            again=self.work.again,
        )


@dataclass(slots=True, kw_only=True)
class _Progress:
    """What a phase says about itself while it runs."""

    deadline: Deadline
    text: str
    cached: bool = False


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
    (directory / "plan.json").write_text(description + "\n", encoding="utf-8")
    evaluation = _Evaluation(plan=plan, directory=directory, work=work)
    try:
        _evaluate(evaluation)
    except CancelledError:
        evaluation.error = INTERRUPTED
        raise
    except HarnessError as error:
        logger.info("%s: %s", plan.cell.id, error)
        evaluation.error = f"{error}" + (f"\n{error.hint}" if error.hint else "")
    except Exception as error:  # a mistake of ours must not stop the other cells either
        logger.exception("%s: an error of the harness itself", plan.cell.id)
        evaluation.error = f"The harness met an error of its own: {type(error).__name__}: {error}"
    finally:
        write(evaluation.result(), directory / "result.json")
    return evaluation.result()


def _plain(value: object) -> object:
    """A value in a plan that is no plain JSON: a path, or a model of a knowledge file."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump else str(value)


@contextmanager
def ready(plan: Plan, work: Workplace, directory: Path) -> Iterator[Machine]:
    """The running guest of a cell, with its runtime installed; it is destroyed when the context ends.

    Args:
        plan: What is done.
        work: What all cells share.
        directory: Where the evidence goes.

    Raises:
        HarnessError: It could not be built, made or booted; or it was interrupted.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _ready(_Evaluation(plan=plan, directory=directory, work=work)) as guest:
        yield guest


def _evaluate(it: _Evaluation) -> None:
    with _ready(it) as guest:
        try:
            _suites(it, guest)
        finally:
            _collect(it, guest)
        if it.work.keep is not None and it.result().outcome.badness > Outcome.PASSED.badness:
            it.work.keep(guest)


@contextmanager
def _ready(it: _Evaluation) -> Iterator[Machine]:
    runtime = _build(it)
    disk = _image(it)
    accelerator = accel.probe(disk.kernel, it.work.store.root, it.work.deadline.within(60.0, "probe of KVM"))
    it.factor = accelerator.factor
    it.facts["accelerator"] = accelerator.name
    with _boot(it, disk, accelerator) as guest:
        _prepare(it, guest, runtime)
        yield guest


def _build(it: _Evaluation) -> Artifact | None:
    request = it.plan.build
    if request is None:
        return None
    with it.phase(Phase.BUILD, f"{request.name} {request.version} with Go {request.go}") as progress:
        spec = request.resolve(it.work.store, progress.deadline)
        progress.text = spec.title
        artifact = build.build(spec, it.work.store, progress.deadline, it.directory / "build.log")
        progress.cached = artifact.cached
    return artifact


def _image(it: _Evaluation) -> Image:
    spec = it.plan.image
    with it.phase(Phase.IMAGE, f"{spec.distro}/{spec.channel}") as progress:
        progress.cached = image.find(spec, it.work.store) is not None
        made = image.make(spec, it.work.store, progress.deadline, it.directory / "image.log")
        progress.text = f"{spec.distro}/{spec.channel}: systemd {made.systemd}, kernel {made.kernel_version}"
    return made


@contextmanager
def _boot(it: _Evaluation, disk: Image, accelerator: Accelerator) -> Iterator[Machine]:
    spec = machine.specify(
        disk,
        name=it.plan.cell.id,
        arguments=it.plan.arguments,
        accelerator=accelerator,
        cores=it.plan.cpus,
        memory=it.plan.memory,
    )
    place = it.directory / "machine"
    machine.clean(place)
    with ExitStack() as stack:
        with it.phase(Phase.BOOT, f"under {accelerator.name}") as progress:
            fresh = it.work.fresh or any(file.fresh_boot for file in it.plan.suites.values())
            start = machine.start(spec, place, progress.deadline, store=it.work.store, fresh=fresh)
            guest = stack.enter_context(start)
            it.facts["boot"] = guest.record.origin
            progress.text = f"{guest.record.origin}, under {accelerator.name}. {guest.record.note}".rstrip(" .")
        yield guest


def _prepare(it: _Evaluation, guest: Machine, runtime: Artifact | None) -> None:
    """Put the runtime into the guest, and let the guest prove what it is before any case runs."""
    cell = it.plan.cell
    deadline = it.work.deadline.within(BUDGETS[Phase.BOOT] * it.factor, f"preparation of {cell.id}")
    found = machine.prove(guest, systemd=cell.systemd, cgroup=cell.cgroup, deadline=deadline)
    it.facts.update(systemd=found.systemd, kernel=found.kernel, cgroup=found.cgroup.value)
    if runtime is not None:
        guest.copy_in(runtime.path, "/", deadline=deadline)
    said = guest.run([it.plan.command, "--version"], deadline=deadline).out.splitlines()
    it.facts["runtime"] = said[0] if said else ""


def _suites(it: _Evaluation, guest: Machine) -> None:
    plan = it.plan
    with it.phase(Phase.SUITES, ", ".join(plan.suites)) as progress:
        spec = SuiteSpec(
            cell=plan.cell,
            machine=guest.place.directory,
            root=plan.root,
            suites={
                name: Limits(timeout=file.timeout * it.factor, reruns=file.reruns) for name, file in plan.suites.items()
            },
            directory=it.directory,
            arguments=it.work.arguments,
            cases=it.work.cases,
            multiply=it.work.multiply,
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


def _collect(it: _Evaluation, guest: Machine) -> None:
    """Evidence that only the running guest has; a guest that died gives none, and that is no further error."""
    deadline = Deadline.after(BUDGETS[Phase.COLLECT] * it.factor, f"collection from {it.plan.cell.id}")
    try:
        guest.journal(guest.place.directory / "journal.txt", deadline=deadline)
    except InfrastructureError as error:
        logger.warning("%s: no journal: %s", it.plan.cell.id, error)
