"""What four gates decide about simulated releases: how many good ones they refuse, and which regressions they catch.

`python -m bench.gate_simulation` plays 10,000 releases of 5,000 cases for each row. The rules:

today             one run on each side; any case that passed and fails now refuses
payload           OpenShift's payload acceptance: ten runs, of which each case must pass as many as 250 earlier runs make likely
readiness         Component Readiness: 14 runs against 56, Fisher at 5 %, 3 failures and a drop of 5 points at least
ours              `harness gate --confirm 30`: `harness.gate.evidence`, with the code that decides

A case fails by chance at one rate on both sides. Of a regression it is asked whether it is caught once it was seen, that is, once
it failed in the run that is judged; payload and readiness look at all cases at once, so that theirs is simply how often they catch it.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from harness.gate.evidence import DISCOVERY_SHARE, EARLY_SHARE, QUIET, list_looks
from harness.rates import compute_increase, select_discoveries

__all__ = ["FalseAlarms", "catch_confirmed", "main", "measure_discoveries", "refuse_good"]

PLANNED = 30
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """What was refused over many releases.

    Attributes:
        refused: Part of the releases that were refused.
        false: Part of the refused cases that are no regressions, averaged over releases.
        runs: Mean number of runs of suspects on the new side.
    """

    refused: float
    false: float
    runs: float


@cache
def tabulate(runs: int) -> Floats:
    """Return Fisher's p by failures before and now, of as many runs on each side."""
    return np.array(
        [[compute_increase((old, runs), (new, runs)) for new in range(runs + 1)] for old in range(runs + 1)]
    )


def play_trials(rates: Floats, base: float, suspects: Ints, random: np.random.Generator) -> tuple[Floats, Ints]:
    """Return for each suspect what `SuspectTrial.chance` would be at its end, and how often it ran on the new side.

    Args:
        rates: The failure rate of each suspect now.
        base: The failure rate on the old side.
        suspects: How many suspects there are in the release of each.
        random: Where draws are from.
    """
    chance, ran = np.ones(len(rates)), np.zeros(len(rates), dtype=np.int64)
    old, new = np.zeros(len(rates), dtype=np.int64), np.zeros(len(rates), dtype=np.int64)
    going = np.ones(len(rates), dtype=bool)
    looks = list_looks(PLANNED)
    for index, look in enumerate(looks):
        more = look - (looks[index - 1] if index else 0)
        at = np.flatnonzero(going)
        new[at] += random.binomial(more, rates[at])
        old[at] += random.binomial(more, base, len(at))
        ran[at] = look
        share = EARLY_SHARE if index < len(looks) - 1 else 1 - EARLY_SHARE * (len(looks) - 1)
        chance[at] = np.minimum(chance[at], tabulate(look)[old[at], new[at]] / share)
        going[at] = (chance[at] > DISCOVERY_SHARE / suspects[at]) & ((new[at] > 0) | (look < QUIET))
    return chance, ran


def measure_discoveries(
    releases: int, cases: int, base: float, rates: tuple[float, ...], random: np.random.Generator
) -> FalseAlarms:
    """Play releases with a regression of each of some rates, seen or not, among cases that fail by chance."""
    chance_suspects = random.binomial(cases - len(rates), base * (1 - base), releases)
    seen = random.random((releases, len(rates))) < np.array(rates) if rates else np.zeros((releases, 0), dtype=bool)
    counts = chance_suspects + seen.sum(axis=1)
    owner = np.repeat(np.arange(releases), counts)
    now = np.concatenate(
        [
            np.r_[np.full(number, base), np.array(rates)[mask]]
            for number, mask in zip(chance_suspects, seen, strict=True)
        ]
    )
    guilty = np.concatenate(
        [
            np.r_[np.zeros(number, dtype=bool), np.ones(mask.sum(), dtype=bool)]
            for number, mask in zip(chance_suspects, seen, strict=True)
        ]
    )
    chance, ran = play_trials(now, base, counts[owner], random)
    refused = np.zeros(len(owner), dtype=bool)
    for release in np.unique(owner[chance <= DISCOVERY_SHARE]):
        mine = np.arange(*np.searchsorted(owner, [release, release + 1]))
        refused[[mine[one] for one in select_discoveries(dict(enumerate(chance[mine])), DISCOVERY_SHARE)]] = True
    total = np.bincount(owner[refused], minlength=releases)
    wrong = np.bincount(owner[refused & ~guilty], minlength=releases)
    return FalseAlarms(
        refused=float((total > 0).mean()),
        false=float((wrong / np.maximum(total, 1)).mean()),
        runs=float(ran.sum() / releases),
    )


def catch_confirmed(releases: int, cases: int, base: float, rate: float, random: np.random.Generator) -> float:
    """Return how often a regression of a rate is refused once it was seen, among suspects of chance."""
    counts = 1 + random.binomial(cases - 1, base * (1 - base), releases)
    first = np.r_[0, np.cumsum(counts)[:-1]]
    now = np.full(counts.sum(), base)
    now[first] = rate
    owner = np.repeat(np.arange(releases), counts)
    chance, _ = play_trials(now, base, counts[owner], random)
    caught = 0
    for begin, count in zip(first, counts, strict=True):
        caught += 0 in select_discoveries(dict(enumerate(chance[begin : begin + count])), DISCOVERY_SHARE)
    return caught / releases


def find_binomial(runs: int, rate: float) -> Floats:
    """Return the probability of each number of failures."""
    draws = np.zeros(runs + 1)
    draws[0] = 1.0
    for _ in range(runs):
        draws = draws * (1 - rate) + np.r_[0.0, draws[:-1]] * rate
    return draws


def refuse_case(runs: int, history: int, rates: tuple[float, float], refuses: Callable[[int, int], bool]) -> float:
    """Return how probable it is that one case refuses, by its failures in the history and now; `rates` are those of both."""
    before, now = find_binomial(history, rates[0]), find_binomial(runs, rates[1])
    return sum(
        float(before[old] * now[new])
        for old in range(history + 1)
        if before[old] > 1e-12
        for new in range(runs + 1)
        if now[new] > 1e-15 and refuses(old, new)
    )


REQUIRED = ((0.995, 9), (0.975, 8), (0.915, 7), (0.855, 6), (0.795, 5))
"""Passes of ten that payload acceptance requires from a rate of passes in the history on."""


def refuse_payload(rate: float, base: float) -> float:
    """Return how probable it is that payload acceptance refuses for a case."""

    def refuses(old: int, new: int) -> bool:
        return 10 - new < next((passes for least, passes in REQUIRED if 1 - old / 250 >= least), 1)

    return refuse_case(10, 250, (base, rate), refuses)


def refuse_readiness(rate: float, base: float) -> float:
    """Return how probable it is that Component Readiness refuses for a case."""

    def refuses(old: int, new: int) -> bool:
        return new >= 3 and new / 14 - old / 56 >= 0.05 and compute_increase((old, 56), (new, 14)) < 0.05

    return refuse_case(14, 56, (base, rate), refuses)


def refuse_today(rate: float, base: float) -> float:
    """Return how probable it is that one run on each side refuses for a case."""
    return (1 - base) * rate


OTHERS: dict[str, Callable[[float, float], float]] = {
    "today": refuse_today, "payload": refuse_payload, "readiness": refuse_readiness,
}  # fmt: skip


def refuse_good(rule: str, releases: int, cases: int, base: float, random: np.random.Generator) -> float:
    """Return how many good releases one of the other rules refuses."""
    return float((random.binomial(cases, OTHERS[rule](base, base), releases) > 0).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    print(f"{options.releases} releases of {options.cases} cases, seed {options.seed}\n")
    print(
        "| failing by chance | rule | good releases refused | caught: always | 80 % | 50 % | false among refused | runs of suspects |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for base in (0.0001, 0.001, 0.01):
        for rule, refuse in OTHERS.items():
            good = refuse_good(rule, options.releases, options.cases, base, random)
            # Today's rule sees a case once: what is seen is refused, and what is not seen is not.
            caught = [refuse(rate, base) for rate in (1.0, 0.8, 0.5)]
            wrong = options.cases * refuse(base, base)
            share = wrong / (wrong + sum(caught))
            print(
                f"| {base:.2%} | {rule} | {good:.2%} | {caught[0]:.2%} | {caught[1]:.2%} | {caught[2]:.2%} | {share:.1%} | |"
            )
        good_ones = measure_discoveries(options.releases, options.cases, base, (), random)
        bad_ones = measure_discoveries(options.releases, options.cases, base, (1.0, 0.8, 0.5), random)
        seen = [catch_confirmed(options.releases, options.cases, base, rate, random) for rate in (1.0, 0.8, 0.5)]
        print(
            f"| {base:.2%} | ours | {good_ones.refused:.2%} | {seen[0]:.2%} | {seen[1]:.2%} | {seen[2]:.2%} | "
            f"{bad_ones.false:.1%} | {good_ones.runs:.0f} |"
        )


if __name__ == "__main__":
    main()
