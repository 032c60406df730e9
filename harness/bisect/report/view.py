"""What the renderers of a bisection get: its journal replayed, and its result.

Texts are taken as they come: whatever a guest printed may be in them, the renderers make it harmless.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.bisect.candidates import Candidates
from harness.bisect.engine import Search
from harness.bisect.journal import JournalState
from harness.bisect.outcome import Bisection
from harness.bisect.proof import Evidence
from harness.bisect.records import Begun, Reverted, Same, Sample
from harness.bisect.repository import Commit, FileChange
from harness.bisect.session import replay
from harness.bisect.terms import Answer
from harness.model import Verdict
from harness.wait import Deadline

__all__ = ["PackedBelief", "Step", "View", "make_view"]

LEVELS = 255
"""Largest byte of a packed probability; it stands for 1."""

PER_HALF = 12
"""Bytes for a factor of two: packed probabilities are right to 3 %, and less than 4e-7 is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBelief:
    """The posterior after a step, in a few bytes: a long search over many commits has many.

    Attributes:
        no_culprit: Probability that there is no culprit, in 0..1.
        top: The likeliest candidates, index and exact probability, likeliest first.
        packed: A byte for each candidate, compressed; see `pack`.
    """

    no_culprit: float
    top: tuple[tuple[int, float], ...]
    packed: bytes

    @classmethod
    def pack(cls, chances: Sequence[float] | NDArray[np.float64], no_culprit: float, *, top: int = 8) -> "PackedBelief":
        """Pack the probability of each candidate, in the order of `View.commits`."""
        exact = np.asarray(chances, dtype=np.float64)
        with np.errstate(divide="ignore"):
            levels = np.rint(LEVELS + PER_HALF * np.log2(exact))
        packed = zlib.compress(np.clip(levels, 0, LEVELS).astype(np.uint8).tobytes())
        likeliest = np.argsort(-exact, kind="stable")[:top]
        return cls(
            no_culprit=float(no_culprit),
            top=tuple((int(place), float(exact[place])) for place in likeliest),
            packed=packed,
        )

    def expand_chances(self) -> NDArray[np.float64]:
        """Return the probability of each candidate, right to 3 % of itself; the likeliest are exact."""
        levels = np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8).astype(np.float64)
        chances = np.where(levels > 0, np.exp2((levels - LEVELS) / PER_HALF), 0.0)
        for place, chance in self.top:
            chances[place] = chance
        return chances


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one sample showed, and what was believed after it.

    Attributes:
        number: Counts from 1, in the order in which results came.
    """

    number: int
    result: Sample | Same
    belief: PackedBelief

    @property
    def revision(self) -> str:
        """Full name of what was sampled."""
        return self.result.revision if isinstance(self.result, Sample) else self.result.second

    @property
    def verdict(self) -> Verdict | None:
        """What the test said; None where another revision with the same built files stands for this one."""
        return self.result.verdict if isinstance(self.result, Sample) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A bisection, finished or running.

    Attributes:
        commits: The candidates, parents before children; the last is the newer end. Where only first parents are
            searched, each has no other parent.
        prior: What each candidate weighs, by its name; 1 where it is missing.
        result: What was found, or None while the search runs.
        files: What the culprit changes.
    """

    begun: Begun
    commits: tuple[Commit, ...]
    prior: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    result: Bisection | None = None
    files: tuple[FileChange, ...] = ()
    seconds: float = 0.0

    @property
    def answer(self) -> Answer | None:
        """What was found, or None while the search runs."""
        return self.result.answer if self.result else None

    @property
    def revert(self) -> Reverted | None:
        """What became of taking the culprit back, or None if that was not tried."""
        return self.result.revert if self.result else None

    @property
    def before(self) -> Evidence | None:
        """What the test left on the older side: at the culprit's parent, or at the older end."""
        return self.result.before if self.result else None

    @property
    def after(self) -> Evidence | None:
        """What it left on the newer side."""
        return self.result.after if self.result else None


def make_view(
    state: JournalState[Begun], candidates: Candidates, result: Bisection | None, seconds: float, deadline: Deadline
) -> View:
    """Make what reports are rendered from; of a bisection that still runs where `result` is None."""
    culprit = result.culprit if result else None
    return View(
        begun=state.begun,
        commits=tuple(_list_commits(candidates)),
        prior=candidates.prior,
        steps=tuple(_replay_steps(state, candidates.make_search(state.begun))),
        result=result,
        files=candidates.repository.list_changes(culprit.revision, deadline) if culprit else (),
        seconds=seconds,
    )


def _list_commits(candidates: Candidates) -> Iterator[Commit]:
    straight = candidates.searched is not candidates.between.history
    for name in candidates.searched.commits:
        commit = candidates.between.commits[name]
        yield replace(commit, parents=commit.parents[:1]) if straight else commit


def _replay_steps(state: JournalState[Begun], search: Search) -> Iterator[Step]:
    for number, result in enumerate(state.results, 1):
        replay(result, search)
        belief = PackedBelief.pack(search.belief.weights, search.belief.no_culprit)
        yield Step(number=number, result=result, belief=belief)
