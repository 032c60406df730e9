"""What the parts of the simulation share: drawn histories, means, and one way to print a figure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.bisect_histories import Truth, linear, merged
from bench.bisect_play import Played
from bench.bisect_rivals import Found
from harness.bisect.engine import History
from harness.bisect.engine.history import Mask

__all__ = ["SEED", "Case", "boots", "cases", "exact", "mean", "say", "share"]

SEED = 20261124
SMALLEST, LARGEST = 100, 10_000


def say(figure: str, measured: str, target: str = "", *, met: bool | None = None) -> None:
    """Print one line of the table."""
    mark = {None: "", True: "met", False: "NOT MET"}[met]
    print(f"{figure:<58} {measured:<44} {target:<34} {mark}".rstrip(), flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One drawn history, with its own seed for everything that follows."""

    history: History
    culprit: int
    seed: int

    def truth(self, *, bad: float = 1.0, good: float = 0.0, broken: Mask | None = None) -> Truth:
        """Draw the same culprit and the same luck for every search that is played against it."""
        luck = np.random.default_rng(self.seed)
        return Truth(
            history=self.history, culprit=self.culprit, fails_bad=bad, fails_good=good, broken=broken, rng=luck
        )


def cases(draws: int, *, kinds: tuple[str, ...] = ("linear", "merges")) -> Iterator[Case]:
    """Histories with 100 to 10,000 commits, log-uniform, half of them linear; the culprit is uniform."""
    for draw in range(draws):
        rng = np.random.default_rng((SEED, draw))
        size = int(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        history = linear(size) if kinds[draw % len(kinds)] == "linear" else merged(size, rng)
        yield Case(history=history, culprit=int(rng.integers(size)), seed=SEED + draw)


def mean(values: Iterable[float]) -> float:
    """Compute the arithmetic mean."""
    return float(np.mean(list(values)))


def exact(found: Iterable[Found], truths: Iterable[Truth]) -> float:
    """Share of a rival's answers that name exactly the culprit."""
    return mean(rival.suspects == {truth.culprit} for rival, truth in zip(found, truths, strict=True))


def share(played: list[Played]) -> float:
    """Share of our answers that are right."""
    return mean(one.right for one in played)


def boots(played: list[Played]) -> float:
    """Mean boots with a verdict."""
    return mean(one.answer.tests for one in played)
