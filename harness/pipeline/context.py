"""What the cells of a run share, what one cell is, and how long the phases of a cell may take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.machine import Machine
from harness.matrix import Expectation
from harness.model import Event, Phase
from harness.plan import Plan
from harness.store import Store
from harness.wait import Deadline

__all__ = ["BUDGETS", "CellTask", "RunContext"]

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
        store: Where artifacts are kept.
        emit: Receives what a user who watches wants to see.
        deadline: End of the whole run; carries its interruption.
        arguments: Further arguments for pytest.
        multiply: How many times each case runs, each as a case of its own.
        workers: How many processes at most run the cases of one cell.
        fresh: Boot the guest, where it could start from a saved memory.
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
    scratch_builds: bool = False
    keep: Callable[[Machine], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTask:
    """What is done for one cell.

    Attributes:
        plan: Its plan.
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
