"""Sides of a comparison, and runs on disk, made from few words."""

import json
from pathlib import Path
from typing import Any

from harness import results
from harness.compare import CellOutcomes, RunOutcomes
from harness.model import Cell, Outcome, format_axes
from harness.results import CaseResult, CellResult, RunResult

CASE = "cgroup/test_x.py::test_y"


def cell_side(cell: Cell | str, cases: dict[str, Outcome], **more: Any) -> CellOutcomes:
    """Return what became of a cell; one that is a text has no axes."""
    name, axes = (cell, {}) if isinstance(cell, str) else (cell.id, format_axes(cell))
    return CellOutcomes(id=name, axes=axes, cases=cases, **more)


def side(*cells: CellOutcomes, name: str = "run", **more: Any) -> RunOutcomes:
    """Return a side with some cells."""
    return RunOutcomes(name=name, kind="run", cells={cell.id: cell for cell in cells}, **more)


def run_result(name: str, cells: dict[str, dict[str, Outcome]], **more: Any) -> RunResult:
    """Return the result of a run with some outcomes by cell and case."""
    made = tuple(
        CellResult(
            id=cell,
            axes={"distro": "debian/bookworm", "systemd": "252", "go": None, "cgroup": "legacy", "runtime": "nspawn"},
            facts={"systemd": "252.39-1", "boot": "cold"},
            cases=tuple(
                CaseResult(nodeid=nodeid, outcome=outcome, raw=outcome, seconds=1.5, message=f"{outcome} it is")
                for nodeid, outcome in cases.items()
            ),
        )
        for cell, cases in cells.items()
    )
    usual: dict[str, Any] = {"command": "harness run", "started": "2026-11-24T00:00:00+00:00", "harness": "0"}
    return RunResult(id=name, cells=made, **(usual | more))


def write_run(directory: Path, result: RunResult, wanted: tuple[str, ...] = ()) -> Path:
    """Write a run's directory, with what was asked for if `wanted` names cells."""
    results.write(result, directory / "result.json")
    if wanted:
        request = {"command": result.command, "cells": wanted, "suites": ["cgroup"], "builder": "docker"}
        (directory / "request.json").write_text(json.dumps(request), encoding="utf-8")
    return directory
