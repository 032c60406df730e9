"""How far the evaluation of one cell has come."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.model import Event, Phase, State, format_axes
from harness.pipeline.context import BUDGETS, CellTask, RunContext
from harness.plan import Plan
from harness.results import CaseResult, CellResult, PhaseResult
from harness.wait import Deadline

__all__ = ["IN_GUEST", "Evaluation", "PhaseProgress"]

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

    @contextmanager
    def run_phase(self, phase: Phase, text: str) -> Iterator["PhaseProgress"]:
        """Time a phase, report it, and give it its deadline."""
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
        )


@dataclass(slots=True, kw_only=True)
class PhaseProgress:
    """What a phase says about itself while it runs."""

    deadline: Deadline
    text: str
    cached: bool = False
