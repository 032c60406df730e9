"""What was asked for in a run, kept in its directory, so that the run can go on and be repeated in part."""

import shlex
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import NothingRanError, UsageError
from harness.results import RunResult, problem

__all__ = ["REQUEST", "Request", "read_request"]

REQUEST = "request.json"


class Request(BaseModel):
    """What was asked for, as `--resume` needs it.

    Attributes:
        command: The command line that repeats the run.
        cells: Identifiers of its cells.
        suites: Names of its suites.
        builder: Where runtimes are built.
        arguments: Further arguments for pytest.
        cases: By cell, the node ids of the cases that run; all cases of the suites for a cell that is not in it.
        multiply: How many times each case runs.
        fresh: Whether every guest is booted, where it could start from a saved memory.
        sets: What was changed about the matrix, each `KEY=VALUE`.
        mirror: What stands in place of the host of a distro's releases, or None.
        key: File with the public key that is trusted for them, or None for the distro's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    cells: tuple[str, ...]
    suites: tuple[str, ...]
    builder: str
    arguments: tuple[str, ...] = ()
    cases: dict[str, tuple[str, ...]] = {}
    multiply: int = 1
    fresh: bool = False
    sets: tuple[str, ...] = ()
    mirror: str | None = None
    key: Path | None = None

    @property
    def source(self) -> tuple[str | None, Path | None]:
        """From where images come, and who vouches for them: mirror and key."""
        return self.mirror, self.key

    def failed(self, result: RunResult) -> "Request":
        """A request for what failed in a run of this request: its cells, and in each of them the cases.

        Raises:
            NothingRanError: Nothing failed.
        """
        cells = [cell for cell in result.cells if cell.outcome.unexpected]
        if not cells:
            raise NothingRanError(f"Nothing failed in the run {result.id}.")
        return self.model_copy(
            update={
                "command": shlex.join(["harness", "run", "--failed", result.id]),
                "cells": tuple(cell.id for cell in cells),
                # A cell that broke has cases that never ran, so all of them run.
                "cases": {
                    cell.id: tuple(case.nodeid for case in cell.cases if case.outcome.unexpected)
                    for cell in cells
                    if not cell.error
                },
            }
        )


def read_request(directory: Path) -> Request:
    """What was asked for in a run that has begun.

    Raises:
        UsageError: There is no such run, or its request cannot be read.
    """
    try:
        return Request.model_validate_json((directory / REQUEST).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"There is no run in {directory}: it has no {REQUEST}.") from error
    except OSError as error:
        raise UsageError(f"{directory / REQUEST} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise UsageError(
            f"{directory / REQUEST} does not say what was asked for: {problem(error)}.",
            hint=f"Begin a new run; what this one found is in {directory / 'result.json'}, if that is there.",
        ) from error
