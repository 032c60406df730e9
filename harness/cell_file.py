"""cell.json: what the harness writes for the pytest process that runs the suites of a cell, and its plugin reads."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.model import Cell

__all__ = ["CELL_FILE", "CellFile", "Limits"]

CELL_FILE = "cell.json"


class Limits(BaseModel):
    """What a suite declares about its cases.

    Attributes:
        timeout: Seconds that one case may take, already scaled by the accelerator; no end for None.
        reruns: How often a failed case is executed again; as often as pytest's own options say for None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout: float | None = None
    reruns: int | None = None


class CellFile(BaseModel):
    """The cell, its guest, and how its cases run.

    Attributes:
        cell: The cell that the guest is said to be.
        machine: Directory of the guest.
        suites: Limits of the cases, by suite.
        multiply: How many times each case runs, each as a case of its own.
        fresh: Which cases run: those marked `fresh_boot` (True), the others (False), or all (None).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    machine: Path
    suites: dict[str, Limits] = {}
    multiply: int = 1
    fresh: bool | None = None
