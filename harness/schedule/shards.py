"""A part of the cells for each of several CI machines: stable, and balanced by how long cells take."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["select_shard"]

T = TypeVar("T")

UNKNOWN = 60.0
"""Seconds that a cell of which nothing is known is taken to need."""


def select_shard(
    items: Sequence[T], names: Sequence[str], seconds: Mapping[str, float], *, index: int, count: int
) -> list[T]:
    """Return the items of one shard, in their order.

    Longest first, each to the shard with the least work so far; equal ones by name, so that every machine
    that is given the same seconds computes the same shards.

    Args:
        items: All items.
        names: Their names, each once.
        seconds: How long an item of a name takes; CI has it from a file that is committed, see `harness.ci.durations`.
        index: Which shard, from 1.
        count: How many there are.
    """
    loads = [0.0] * count
    mine: set[str] = set()
    for name in sorted(names, key=lambda item: (-seconds.get(item, UNKNOWN), item)):
        least = min(range(count), key=lambda place: (loads[place], place))
        loads[least] += seconds.get(name, UNKNOWN)
        if least == index - 1:
            mine.add(name)
    return [item for item, name in zip(items, names, strict=True) if name in mine]
