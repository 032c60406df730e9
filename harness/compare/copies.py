"""Cases of other tools whose names are not unique: which of one side is which of the other.

Two cases of one name are two cases, in browsers, classes or parameters that the name does not say, or one that was
executed again. Only the number tells: where both sides have as many in a suite, nothing was executed again, and each
counts. Where one side has more, what is too much there and failed before another ended well was executed again. The order
in which as many are in the file means nothing, as many tools shuffle: they are compared from the best to the worst.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from harness.model import Outcome, find_worst

__all__ = ["CaseCopy", "find_outcome", "match_alike", "pair_copies"]


class CaseCopy(NamedTuple):
    """A case of another tool, as often as it is in its files.

    Attributes:
        place: Its suites and class; empty where that is not known any more.
        message: One line: why it failed.
    """

    place: str
    outcome: Outcome
    message: str = ""


Pair = tuple[CaseCopy | None, CaseCopy | None]
"""A case before and now; None where it is not there."""

AGAIN = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.FLAKY})
"""Outcomes after which a tool executes a case again."""


def fold_reruns(copies: Sequence[CaseCopy], wanted: int) -> list[CaseCopy]:
    """Return the copies of a case in one place, in their order, with as many taken for reruns as are too many."""
    left = list(copies)
    while len(left) > max(wanted, 1):
        first = next((index for index, copy in enumerate(left[:-1]) if copy.outcome in AGAIN), None)
        if first is None:
            break
        failed = left.pop(first)
        later = next((index for index in range(first, len(left)) if left[index].outcome.passes), None)
        if later is not None:
            left[later] = failed._replace(outcome=Outcome.FLAKY)
        else:
            left[first] = max(failed, left[first], key=lambda copy: copy.outcome.badness)
    return left


def find_outcome(copies: Sequence[CaseCopy]) -> Outcome:
    """Return one outcome for all cases of a name, where nothing is known to compare their number with."""
    if len(copies) == 1:
        return copies[0].outcome
    return find_worst(copy.outcome for found in _group(copies).values() for copy in fold_reruns(found, 1))


def pair_copies(old: Sequence[CaseCopy], new: Sequence[CaseCopy]) -> Iterator[Pair]:
    """Yield which case of a name is which: by their place, and what is in no common place by its outcome."""
    if len(old) == 1 and len(new) == 1:
        yield old[0], new[0]
        return
    olds, news = _group(old), _group(new)
    if "" in olds.keys() ^ news.keys() and len(olds) == len(news) == 1:
        # A baseline does not know the place of a name that was unique.
        olds, news = {"": list(old)}, {"": list(new)}
    for place in list(olds):
        if place in news:
            before, now = olds.pop(place), news.pop(place)
            yield from _pair_by_outcome(fold_reruns(before, len(now)), fold_reruns(now, len(before)))
    rest = [[copy for found in groups.values() for copy in found] for groups in (olds, news)]
    if not rest[0] or not rest[1]:
        rest = [[copy for found in groups.values() for copy in fold_reruns(found, 1)] for groups in (olds, news)]
    yield from _pair_by_outcome(*rest)


def _pair_by_outcome(old: list[CaseCopy], new: list[CaseCopy]) -> Iterator[Pair]:
    yield from zip_longest(*(sorted(found, key=lambda copy: copy.outcome.badness) for found in (old, new)))


def _group(copies: Iterable[CaseCopy]) -> dict[str, list[CaseCopy]]:
    groups: dict[str, list[CaseCopy]] = {}
    for copy in copies:
        groups.setdefault(copy.place, []).append(copy)
    return groups


VARYING = re.compile(
    r"0x[0-9a-fA-F]{4,16}"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?<=seed)(?:[=:# ]+)\[?[0-9a-fA-F:]+"
    r"|(?:/tmp|/var/tmp|/var/folders)/[\w./-]*",
    re.IGNORECASE,
)
"""What is another in each run: addresses, UUIDs, seeds of random tests, temporary files."""


def match_alike(gone: Iterable[str], new: Iterable[str]) -> Mapping[str, str]:
    """Return the old names of cases whose names differ in nothing but an address, a UUID, a seed or a temporary file.

    Unicode has two forms for accents, of which file systems and tools choose one; they are alike as well (UAX 15).

    Names that are alike on one side must be as many on the other; they are matched in their order.
    """
    olds, news = _group_by_mask(gone), _group_by_mask(new)
    return {
        now: before
        for mask, names in news.items()
        if len(names) == len(olds.get(mask, ()))
        for now, before in zip(names, olds[mask], strict=True)
    }


def _group_by_mask(names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        mask, count = VARYING.subn("*", name if name.isascii() else unicodedata.normalize("NFC", name))
        if count or not name.isascii():
            groups.setdefault(mask, []).append(name)
    return groups
