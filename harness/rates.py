"""How often something fails, by counts: intervals, exact tests, and how many of several findings may be chance.

Only the standard library: what reads results must start fast.
"""

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

__all__ = ["compute_excess", "compute_increase", "compute_interval", "select_discoveries"]

CONFIDENT = 1.959964
"""Quantile of the normal distribution for a two-sided 95 %."""

K = TypeVar("K", bound=Hashable)


def compute_interval(failed: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a failure rate, by Wilson's score (1927), which holds for few runs and no failure."""
    if not total:
        return 0.0, 1.0
    rate, square = failed / total, CONFIDENT**2
    centre = rate + square / (2 * total)
    margin = CONFIDENT * math.sqrt(rate * (1 - rate) / total + square / (4 * total * total))
    scale = 1 + square / total
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def compute_increase(old: tuple[int, int], new: tuple[int, int]) -> float:
    """Return how probable so many failures now are if the rate is what it was: Fisher's exact test, one-sided.

    Each side is how many of its runs failed, and how many runs it has. Given the number of failures of both sides, those
    on the new one are hypergeometric, whatever the rate is; so the test holds for few runs and rates near 0.
    """
    (before, runs_before), (now, runs_now) = old, new
    failed = before + now
    ways = sum(
        math.comb(runs_now, count) * math.comb(runs_before, failed - count)
        for count in range(now, min(failed, runs_now) + 1)
    )
    return ways / math.comb(runs_before + runs_now, failed)


def compute_excess(failed: int, total: int, rate: float) -> float:
    """Return how probable at least so many failures are at a rate, which is given: the binomial test, one-sided."""
    return math.fsum(
        math.comb(total, count) * rate**count * (1 - rate) ** (total - count) for count in range(failed, total + 1)
    )


def select_discoveries(values: Mapping[K, float], share: float) -> frozenset[K]:
    """Return those of which a share at most is chance, on average: Benjamini and Hochberg (1995).

    `values` are p-values, each of a test of its own.
    """
    ordered = sorted(values, key=lambda key: values[key])
    last = max(
        (rank for rank, key in enumerate(ordered, start=1) if values[key] <= share * rank / len(ordered)), default=0
    )
    return frozenset(ordered[:last])
