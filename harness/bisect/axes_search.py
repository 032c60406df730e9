"""A bisection of axes: cells are sampled by an oracle and written down, and what flips the outcome is put together."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from harness.bisect import proof
from harness.bisect.axes import AxisChange, Found, apply_changes, find_differences, find_smallest
from harness.bisect.journal import Journal, JournalState
from harness.bisect.oracle import Oracle
from harness.bisect.outcome import Repeat
from harness.bisect.proof import Evidence
from harness.bisect.records import Asked, AxesBegun, Record, Sample
from harness.bisect.terms import Purpose
from harness.errors import ExitCode
from harness.model import Cell, Verdict

__all__ = ["AxesBisection", "AxesSearch", "CellSample"]

FORMAT = 1
"""Version of result.json; a change that a reader could stumble over raises it."""


class CellSample(Record):
    """What the test said in one cell."""

    cell: str
    verdict: Verdict
    reason: str = ""
    message: str = ""
    seconds: Mapping[str, float] = {}
    directory: str = ""


class AxesBisection(Record):
    """result.json of a bisection of axes.

    Attributes:
        good: Identifier of the cell in which the test passes.
        bad: Identifier of the cell in which it fails.
        sets: All smallest sets of axis values with which the good cell fails; none if the ends are not what they
            are said to be.
        untried: How many sets, no larger than those, could not be tested: one of them may be an answer too.
        before: What it left in the good cell.
        after: What it left with the first of the sets.
        commands: What repeats it.
    """

    format: int = FORMAT
    id: str
    begun: AxesBegun
    good: str
    bad: str
    sets: tuple[tuple[str, ...], ...] = ()
    untried: int = 0
    sentence: str
    samples: tuple[CellSample, ...] = ()
    before: Evidence | None = None
    after: Evidence | None = None
    commands: tuple[Repeat, ...] = ()
    seconds: float

    @property
    def exit_code(self) -> ExitCode:
        """0 where a set was found, 3 where an end could not be tested, else 1."""
        ends = {sample.verdict for sample in self.samples if sample.cell in {self.good, self.bad}}
        if Verdict.SKIP in ends:
            return ExitCode.INFRASTRUCTURE
        return ExitCode.OK if self.sets else ExitCode.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class AxesSearch:
    """A search for the axis values that flip the outcome, which goes on from what its journal has."""

    journal: Journal[AxesBegun]
    oracle: Oracle
    good: Cell
    bad: Cell
    watch: Callable[[Sample], None]

    def run(self) -> AxesBisection:
        """Search to the end.

        Raises:
            CancelledError: It was interrupted; the journal has all that was finished.
            AbortError: The user's command ended it.
            InfrastructureError: The journal cannot be written, or nothing can be built.
        """
        found = find_smallest(find_differences(self.good, self.bad), self._ask)
        return _make_result(self.journal, found, self.good, self.bad)

    def _ask(self, changes: frozenset[AxisChange]) -> Verdict:
        """Return what the test says in the good cell with some changes; no cell is sampled twice."""
        name = apply_changes(self.good, self.bad, changes).id
        earlier = _find_sample(self.journal.state, name)
        if earlier is not None:
            return earlier.verdict
        purpose = Purpose.END if name in {self.good.id, self.bad.id} else Purpose.SEARCH
        asked = Asked(number=self.journal.state.asked + 1, revision=name, purpose=purpose)
        self.journal.write(asked)
        sample = self.oracle.take(asked, self.journal.directory, lambda _: None)
        assert isinstance(sample, Sample)  # nothing is known that could stand for it
        self.journal.write(sample)
        self.watch(sample)
        return sample.verdict


def _find_sample(state: JournalState[AxesBegun], cell: str) -> Sample | None:
    return next((sample for sample in state.samples if sample.revision == cell), None)


def _make_result(journal: Journal[AxesBegun], found: Found, good: Cell, bad: Cell) -> AxesBisection:
    state, begun = journal.state, journal.state.begun
    sets = tuple(
        tuple(change.format_value(bad) for change in sorted(each, key=lambda change: change.axes))
        for each in found.sets
    )
    flipped = apply_changes(good, bad, found.sets[0]).id if found.sets else bad.id
    before, after = (
        proof.read_evidence(journal.directory, sample, begun.tests) if sample and sample.evidence else None
        for sample in (_find_sample(state, name) for name in (good.id, flipped))
    )
    samples = tuple(
        CellSample(
            cell=sample.revision,
            verdict=sample.verdict,
            reason=sample.reason,
            message=sample.message,
            seconds=sample.seconds,
            directory=sample.evidence,
        )
        for sample in state.samples
    )
    return AxesBisection(
        id=journal.directory.name,
        begun=begun,
        good=good.id,
        bad=bad.id,
        sets=sets,
        untried=len(found.skipped),
        sentence=_format_sentence(found, sets),
        samples=samples,
        before=before,
        after=after,
        commands=tuple(_list_commands(begun)),
        seconds=round(sum(sum(sample.seconds.values()) for sample in samples), 1),
    )


def _format_sentence(found: Found, sets: tuple[tuple[str, ...], ...]) -> str:
    if not found.sets:
        good, bad = (found.verdicts[each] for each in (frozenset[AxisChange](), max(found.verdicts, key=len)))
        return f"The ends are not what they are said to be: the good cell is {good}, and the bad one is {bad}."
    whole = "It fails with " + ", and also with ".join(" and ".join(each) for each in sets) + "."
    together = " It takes all of them: with fewer it passes." if len(sets[0]) > 1 and not found.skipped else ""
    doubt = f" {len(found.skipped)} sets of at most that size could not be tried." if found.skipped else ""
    return whole + together + doubt


def _list_commands(begun: AxesBegun) -> Iterator[Repeat]:
    if begun.tests:
        cases = [word for test in begun.tests for word in ("--case", test)]
        for what, cell in (("the test in the good cell", begun.good), ("the test in the bad cell", begun.bad)):
            yield Repeat(what=what, line=shlex.join(["harness", "run", "--cell", cell, *cases]))
    yield Repeat(what="the whole bisection", line=shlex.join(begun.format_words()))
