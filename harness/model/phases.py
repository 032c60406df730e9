"""The parts of the work for one cell, and what a user who watches sees of them."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Event", "Phase", "State"]


class Phase(StrEnum):
    """A part of the work for one cell, in the order in which a plan has them."""

    BUILD = "build"
    IMAGE = "image"
    BOOT = "boot"
    SUITES = "suites"
    COLLECT = "collect"


class State(StrEnum):
    """Where a phase stands."""

    WAITING = "waiting"
    RUNNING = "running"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Ended by the user, which says nothing about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened that a user who watches wants to see.

    Attributes:
        cell: Identifier of the cell.
        phase: Which part of its plan.
        state: Where that part stands now.
        text: One short line, or empty.
    """

    cell: str
    phase: Phase
    state: State
    text: str = ""
