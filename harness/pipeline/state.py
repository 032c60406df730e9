"""How far the evaluation of one cell has come."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from harness.model import Event, Phase, State
from harness.pipeline.workplace import BUDGETS, Workplace
from harness.plan import Plan
from harness.results import CaseResult, CellResult, PhaseResult, axes_of
from harness.wait import Deadline

__all__ = ["IN_GUEST", "Evaluation", "Progress"]

IN_GUEST = frozenset({Phase.BOOT, Phase.SUITES, Phase.COLLECT})


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """What has become of one cell so far."""

    plan: Plan
    directory: Path
    work: Workplace
    phases: list[PhaseResult] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    cases: tuple[CaseResult, ...] = ()
    error: str | None = None
    factor: float = 1.0

    @property
    def fresh(self) -> bool:
        """Whether its guest is booted, where it could start from a saved memory."""
        return self.work.fresh or any(file.fresh_boot for file in self.plan.suites.values())

    @contextmanager
    def phase(self, phase: Phase, text: str) -> Iterator["Progress"]:
        """Time a phase, tell the user about it, and give it its deadline."""
        seconds = BUDGETS[phase] * (self.factor if phase in IN_GUEST else 1.0)
        deadline = self.work.deadline.within(seconds, f"{phase} of {self.plan.cell.id}")
        if phase in self.work.broken:
            raise self.work.broken[phase]
        progress = Progress(deadline=deadline, text=text)
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
class Progress:
    """What a phase says about itself while it runs."""

    deadline: Deadline
    text: str
    cached: bool = False
