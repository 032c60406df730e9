"""Several runs of the same as one side: what each case did over all of them, by counts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.compare.outcomes import CellOutcomes, RunOutcomes, find_common, join
from harness.model import Outcome, Statement, find_worst
from harness.text import pluralize

__all__ = ["count_runs", "fold_outcomes", "pool"]

FAILING = frozenset({Statement.FAILURE, Statement.UNSTABLE})
"""What an outcome says where the case failed at least once."""


def fold_outcomes(outcomes: Sequence[Outcome], counts: tuple[int, int]) -> Outcome:
    """Return one outcome for several runs of a case, of which so many failed: flaky where some did, and not all."""
    worst = find_worst(outcomes)
    return Outcome.FLAKY if worst is Outcome.FAILED and 0 < counts[0] < counts[1] else worst


def count_runs(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many runs of a case failed, and how many said something."""
    ran = [outcome for outcome in outcomes if outcome.ran]
    return sum(outcome.statement in FAILING for outcome in ran), len(ran)


def pool(sides: Sequence[RunOutcomes], name: str | None = None) -> tuple[RunOutcomes, tuple[str, ...]]:
    """Return runs of the same as one side, with what speaks against taking them together; see `join`.

    Every run counts, whichever attempt it was. A run in which a cell or a case broke says nothing about it: it is
    broken where it broke in all of them.
    """
    found: dict[str, list[CellOutcomes]] = {}
    for side in sides:
        for cell in side.cells.values():
            found.setdefault(cell.id, []).append(cell)
    pooled = {identifier: _pool_cells(cells) for identifier, cells in found.items()}
    broken = tuple(line for side in sides for line in _list_broken(side, pooled)) if len(sides) > 1 else ()
    parts = []
    for side in sides:
        first = {identifier: pooled.pop(identifier) for identifier in side.cells if identifier in pooled}
        parts.append(replace(side, cells=first, attempt=0))
    whole, conflicts = join(parts, name)
    attempt = max(side.attempt for side in sides)
    return replace(whole, attempt=attempt, older=(*whole.older, *broken)), conflicts


def _list_broken(side: RunOutcomes, pooled: Mapping[str, CellOutcomes]) -> Iterator[str]:
    """Yield what of a run does not count, as it broke there and not in all runs."""
    for cell in side.cells.values():
        whole = pooled[cell.id]
        if cell.error and not whole.error:
            yield f"{side.name}: the cell {cell.id} broke, and counts for nothing there: {cell.error.splitlines()[0]}"
        lost = [
            name
            for name, outcome in cell.cases.items()
            if outcome is Outcome.ERROR and whole.cases[name] is not Outcome.ERROR
        ]
        if lost:
            yield f"{side.name}: {pluralize(len(lost), 'case')} of {cell.id} broke, {lost[0]} first, which counts for nothing."


def _pool_cells(cells: Sequence[CellOutcomes]) -> CellOutcomes:
    """Return what several results of a cell say together."""
    if len(cells) == 1:
        return cells[0]
    cases: dict[str, Outcome] = {}
    counts: dict[str, tuple[int, int]] = {}
    messages: dict[str, str] = {}
    for nodeid in dict.fromkeys(name for cell in cells for name in cell.cases):
        outcomes = [cell.cases[nodeid] for cell in cells if nodeid in cell.cases]
        seen = [cell.counts.get(nodeid) or count_runs([cell.cases[nodeid]]) for cell in cells if nodeid in cell.cases]
        counts[nodeid] = (sum(failed for failed, _ in seen), sum(runs for _, runs in seen))
        ran = [outcome for outcome in outcomes if outcome.ran]
        cases[nodeid] = fold_outcomes(ran or outcomes, counts[nodeid])
        message = next((text for cell in cells if (text := cell.messages.get(nodeid))), "")
        if message and cases[nodeid].wants_a_look:
            messages[nodeid] = message
    broke = all(cell.error for cell in cells)
    return CellOutcomes(
        id=cells[0].id,
        axes=cells[0].axes,
        facts=find_common([cell.facts for cell in cells]),
        cases=cases,
        messages=messages,
        error=cells[0].error if broke else None,
        pid1_crash=next((cell.pid1_crash for cell in cells if cell.pid1_crash), None),
        place=", ".join(cell.place for cell in cells),
        counts={nodeid: found for nodeid, found in counts.items() if found[1] > 1},
    )
