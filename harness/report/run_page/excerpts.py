"""Bounded looks into files that guests wrote: beginning, end, and where it went wrong; never the whole of a large one."""

import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.console import judge_line
from harness.report.page import bound, clean

__all__ = ["Excerpt", "Part", "clean_passage", "find_cited", "make_excerpt", "read_size"]

SCANNED = 16 * 1024 * 1024
"""Bytes of a file in which trouble and cited lines are looked for; of the rest only the end is read."""

WINDOWS = 3
"""Places of trouble that are shown between beginning and end."""

SNAP = 400
"""Bytes by which an excerpt may be shorter, so that it begins and ends with a whole line."""

MOST_LINES = 1_000_000
"""Lines up to which a cited line is looked for."""

FURTHER = re.compile(rb"[Cc]all [Tt]race:|oom-kill|[Ff]ailed with result|^E   ")
"""What a journal or pytest says where something went wrong; what a console says is in harness/console.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a file.

    Attributes:
        line: Number of its first line, from 1; None where that was not counted.
        text: Its clean text.
        skipped: Bytes of the file that are left out before it.
    """

    line: int | None
    text: str
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What of a file is shown.

    Attributes:
        size: Bytes of the file.
        parts: Its pieces, in order.
        skipped: Bytes that are left out after the last one.
    """

    size: int
    parts: tuple[Part, ...]
    skipped: int = 0


def read_size(path: Path) -> int | None:
    """Return the bytes of a regular file; None for all else: what is no file, or a link to who knows where."""
    try:
        state = path.lstat()
    except OSError:
        return None
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def find_cited(texts: Iterable[str], name: str) -> tuple[int, ...]:
    """Return numbers of lines of a file that messages cite, as `console.log:812`."""
    pattern = re.compile(rf"\b{re.escape(name)}:([0-9]{{1,7}})\b")
    found = (int(match[1]) for text in texts for match in pattern.finditer(text[:10_000]))
    return tuple(dict.fromkeys(found))


def clean_passage(text: str, most: int) -> str:
    """Clean text of at most about `most` characters, in a time that does not grow with what is left out."""
    if len(text) > 4 * most:
        text = f"{text[:most]}\n[… {len(text) - 3 * most} characters left out …]\n{text[-2 * most :]}"
    return bound(text, most)


def make_excerpt(path: Path, most: int, *, lines: Iterable[int] = (), trouble: bool = False) -> Excerpt | None:
    """Return what of a file fits into about `most` bytes.

    Args:
        path: The file.
        most: Bytes to show.
        lines: Numbers of lines that should be among them.
        trouble: Whether what looks like trouble should be too.

    Returns:
        None where there is no such file, or it cannot be read.
    """
    size = read_size(path)
    if size is None:
        return None
    try:
        with path.open("rb") as file:
            begin = file.read(SCANNED if size > most else most)
            tail = b""
            if size > most:
                file.seek(max(size - most, 0))
                tail = file.read(most)
    except OSError:
        return None
    if size <= most:
        return Excerpt(size=size, parts=(Part(line=1, text=_decode(begin), skipped=0),) if begin else ())
    return _join_pieces(begin, tail, size, _choose_ranges(begin, size, most, tuple(lines), trouble=trouble))


def _choose_ranges(
    begin: bytes, size: int, most: int, lines: tuple[int, ...], *, trouble: bool
) -> list[tuple[int, int]]:
    """Return the places of a file to show, in order and apart from each other."""
    places = [place for line in lines[:WINDOWS] if (place := _find_line(begin, line)) is not None]
    if trouble:
        for place in _find_trouble(begin):
            if len(places) < WINDOWS and all(abs(place - other) > most // (2 * WINDOWS) for other in places):
                places.append(place)
    share = most // 2 if places else most
    wanted = [(0, share // 4), (size - (share - share // 4), size)]
    for place in places:
        half = most // (4 * len(places))
        wanted.append((max(place - half, 0), min(place + half, size)))
    merged: list[tuple[int, int]] = []
    for first, last in sorted(wanted):
        if merged and first <= merged[-1][1] + SNAP:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _find_trouble(begin: bytes) -> list[int]:
    """Return places where something went wrong: of each kind the first ones, in order."""
    kinds: Counter[str] = Counter()
    found: list[int] = []
    place, last = 0, -SNAP
    for line in begin.split(b"\n"):
        if place - last > SNAP and (kind := judge_line(line) or _find_word(line)) and kinds[kind] < WINDOWS:
            kinds[kind] += 1
            found.append(place)
            last = place
        place += len(line) + 1
    return found


def _find_word(line: bytes) -> str | None:
    match = FURTHER.search(line)
    return match[0].decode() if match else None


def _find_line(begin: bytes, line: int) -> int | None:
    """Return where a line begins."""
    if not 1 <= line <= MOST_LINES:
        return None
    place = 0
    for _ in range(line - 1):
        place = begin.find(b"\n", place) + 1
        if not place:
            return None
    return place


def _join_pieces(begin: bytes, tail: bytes, size: int, ranges: list[tuple[int, int]]) -> Excerpt:
    parts: list[Part] = []
    shown = 0
    line: int | None
    for first, last in ranges:
        if last <= len(begin):
            first, last = _snap_to_lines(begin, first, last, size)  # noqa: PLW2901 - the range, but of whole lines
            content, line = begin[first:last], begin.count(b"\n", 0, first) + 1
        else:
            first = max(first, size - len(tail))  # noqa: PLW2901 - what is between was not read
            place = first - (size - len(tail))
            place, _ = _snap_to_lines(tail, place, len(tail), len(tail)) if first else (place, 0)
            first = size - len(tail) + place  # noqa: PLW2901
            content = tail[place:]
            line = begin.count(b"\n", 0, first) + 1 if first <= len(begin) else None
        parts.append(Part(line=line, text=_decode(content), skipped=first - shown))
        shown = last
    return Excerpt(size=size, parts=tuple(parts), skipped=max(size - shown, 0))


def _snap_to_lines(content: bytes, first: int, last: int, size: int) -> tuple[int, int]:
    """Return a range that begins and ends with whole lines, if it becomes little shorter by that."""
    if first > 0:
        end = content.find(b"\n", first - 1, min(first + SNAP, last))
        first = end + 1 if end >= 0 else first
    if last < size:
        end = content.rfind(b"\n", max(last - SNAP, first), last)
        last = end + 1 if end >= 0 else last
    return first, last


def _decode(content: bytes) -> str:
    return clean(content.decode("utf-8", errors="replace")).rstrip("\n")
