"""What the cells of a run share, what one cell is, how far it has come, and how long its phases may take."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.cell_file import Upgrade
from harness.errors import HarnessError
from harness.machine import Machine
from harness.matrix import Expectation
from harness.model import Event, Phase, State, format_axes
from harness.plan import Plan
from harness.results import CaseResult, CellResult, PhaseResult
from harness.store import Store
from harness.wait import Deadline

__all__ = ["BUDGETS", "IN_GUEST", "CellTask", "Evaluation", "PhaseProgress", "RunContext"]

BUDGETS = {
    Phase.BUILD: 45 * 60.0,
    Phase.IMAGE: 30 * 60.0,
    Phase.BOOT: 30.0,
    Phase.SUITES: 10 * 60.0,
    Phase.COLLECT: 30.0,
}
"""Seconds that each phase may take; those inside a guest are for KVM and are multiplied by the accelerator's factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all cells of a run share.

    Attributes:
        emit: Receives what a user who watches wants to see.
        deadline: End of the whole run; carries its interruption.
        arguments: Further arguments for pytest.
        multiply: How many times each case runs, each as a case of its own.
        workers: How many processes at most run the cases of one cell.
        fresh: Boot the guest, where it could start from a saved memory.
        network: Let the guest reach other computers, whatever its suites need.
        scratch_builds: Build from nothing, whatever the store or earlier builds left; images and compilers' caches stay.
        keep: Called with the machine while it still runs, if the cell did not pass; may wait for a person.
    """

    store: Store
    emit: Callable[[Event], None]
    deadline: Deadline
    arguments: tuple[str, ...] = ()
    multiply: int = 1
    workers: int = 1
    fresh: bool = False
    network: bool = False
    scratch_builds: bool = False
    keep: Callable[[Machine], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTask:
    """What is done for one cell.

    Attributes:
        cases: Node ids of the cases that run; all cases of the suites if empty.
        expectations: Known failures of its cases.
        again: The command line that repeats it.
        broken: What other tasks of the run could not make, by the phase that needs it: it is not tried again.
    """

    plan: Plan
    cases: tuple[str, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    again: str = ""
    broken: Mapping[Phase, HarnessError] = field(default_factory=dict)


IN_GUEST = frozenset({Phase.BOOT, Phase.SUITES, Phase.COLLECT})


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """What has become of one cell so far."""

    task: CellTask
    context: RunContext
    directory: Path
    phases: list[PhaseResult] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    upgrade: Upgrade | None = None
    pid1_crash: str | None = None
    cases: tuple[CaseResult, ...] = ()
    error: str | None = None
    interrupted: bool = False
    factor: float = 1.0

    @property
    def plan(self) -> Plan:
        """What is done."""
        return self.task.plan

    @property
    def fresh(self) -> bool:
        """Whether its guest is booted, where it could start from a saved memory."""
        return self.context.fresh or any(file.fresh_boot for file in self.plan.suites.values())

    @property
    def network(self) -> bool:
        """Whether its guest reaches other computers."""
        return self.context.network or any(file.network for file in self.plan.suites.values())

    @contextmanager
    def run_phase(self, phase: Phase, text: str, seconds: float | None = None) -> Iterator["PhaseProgress"]:
        """Time a phase, report it, and give it its deadline: its budget, or so many seconds."""
        if seconds is None:
            seconds = BUDGETS[phase] * (self.factor if phase in IN_GUEST else 1.0)
        deadline = self.context.deadline.within(seconds, f"{phase} of {self.plan.cell.id}")
        if phase in self.task.broken:
            raise self.task.broken[phase]
        progress = PhaseProgress(deadline=deadline, text=text)
        self._emit(phase, State.RUNNING, text)
        begin, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        state = State.FAILED
        try:
            yield progress
            state = State.CACHED if progress.cached else State.DONE
        except BaseException:
            if deadline.cancelled.is_set():  # whatever went wrong then is a consequence
                state = State.INTERRUPTED
            raise
        finally:
            seconds = round(time.monotonic() - begin, 3)
            self.phases.append(
                PhaseResult(phase=phase, state=state, seconds=seconds, text=progress.text, started=started)
            )
            self._emit(phase, state, progress.text)

    def _emit(self, phase: Phase, state: State, text: str) -> None:
        self.context.emit(Event(cell=self.plan.cell.id, phase=phase, state=state, text=text))

    def make_result(self) -> CellResult:
        """Return what has become of the cell."""
        cell = self.plan.cell
        return CellResult(
            id=cell.id,
            axes=format_axes(cell),
            phases=tuple(self.phases),
            facts=self.facts,
            cases=self.cases,
            error=self.error,
            interrupted=self.interrupted,
            again=self.task.again,
            warnings=self.warnings,
            pid1_crash=self.pid1_crash,
        )


@dataclass(slots=True, kw_only=True)
class PhaseProgress:
    """What a phase says about itself while it runs."""

    deadline: Deadline
    text: str
    cached: bool = False
