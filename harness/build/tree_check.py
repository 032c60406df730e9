"""What can be seen of a source tree before anything is built: whether it is one that the rules of its component build."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.catalog import Build, Download, RequiredOption, TreeNote

__all__ = [
    "find_declared_options", "find_download", "find_left_files", "find_missing_options", "find_notes", "find_vendored",
    "find_version", "is_optional",
]  # fmt: skip

DECLARED = re.compile(r"AC_ARG_(WITH|ENABLE)\(\s*\[?\s*([A-Za-z0-9_-]+)")
"""How configure.ac declares an option: see "External Software" and "Package Options" in autoconf's manual."""

INITIAL = re.compile(r"^\s*AC_INIT\(\s*\[?[^],]*\]?\s*,\s*\[?([^],)\s]+)", re.MULTILINE)
"""How configure.ac says the version; see "Initializing configure" in autoconf's manual."""

OPTIONAL = ("with-", "without-", "enable-", "disable-")
"""How options begin that a tree may have or not; the others are autoconf's own."""


def find_declared_options(tree: Path) -> frozenset[str]:
    """Return the options that a tree's configure.ac declares, as `with-x` and `enable-x`."""
    return frozenset(f"{kind.lower()}-{name}" for kind, name in DECLARED.findall(_read_configure(tree)))


def is_optional(option: str) -> bool:
    """Return whether a tree may have an option or not."""
    return option.startswith(OPTIONAL)


def find_missing_options(rules: Build, tree: Path) -> tuple[RequiredOption, ...]:
    """Return the options that a tree must have and does not: it is not built then."""
    declared = find_declared_options(tree)
    return tuple(each for each in rules.required if each.option not in declared)


def find_version(tree: Path) -> str | None:
    """Return the version that a tree's configure.ac says, or None."""
    found = INITIAL.search(_read_configure(tree))
    return found[1] if found else None


def find_vendored(rules: Build, tree: Path) -> str | None:
    """Return where a tree has the code of others that it is compiled with, or None where it has none."""
    return next((path for path in rules.vendored if (tree / path).is_dir()), None)


def find_left_files(rules: Build, tree: Path) -> Iterator[str]:
    """Yield what an earlier build has left in a tree."""
    for pattern in rules.left:
        yield from sorted(path.name for path in tree.glob(pattern))


def find_download(download: Download, tree: Path) -> Path | None:
    """Return the first makefile of a tree, relative to it, that names where something is downloaded from, or None."""
    for path in sorted(tree.rglob("*.mk")):
        if path.is_file() and download.host in path.read_text(encoding="utf-8", errors="replace"):
            return path.relative_to(tree)
    return None


def find_notes(notes: Iterable[TreeNote], tree: Path) -> Iterator[TreeNote]:
    """Yield what files of a tree show."""
    for note in notes:
        path = tree / note.file
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if (note.has in text) if note.has is not None else (str(note.lacks) not in text):
                yield note


def _read_configure(tree: Path) -> str:
    path = tree / "configure.ac"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
