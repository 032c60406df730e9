"""The results of the shards of a run as one result, as if one machine had run all cells.

runs/shards/2-of-3/result.json     what `ci/run-shard 2 3 PROFILE` left
runs/shards/2-of-3.4/result.json   the same as the fourth attempt (HARNESS_ATTEMPT=4)

Whatever is missing or doubtful is a problem that is named: the merged result has what is there, and the gate
refuses.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import results
from harness.errors import HarnessError
from harness.results import CellResult, ExpectationResult, RunResult
from harness.rundir import RESULT

__all__ = ["Merged", "Shard", "collect", "merge"]

NAME = re.compile(r"([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})(?:\.([1-9][0-9]{0,17}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What one shard left.

    Attributes:
        index: Which shard, from 1.
        result: Its result, or None where it cannot be read.
        problem: Why it cannot, a whole sentence.
        attempt: Which attempt at it, by the name of its directory; 0 where that does not say it.
    """

    index: int
    result: RunResult | None
    problem: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The shards as one.

    Attributes:
        result: One result of all cells, in the order of the matrix.
        older: Attempts that do not count, since there is a newer one; whole sentences.
    """

    result: RunResult
    older: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing or doubtful, whole sentences."""
        return self.result.problems


def collect(directory: Path, count: int) -> tuple[Shard, ...]:
    """Return what the shards left in a directory, by their numbers; those that left nothing are not in it.

    They are in directories `I-of-N` or `I-of-N.ATTEMPT` where N is `count`; those of another N are not looked at.
    """
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        match = NAME.fullmatch(path.name)
        if match is None or int(match[2]) != count or int(match[1]) > count or not path.is_dir():
            continue
        index, attempt = int(match[1]), int(match[3] or 0)
        try:
            found.append(Shard(index=index, result=results.read(path / RESULT), attempt=attempt))
        except HarnessError as error:
            found.append(Shard(index=index, result=None, problem=str(error), attempt=attempt))
    return tuple(sorted(found, key=lambda shard: (shard.index, shard.attempt)))


def merge(shards: Sequence[Shard], wanted: Mapping[str, int], count: int, *, name: str, command: str) -> Merged:
    """Return one result of all shards.

    `wanted` are the cells that should have run, in the order of the matrix, with the number of the shard of each. The
    newest attempt at a shard counts.
    """
    newest = {shard.index: shard for shard in sorted(shards, key=lambda shard: shard.attempt)}
    older = [
        f"{f'Attempt {shard.attempt}' if shard.attempt else 'An attempt without a number'} at shard {shard.index} of {count} does not count: "
        f"there is attempt {newest[shard.index].attempt}."
        for shard in shards
        if shard is not newest[shard.index]
    ]
    shards = [newest[index] for index in sorted(newest)]
    problems = [shard.problem for shard in shards if shard.result is None]
    there = {shard.index for shard in shards}
    problems += [f"Shard {index} of {count} left no result." for index in range(1, count + 1) if index not in there]
    runs = {shard.index: shard.result for shard in shards if shard.result is not None}
    problems += [f"Shard {index} of {count} was interrupted." for index, run in runs.items() if run.interrupted]
    versions, commits, matrices = (
        sorted({value for run in runs.values() if (value := getattr(run, name)) is not None})
        for name in ("harness", "commit", "matrix")
    )
    if len(versions) > 1:
        problems.append(f"The shards ran different versions of the harness: {', '.join(versions)}.")
    if len(commits) > 1:
        problems.append(f"The shards are of different commits: {', '.join(commits)}.")
    if len(matrices) > 1:
        problems.append(f"The shards are of different matrices: {', '.join(matrices)}.")
    cells = _merge_cells(runs, problems)
    for cell, index in wanted.items():
        if cell not in cells and index in runs:
            problems.append(f"Shard {index} of {count} has no result of the cell {cell}.")
    for cell in cells.keys() - wanted.keys():
        problems.append(f"The cell {cell} is not among those that should run; were all shards of the same commit?")
    order = {cell: place for place, cell in enumerate(wanted)}
    result = RunResult(
        id=name,
        harness=versions[-1] if versions else "unknown",
        command=command,
        started=min((run.started for run in runs.values()), default=""),
        # Shards run side by side on machines whose clocks need not agree: the longest is how long one waits.
        seconds=max((run.seconds for run in runs.values()), default=0.0),
        computer=_merge_computer(runs),
        cells=tuple(cells[cell] for cell in sorted(cells, key=lambda cell: (order.get(cell, len(order)), cell))),
        interrupted=any(run.interrupted for run in runs.values()),
        expectations=_merge_expectations(runs.values()),
        commit=commits[0] if len(commits) == 1 else None,
        attempt=max((run.attempt for run in runs.values() if run.attempt is not None), default=None),
        matrix=matrices[0] if len(matrices) == 1 else None,
        problems=tuple(problems),
    )
    return Merged(result=result, older=tuple(older))


def _merge_cells(runs: Mapping[int, RunResult], problems: list[str]) -> dict[str, CellResult]:
    """Return the cells of all shards; of two results for one cell the worse counts, and that is a problem."""
    cells: dict[str, CellResult] = {}
    owner: dict[str, int] = {}
    for index, run in runs.items():
        for cell in run.cells:
            if cell.id in cells:
                problems.append(f"The cell {cell.id} has two results, from the shards {owner[cell.id]} and {index}.")
                if cells[cell.id].outcome.badness >= cell.outcome.badness:
                    continue
            cells[cell.id], owner[cell.id] = cell, index
    return cells


def _merge_computer(runs: Mapping[int, RunResult]) -> dict[str, str]:
    """Return what ran it: each fact with the values of the machines, where they differ in the order of the shards."""
    keys = dict.fromkeys(key for run in runs.values() for key in run.computer)
    values = {key: dict.fromkeys(run.computer[key] for run in runs.values() if key in run.computer) for key in keys}
    return {key: ", ".join(found) for key, found in values.items()}


def _merge_expectations(runs: Iterable[RunResult]) -> tuple[ExpectationResult, ...]:
    """Return what the shards said about known failures, each once.

    No shard can say that a known failure is about nothing if its cells are in several; that is for a whole run.
    """
    found: dict[tuple[str, ...], ExpectationResult] = {}
    for item in (item for run in runs for item in run.expectations):
        key = (item.state, item.cells, item.cases, item.issue)
        both = (*found[key].found, *item.found) if key in found else item.found
        found[key] = item.model_copy(update={"found": both})
    return tuple(found.values())
