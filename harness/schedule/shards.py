"""A part of the cells for each of several CI machines: stable, and balanced by how long cells take."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from harness.errors import UsageError

__all__ = ["parse", "shard"]

T = TypeVar("T")

UNKNOWN = 60.0
"""Seconds that a cell of which nothing is known is taken to need."""


def parse(text: str) -> tuple[int, int]:
    """`2/5` as its two numbers.

    Raises:
        UsageError: It is something else, or the first number is not between 1 and the second.
    """
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if found and 1 <= int(found[1]) <= int(found[2]):
        return int(found[1]), int(found[2])
    raise UsageError(f"`{text}` is no shard; write for instance 2/5 for the second of five.")


def shard(items: Sequence[T], names: Sequence[str], seconds: Mapping[str, float], *, index: int, count: int) -> list[T]:
    """The items of one shard, in their order.

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
