"""Reading what a run left, fast: only what a comparison needs of result.json, one cell at a time.

`results.write` puts each cell between lines of two spaces and a brace, and no text in JSON has a line break of its
own, so that the file can be cut there without reading it as JSON first; each part is then read and checked. A file
that is written in another way (by jq, or by hand), or in which something is wrong, is read as a whole, which takes more time and
memory and says exactly what is wrong where.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic brings it, and asks for it below Python 3.12

from harness.compare.outcomes import NOTHING, CellOutcomes, Kind, RunOutcomes
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.garbage import pause_garbage_collection
from harness.model import Outcome, count_runs, find_worst, fold_outcomes
from harness.results import FORMAT, REPETITION, check_format, find_problem
from harness.rundir import REQUEST, RESULT, parse_shard, read_request
from harness.text import escape

__all__ = ["RunHeader", "describe_run", "load_run", "locate"]

LONGEST = 1000
"""Characters of a message that are kept."""

BLOCK = 1 << 22
"""Bytes that are read at a time."""

OPEN, BETWEEN, CLOSE = b'\n "cells": [\n  {\n', b"\n  },\n  {\n", b"\n  }\n ],\n"


class _Case(TypedDict):
    nodeid: str
    outcome: Outcome
    message: NotRequired[str]


class _Cell(TypedDict):
    id: str
    axes: dict[str, str | None]
    facts: NotRequired[dict[str, str]]
    cases: NotRequired[list[_Case]]
    error: NotRequired[str | None]
    pid1_crash: NotRequired[str | None]


class RunHeader(TypedDict):
    """What a result says of the run itself; see `harness.results.RunResult`."""

    id: str
    format: Annotated[int, Field(strict=True, ge=1)]
    harness: str
    command: str
    started: str
    computer: NotRequired[dict[str, str]]
    interrupted: NotRequired[bool]
    shard: NotRequired[tuple[int, int] | None]
    commit: NotRequired[str | None]
    attempt: NotRequired[int | None]
    matrix: NotRequired[str | None]
    problems: NotRequired[tuple[str, ...]]


class _Whole(RunHeader):
    cells: NotRequired[list[_Cell]]


CELL, RUN, WHOLE = TypeAdapter(_Cell), TypeAdapter(RunHeader), TypeAdapter(_Whole)


class _OtherwiseWrittenError(Exception):
    """The file is not as `results.write` writes it, or something in it is wrong."""


def load_run(path: Path, *, name: str) -> RunOutcomes:
    """Return what a run found.

    `path` is its directory or its result.json; messages name it as `name`.

    Raises:
        UsageError: There is no result.
        InfrastructureError: It is broken or of a newer format; with file:line:column where that is known.
    """
    file = path / RESULT if path.is_dir() else path
    shown = f"{name}/{RESULT}" if path.is_dir() else name
    try:
        with pause_garbage_collection():
            run, cells = _read(file, shown)
    except FileNotFoundError as error:
        raise UsageError(
            f"{shown}: there is no result; the run did not begin, or was removed.",
            hint="Name a run by its directory or its result.json, by its name below runs/, or as `last`.",
        ) from error
    except OSError as error:
        raise InfrastructureError(f"{shown} cannot be read: {error.strerror}.") from error
    sides: dict[str, CellOutcomes] = {}
    for cell in cells:
        if cell.id in sides:
            raise InfrastructureError(f"{shown}: the cell `{escape(cell.id)}` appears twice.")
        sides[cell.id] = cell
    described = describe_run(run, sides, name=name, kind="run")
    return replace(described, problems=(*described.problems, *_find_missing(file, name, sides)))


def describe_run(run: RunHeader, cells: Mapping[str, CellOutcomes], *, name: str, kind: Kind) -> RunOutcomes:
    """Return a run as a side, from what a result says of it and its cells."""
    interrupted = (f"{name} was interrupted before its cells had finished.",) if run.get("interrupted") else ()
    commit = run.get("commit") or ""
    facts = {"harness": run["harness"], **{f"host {key}": value for key, value in run.get("computer", {}).items()}}
    return RunOutcomes(
        name=name,
        kind=kind,
        started=run["started"],
        cells=cells,
        facts=facts | ({"commit": commit} if commit else {}),
        problems=(*interrupted, *run.get("problems", ())),
        shards=_find_shards(run),
        commit=commit,
        attempt=run.get("attempt") or 0,
        matrix=run.get("matrix") or "",
    )


def _read(file: Path, shown: str) -> tuple[RunHeader, list[CellOutcomes]]:
    try:
        with file.open("rb") as stream:
            return _read_by_parts(stream, shown)
    except (_OtherwiseWrittenError, ValidationError):
        return _read_whole(file, shown)


def _read_by_parts(stream: BinaryIO, shown: str) -> tuple[RunHeader, list[CellOutcomes]]:
    seen = _Seen()
    head, cells = b"", []
    for number, part in enumerate(_split_parts(stream)):
        if number == 0:
            head = part
        elif part[:1] == b"{":
            cells.append(_make_side(CELL.validate_json(part), shown, seen))
        else:
            head += b'\n "cells": [],\n' + part
    run = RUN.validate_json(head)
    if run["format"] > FORMAT:
        raise _OtherwiseWrittenError
    return run, cells


def _split_parts(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what stands before the cells, each cell, and what stands after them."""
    data = stream.read(BLOCK)
    head, found, data = data.partition(OPEN)
    if not found:
        raise _OtherwiseWrittenError
    yield head
    while True:
        # What is cut off at the end of a block is read again with the next one.
        *cells, data = data.split(BETWEEN)
        for cell in cells:
            yield b"{%b}" % cell
        last, found, tail = data.partition(CLOSE)
        if found:
            yield b"{%b}" % last
            yield tail + stream.read()
            return
        # A cell with a huge text is looked through again; reading as much again keeps that in proportion to its size.
        block = stream.read(max(BLOCK, len(data)))
        if not block:
            raise _OtherwiseWrittenError
        data += block


class _Seen:
    """What cells of a run have in common, each once: that saves memory, and makes comparing faster.

    Attributes:
        texts: Names and values.
        cases: Outcomes of all cases of a cell, by which these are: in most cells the same cases pass.
        repeated: Whether the name of a case may be that of a repetition.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.cases: dict[tuple[tuple[str, ...], tuple[int, ...]], Mapping[str, Outcome]] = {}
        self.repeated = False

    def share(self, cases: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
        """Return the outcomes of a cell, or equal ones that another has."""
        # Outcomes are as few objects as there are, and an enumeration's hash is computed in Python.
        return self.cases.setdefault((tuple(cases), tuple(map(id, cases.values()))), cases)


def _make_side(cell: _Cell, shown: str, seen: _Seen) -> CellOutcomes:
    cases: dict[str, Outcome] = {}
    messages: dict[str, str] = {}
    found = cell.get("cases", [])
    texts = seen.texts
    for case in found:
        outcome = case["outcome"]
        name = case["nodeid"]
        nodeid = texts.get(name)
        if nodeid is None:
            nodeid = texts[name] = name
            seen.repeated |= "again" in name
        cases[nodeid] = outcome
        if outcome is not Outcome.PASSED and outcome.wants_a_look:
            messages[nodeid] = case.get("message", "")[:LONGEST]
    if len(cases) < len(found):
        cases = _keep_worst(found)
    cases, messages, counts = _fold_repetitions(cases, messages) if seen.repeated else (cases, messages, NOTHING)
    facts = {texts.setdefault(key, key): texts.setdefault(value, value) for key, value in cell.get("facts", {}).items()}
    axes = {
        texts.setdefault(key, key): texts.setdefault(value, value) if value is not None else None
        for key, value in cell["axes"].items()
    }
    error, crash = cell.get("error"), cell.get("pid1_crash")
    return CellOutcomes(
        id=cell["id"], axes=axes, facts=facts, cases=seen.share(cases), messages=messages, counts=counts,
        error=error[:LONGEST] if error is not None else None, place=shown,
        pid1_crash=crash[:LONGEST] if crash is not None else None,
    )  # fmt: skip


def _fold_repetitions(
    cases: dict[str, Outcome], messages: dict[str, str]
) -> tuple[dict[str, Outcome], dict[str, str], Mapping[str, tuple[int, int]]]:
    """Return the cases that `--multiply` ran more than once as one each: flaky where some runs failed, and not all."""
    groups: dict[str, list[str]] = {}
    for name in cases:
        groups.setdefault(REPETITION.sub("", name), []).append(name)
    folded, told, counts = {}, {}, {}
    for name, names in groups.items():
        outcomes = [cases[one] for one in names]
        found = count_runs(outcomes)
        folded[name] = fold_outcomes(outcomes, found)
        if found[1] > 1:
            counts[name] = found
        message = next((messages[one] for one in names if messages.get(one)), None)
        if message is not None and folded[name].wants_a_look:
            told[name] = message
    return folded, told, counts


def _keep_worst(found: list[_Case]) -> dict[str, Outcome]:
    worst: dict[str, Outcome] = {}
    for case in found:
        nodeid = case["nodeid"]
        worst[nodeid] = find_worst((worst.get(nodeid, case["outcome"]), case["outcome"]))
    return worst


def _read_whole(file: Path, shown: str) -> tuple[RunHeader, list[CellOutcomes]]:
    """Return the same, whoever wrote the file; raises InfrastructureError if it is no result that we know."""
    data = file.read_bytes()
    value = locate(data, shown, "result of a run")
    check_format(data, shown)
    try:
        whole = WHOLE.validate_python(value)
    except ValidationError as error:
        raise InfrastructureError(
            f"{shown}: this is not a result of format {FORMAT}: {find_problem(error)}."
        ) from error
    seen = _Seen()
    cells = [_make_side(cell, shown, seen) for cell in whole.get("cells", [])]
    return RUN.validate_python(value), cells


def locate(data: bytes, shown: str, what: str) -> Any:
    """Return the value that a JSON text is.

    `what` is what it should be, for messages: "result of a run".

    Raises:
        InfrastructureError: It is no JSON; with file:line:column.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_refuse_twice)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise InfrastructureError(f"{shown}:{line}:{column}: this {what} is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        ended = re.fullmatch(r"[\w.+-]*\s*", error.doc[error.pos :]) or error.msg.startswith("Unterminated string")
        cut = " The file was cut off." if ended else ""
        raise InfrastructureError(
            f"{shown}:{error.lineno}:{error.colno}: this {what} is not JSON: {error.msg}.{cut}"
        ) from error
    except _TwiceError as error:
        raise InfrastructureError(f"{shown}: the key `{escape(str(error))}` appears twice.") from error
    except RecursionError as error:
        raise InfrastructureError(f"{shown}: values are nested too deeply for a {what}.") from error
    except ValueError as error:  # a number of too many digits
        raise InfrastructureError(f"{shown}: this {what} is not JSON: {error}.") from error


class _TwiceError(Exception):
    """A key is there twice."""


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {sys.intern(key): value for key, value in pairs}
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _find_missing(file: Path, name: str, cells: Mapping[str, CellOutcomes]) -> Iterator[str]:
    """Yield what was asked for and is not there."""
    if not (file.parent / REQUEST).is_file():
        return
    try:
        wanted = read_request(file.parent).cells
    except HarnessError as error:
        yield str(error)
        return
    missing = [cell for cell in wanted if cell not in cells]
    if missing:
        some = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")  # noqa: PLR2004
        yield f"{name} has no result for {len(missing)} of the {len(wanted)} cells that were asked for: {some}."


def _find_shards(run: RunHeader) -> tuple[tuple[int, int], ...]:
    """Return which shard a run is; results of before December 2026 have it in their command line alone."""
    shard = run.get("shard")
    if shard is not None:
        return (shard,)
    try:
        words = iter(shlex.split(run["command"]))
        for word in words:
            if word == "--shard" or word.startswith("--shard="):
                return (parse_shard(next(words) if word == "--shard" else word.removeprefix("--shard=")),)
    except (ValueError, StopIteration, HarnessError):
        pass
    return ()
