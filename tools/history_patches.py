"""Debian's source package of systemd, taken apart: the upstream tree, and what each patch makes of it.

A tree that was unpacked by dpkg-source(1) has the files that each patch replaced in `.pc`, as quilt does.
So nothing has to be applied again: a patch's outcome is what the next patch of the same file replaced.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

OURS = ("debian", ".pc")
"""What a source package adds to the upstream tree: packaging, and what its patches replaced."""


def patches(tree: Path) -> Iterator[tuple[str, Mapping[str, bytes | None]]]:
    """Each patch's subject, and the files that it touches as they are after it; None where there is none any more."""
    names = _applied(tree)
    for number, name in enumerate(names):
        files = {path: _before(tree, names[number + 1 :], path) for path in _touched(tree, name)}
        header = (tree / "debian" / "patches" / name).read_text(encoding="utf-8", errors="replace")
        yield _subject(header) or name, files


def upstream(tree: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield the files of the upstream tree: those in `tree`, without the packaging and before the patches."""
    applied = _applied(tree)
    touched = {path for name in applied for path in _touched(tree, name)}
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        if path.relative_to(tree).parts[0] in OURS or name in touched:
            continue
        if path.is_symlink():
            yield name, str(path.readlink()).encode()
        elif path.is_file():
            yield name, path.read_bytes()
    for name in sorted(touched):
        if (content := _before(tree, applied, name)) is not None:
            yield name, content


def _applied(tree: Path) -> list[str]:
    return (tree / ".pc" / "applied-patches").read_text(encoding="utf-8").split()


def _before(tree: Path, applied: Sequence[str], path: str) -> bytes | None:
    """Return a file as it was before those patches; None if it was not there."""
    for name in applied:
        kept = tree / ".pc" / name / path
        if kept.is_file():
            # What quilt keeps of a file that a patch makes is an empty one.
            return kept.read_bytes() or None
    return (tree / path).read_bytes() if (tree / path).is_file() else None


def _touched(tree: Path, name: str) -> list[str]:
    kept = tree / ".pc" / name
    return sorted(
        str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file() and path.name != ".timestamp"
    )


def _subject(header: str) -> str:
    """Return the subject in a patch's header (DEP-3), whose further lines are indented."""
    found = re.search(r"^(?:Subject|Description): *(.*(?:\n[ \t]+\S.*)*)", header, re.MULTILINE)
    return re.sub(r"\s*\n\s*", " ", found[1]).removeprefix("[PATCH] ") if found else ""
