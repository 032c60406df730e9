"""What was seen when suspects ran again: counts on both sides, and which of them are worse for certain.

A suspect failed in the run that is judged. It runs again on both sides, in turn, and the counts are looked at a few
times on the way. At each look Fisher's exact test says how probable the difference is by chance; a look may use its
share of that probability and no more (Bonferroni), so that looking early costs validity nothing. Over all suspects at most a
share of those that are refused is chance (Benjamini and Hochberg). The failure by which a suspect was chosen does
not count, so that the choice does not make it guilty.

A case whose runs were counted in the baseline and now (`--multiply`, `--pool`), and that failed then too, needs no more
runs to be compared by its counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.compare import CaseChange, RunOutcomes
from harness.rates import compute_excess, compute_increase, compute_interval, select_discoveries

__all__ = [
    "BASELINE", "DISCOVERY_SHARE", "Suspect", "SuspectTrial", "find_bar", "find_confirmed", "is_settled", "judge_counts",
    "list_looks",
]  # fmt: skip

Suspect = tuple[str, str]
"""A case by the identifier of its cell and its node id."""
Counts = tuple[int, int]
"""How many runs failed, and how many there were."""

DISCOVERY_SHARE = 0.05
"""Part of the refused cases that may be chance, on average."""
EARLY = (5, 10)
"""Runs after which the counts are looked at before the end."""
EARLY_SHARE = 0.2
"""Part of the probability of a chance finding that each early look may use; the last one has the rest."""
QUIET = 10
"""Runs without a failure after which a suspect is no more looked at: half of what is refused fails half of the time,
and one in a thousand of those is quiet so long."""
ACCEPTED_RATE = 0.05
"""Failure rate up to which a case that cannot run on the old side is taken for intermittent: as Component Readiness has it."""
ENOUGH = 5
"""Runs that a side must have to be compared by counts."""
BASELINE = "in the baseline"
"""Where the old side's counts are from if it did not run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectTrial:
    """What a suspect did when it ran again.

    Attributes:
        new: Its counts now.
        old: Its counts on the old side; None where that could not be made.
        chance: The smallest probability at a look that this is chance, with what earlier looks used up.
        one_sided: Why there is no old side; empty where there is.
        place: Where the old side's counts are from, if it did not run now.
    """

    new: Counts = (0, 0)
    old: Counts | None = None
    chance: float = 1.0
    one_sided: str = ""
    place: str = ""

    def add(self, new: Counts, old: Counts | None) -> "SuspectTrial":
        """Return the trial after more runs, which nobody looked at yet."""
        before = self.old
        if old is not None:
            before = (old[0] + (before[0] if before else 0), old[1] + (before[1] if before else 0))
        return replace(self, new=(self.new[0] + new[0], self.new[1] + new[1]), old=before)

    def look(self, index: int, planned: int) -> "SuspectTrial":
        """Return the trial after a look at its counts: that of this index in `list_looks`."""
        early = len(list_looks(planned)) - 1
        share = EARLY_SHARE if index < early else 1 - EARLY_SHARE * early
        return replace(self, chance=min(self.chance, self.test() / share))

    def test(self) -> float:
        """Return how probable so many failures are by chance, by the counts alone."""
        if self.old is not None and self.old[1]:
            return compute_increase(self.old, self.new)
        return compute_excess(*self.new, ACCEPTED_RATE)

    @property
    def text(self) -> str:
        """Both rates with their intervals, for people."""
        now = f"now {format_counts(self.new)}"
        if self.old is None:
            return f"{now}; one-sided: {self.one_sided or 'the old side did not run'}"
        place = f" {self.place}" if self.place else ""
        return f"before {format_counts(self.old)}{place}, {now}"


def format_counts(counts: Counts) -> str:
    """Return counts with the interval of their rate: `4 of 20 (8 to 42 %)`."""
    low, high = compute_interval(*counts)
    return f"{counts[0]} of {counts[1]} ({low * 100:.0f} to {high * 100:.0f} %)"


def find_bar(old: RunOutcomes | None, suspect: Suspect) -> Counts | None:
    """Return how often a suspect failed in the best of the baselines; None where it did not, or hardly ran.

    Where it did not fail, each failure now is one too many until more runs say otherwise.
    """
    cell = old.cells.get(suspect[0]) if old is not None else None
    bar = cell.find_bar(suspect[1]) if cell is not None else None
    return bar if bar is not None and bar[0] and bar[1] >= ENOUGH else None


def judge_counts(cases: Iterable[CaseChange], old: RunOutcomes, new: RunOutcomes) -> dict[Suspect, SuspectTrial]:
    """Return the trials of those suspects that were counted on both sides, and failed in the baseline too."""
    found = {}
    for case in cases:
        suspect = (case.cell, case.nodeid)
        bar, now = find_bar(old, suspect), new.cells[case.cell].counts.get(case.nodeid, (0, 0))
        if bar is not None and now[1] >= ENOUGH:
            found[suspect] = SuspectTrial(new=now, old=bar, chance=compute_increase(bar, now), place=BASELINE)
    return found


def list_looks(planned: int) -> tuple[int, ...]:
    """Return after how many runs on each side the counts are looked at."""
    return (*(look for look in EARLY if look < planned), planned)


def is_settled(trial: SuspectTrial, suspects: int) -> bool:
    """Return whether more runs of a suspect would change nothing: it will be refused, or was quiet for long."""
    failed, runs = trial.new
    return trial.chance <= DISCOVERY_SHARE / max(suspects, 1) or (failed == 0 and runs >= QUIET)


def find_confirmed(trials: Mapping[Suspect, SuspectTrial]) -> frozenset[Suspect]:
    """Return the suspects that are worse, of which at most `DISCOVERY_SHARE` are so by chance.

    One that never ran again is worse: nothing speaks for it.
    """
    counted = {suspect: trial.chance for suspect, trial in trials.items() if trial.new[1]}
    return select_discoveries(counted, DISCOVERY_SHARE) | (trials.keys() - counted.keys())
