"""What the evaluation of every cell of a run shares, and how long its phases may take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.machine import Machine
from harness.matrix import Expectation
from harness.model import Event, Phase
from harness.store import Store
from harness.wait import Deadline

__all__ = ["BUDGETS", "Workplace"]

BUDGETS = {
    Phase.BUILD: 45 * 60.0,
    Phase.IMAGE: 30 * 60.0,
    Phase.BOOT: 30.0,
    Phase.SUITES: 10 * 60.0,
    Phase.COLLECT: 30.0,
}
"""Seconds that each phase may take; those inside a guest are for KVM and are multiplied by the accelerator's factor."""

Emit = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What the evaluation of every cell of a run shares.

    Attributes:
        store: Where artifacts are kept.
        emit: Receives what a user who watches wants to see.
        deadline: End of the whole run; carries its interruption.
        expectations: Known failures of the cell's cases.
        arguments: Further arguments for pytest.
        again: The command line that repeats the cell.
        cases: Node ids of the cases that run; all cases of the suites if empty.
        multiply: How many times each case runs, each as a case of its own.
        workers: How many processes at most run the cases of one cell.
        fresh: Boot the guest, where it could start from a saved memory.
        scratch_builds: Build from nothing, whatever the store or earlier builds left; images and compilers' caches stay.
        broken: What other tasks of the run could not make, by the phase that needs it: it is not tried again.
        keep: Called with the machine while it still runs, if the cell did not pass; may wait for a person.
    """

    store: Store
    emit: Emit
    deadline: Deadline
    expectations: tuple[Expectation, ...] = ()
    arguments: tuple[str, ...] = ()
    again: str = ""
    cases: tuple[str, ...] = ()
    multiply: int = 1
    workers: int = 1
    fresh: bool = False
    scratch_builds: bool = False
    broken: Mapping[Phase, HarnessError] = field(default_factory=dict)
    keep: Callable[[Machine], None] | None = None
