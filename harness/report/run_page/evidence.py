"""What the page shows of a run's files: a list of all with links, and excerpts as far as there is room."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.model import Outcome
from harness.report.page import clean_line, embed
from harness.report.run_page.excerpts import Excerpt, find_cited, make_excerpt, read_size
from harness.results import CellResult

__all__ = ["Room", "ShownFiles", "list_files", "list_own_files", "look"]

MOST_FILES = 60
"""Files of a cell that are listed."""

DEPTH = 3
"""Directories below a cell's own in which files are looked for, itself included."""

FIRST = ("machine/console.log", "machine/journal.txt", "pytest.log")
"""Files that are shown before others."""

READ = (".log", ".txt")
"""Endings of the files of which excerpts are shown; the others are for programs."""

MOST, LEAST = 48_000, 1_500
"""Bytes of an excerpt."""

SHARE_OF_BAD = 0.8
"""Part of the room that cells get which did not pass, before the others."""

GROWTH = 1.5
"""How much larger than its text an excerpt may be in the page before less of it is taken."""


class Room:
    """Bytes of the page that are left."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Use some, if they are there."""
        if size > self.left:
            return False
        self.left -= size
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFiles:
    """The files of a cell.

    Attributes:
        files: Path below the cell's directory and bytes of each.
        excerpts: What is shown of some, by path.
    """

    files: tuple[tuple[str, int], ...]
    excerpts: dict[str, Excerpt]


def list_files(directory: Path, *names: str) -> tuple[tuple[str, int], ...]:
    """Return paths and sizes of the regular files below a directory of a run: those for people first, bounded in number.

    `names` lead from the run's directory to it. Where one is a link there are none: a run may come from elsewhere, and
    what its links lead to is no part of it.
    """
    place = directory
    for name in names:
        place /= name
        if place.is_symlink():
            return ()
    found = sorted(_walk(place, "", DEPTH), key=lambda item: (*_rank(item[0]), item[0]))
    return tuple(found[:MOST_FILES])


def list_own_files(directory: Path) -> tuple[tuple[str, int], ...]:
    """Return the same for a run itself: files of its directory, logs of what several cells need, not its pages."""
    here = [item for item in _walk(directory, "", 1) if not item[0].startswith((".", "report."))]
    return (*here, *((f"needs/{path}", size) for path, size in list_files(directory, "needs")))


def _walk(place: Path, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(place) as entries:
            known = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in known[: 4 * MOST_FILES]:
        if entry.is_dir(follow_symlinks=False):
            if depth > 1:
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", depth - 1)
        elif (size := read_size(Path(entry.path))) is not None:
            yield f"{prefix}{entry.name}", size


def _rank(path: str) -> tuple[int, int]:
    return (0, FIRST.index(path)) if path in FIRST else (1 if path.endswith(READ) else 2, 0)


def look(cells: Sequence[CellResult], directory: Path, room: Room, *, listed: int) -> dict[int, ShownFiles]:
    """Return the files of cells, by the index of the cell; cells that did not pass get their excerpts first.

    Args:
        cells: The run's cells.
        directory: The run's directory.
        room: What excerpts may use.
        listed: Cells of which files are listed; those that did not pass come first.
    """
    bad = [index for index, cell in enumerate(cells) if cell.outcome.badness > Outcome.PASSED.badness]
    good = [index for index, cell in enumerate(cells) if cell.outcome.badness <= Outcome.PASSED.badness]
    found = {index: list_files(directory, "cells", cells[index].id) for index in (bad + good)[:listed]}
    evidence: dict[int, ShownFiles] = {}
    for group, share in ((bad, SHARE_OF_BAD if good else 1.0), (good, 1.0)):
        here = [index for index in group if index in found]
        part = Room(int(room.left * share))
        texts = sum(path.endswith(READ) and size > 0 for index in here for path, size in found[index])
        before = part.left
        for index in here:
            shown: dict[str, Excerpt] = {}
            for path, size in found[index]:
                if path.endswith(READ) and size:
                    taken = _make_excerpt(cells[index], directory, path, part, part.left // max(texts, 1))
                    texts -= 1
                    shown |= {path: taken} if taken else {}
            evidence[index] = ShownFiles(files=found[index], excerpts=shown)
        room.take(before - part.left)
    return evidence


def _make_excerpt(cell: CellResult, directory: Path, path: str, room: Room, share: int) -> Excerpt | None:
    """Return an excerpt of a file that fits its share of the room."""
    bad = cell.outcome.badness > Outcome.PASSED.badness
    most = min(share, MOST if bad else MOST // 2)
    says = [cell.error or "", *(f"{case.message}\n{case.details[:4000]}" for case in cell.cases[:1000] if case.message)]
    lines = find_cited(says, path.rpartition("/")[2]) if bad else ()
    limit = most * GROWTH
    while most >= LEAST:
        taken = make_excerpt(directory / "cells" / cell.id / path, most, lines=lines, trouble=bad)
        if taken is None:
            return None
        cost = len(embed([[part.line, part.text, part.skipped] for part in taken.parts])) + len(clean_line(path))
        if cost <= limit and room.take(cost):
            return taken
        # What is no plain text takes up to six times its bytes in JSON.
        most = min(most // 2, int(most * limit / cost))
    return None
