"""Result files of other tools, and our own JUnit, as a side of a comparison.

One of our own JUnit files has a suite for each cell, with what the cell is as properties; what it says is what result.json
says. All cases of other tools' files are in one cell without axes, whose name is that of the tool's file format: `junit`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NotRequired, TypeVar

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic brings it, and asks for it below Python 3.12

from harness.compare.copies import CaseCopy, fold_reruns
from harness.compare.outcomes import FOREIGN, CellOutcomes, RunOutcomes, make_foreign_cell
from harness.compare.runs import RunHeader, describe_run
from harness.errors import InfrastructureError
from harness.foreign import read_cases, records
from harness.foreign.records import ForeignCase, ForeignReport, ForeignSuite
from harness.model import AXES, Outcome, find_worst, format_axes, parse_cell_id
from harness.results import find_problem
from harness.text import escape

__all__ = ["FOREIGN", "load_foreign", "load_junit"]

REQUIRED = frozenset({"distro", "systemd", "cgroup", "runtime"})
"""Axes that every file of ours has, the oldest too."""
PROVEN = frozenset({"systemd", "cgroup", "runtime"})
"""Axes of whose value a guest has a fact with the same name, which takes its place among the properties."""
PLAIN_AXES = frozenset(axis.name for axis in AXES) - PROVEN


class _CellProperty(TypedDict):
    id: str
    axes: dict[str, str | None]
    facts: dict[str, str]
    error: NotRequired[str | None]


CELL_PROPERTY, RUN_PROPERTY, TEXT = TypeAdapter(_CellProperty), TypeAdapter(RunHeader), TypeAdapter(str)


def load_junit(path: Path, *, name: str) -> RunOutcomes:
    """Return what a JUnit file says; raises InfrastructureError, with file:line:column, if it is none or is cut off."""
    return load_foreign(path, name=name, form="junit")


def load_foreign(path: Path, *, name: str, form: str) -> RunOutcomes:
    """Return what a file of one of `harness.foreign.FORMATS` says; raises InfrastructureError as `load_junit` does."""
    report = ForeignReport(name=name)
    copies: dict[str, list[CaseCopy]] = {}
    own: dict[int, list[ForeignCase]] = {}
    try:
        with path.open("rb") as stream:
            for case in read_cases(stream, form, report):
                if _is_ours(case.suite):
                    own.setdefault(id(case.suite), []).append(case)
                    continue
                found = copies.setdefault(case.nodeid, [])
                found.append(CaseCopy(case.place, case.outcome, case.message[: records.LONGEST]))
                if case.suite.repeats:
                    _fold_last(found)
    except OSError as error:
        raise InfrastructureError(f"{name} cannot be read: {error.strerror}.") from error
    header = next((suite.properties[records.RUN] for suite in report.suites if records.RUN in suite.properties), None)
    cells: dict[str, CellOutcomes] = {}
    for suite in report.suites:
        if _is_ours(suite):
            cell = _make_cell(suite, own.get(id(suite), []), name)
            if cell.id in cells:
                raise InfrastructureError(f"{name}: the cell `{escape(cell.id)}` appears twice.")
            cells[cell.id] = cell
    if copies or not (cells or header):
        cells[FOREIGN] = make_foreign_cell({nodeid: tuple(found) for nodeid, found in copies.items()}, place=name)
    if header is None:
        return RunOutcomes(
            name=name, kind="junit", started=report.started, cells=cells, problems=tuple(report.problems)
        )
    run = describe_run(_read_property(RUN_PROPERTY, header, name), cells, name=name, kind="junit")
    return replace(run, problems=(*run.problems, *report.problems))


def _fold_last(found: list[CaseCopy]) -> None:
    """Take the last copy of a case for a rerun of what was before it in its place, as its format says."""
    earlier = next((index for index, copy in enumerate(found[:-1]) if copy.place == found[-1].place), None)
    if earlier is None:
        return
    before, now = found[earlier], found.pop()
    folded = fold_reruns((before, now), 1)
    found[earlier] = max(folded, key=lambda copy: copy.outcome.badness)


def _is_ours(suite: ForeignSuite) -> bool:
    """Return whether a suite is a cell of ours: no other tool writes such properties."""
    return records.CELL in suite.properties or suite.properties.keys() >= REQUIRED


def _make_cell(suite: ForeignSuite, found: list[ForeignCase], name: str) -> CellOutcomes:
    """Return the cell that one of our suites is."""
    cases: dict[str, Outcome] = {}
    messages: dict[str, str] = {}
    error: str | None = None
    for case in found:
        if case.owner == suite.name and case.name == records.BROKEN and records.NODEID not in case.properties:
            error = case.message or "The cell broke."
            continue
        nodeid, message = _read_case(suite, case, name)
        cases[nodeid] = find_worst((cases.get(nodeid, case.outcome), case.outcome))
        if case.outcome.wants_a_look:
            messages[nodeid] = message
    if records.CELL in suite.properties:
        cell = _read_property(CELL_PROPERTY, suite.properties[records.CELL], name)
        known: dict[str, Any] = {
            "id": cell["id"],
            "axes": cell["axes"],
            "facts": cell["facts"],
            "error": cell.get("error"),
        }
    else:
        facts = {key: value for key, value in suite.properties.items() if key not in PLAIN_AXES}
        known = {"id": suite.name, "axes": _find_axes(suite), "facts": facts, "error": error}
    return CellOutcomes(**known, cases=cases, messages=messages, place=name)


def _read_case(suite: ForeignSuite, case: ForeignCase, name: str) -> tuple[str, str]:
    """Return pytest's node id of a case of ours, and its message."""
    message = case.message
    if records.MESSAGE in case.properties:
        message = _read_property(TEXT, case.properties[records.MESSAGE], name)
    if records.NODEID in case.properties:
        return _read_property(TEXT, case.properties[records.NODEID], name), message
    if not case.owner.startswith(f"{suite.name}."):
        return case.nodeid, message
    place = case.owner.removeprefix(f"{suite.name}.").replace(".", "/")
    return f"{place}.py::{case.name}", message


T = TypeVar("T")


def _read_property(adapter: TypeAdapter[T], text: str, name: str) -> T:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise InfrastructureError(f"{name}: a property of ours is wrong: {find_problem(error)}.") from error


def _find_axes(suite: ForeignSuite) -> dict[str, str | None]:
    """Return the axes of a cell of ours: as its name has them where a fact may have taken the place of one."""
    axes: dict[str, str | None] = {axis.name: suite.properties.get(axis.name) for axis in AXES}
    try:
        named = format_axes(parse_cell_id(suite.name))
    except ValueError:
        return axes
    return axes | {name: named[name] for name in PROVEN}
