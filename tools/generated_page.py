"""Pages of docs/reference that a tool makes of a data file, once nothing in the file is wrong."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["ROOT", "write_page"]

ROOT = Path(__file__).parents[1]


def write_page(path: Path, problems: Sequence[str], format_text: Callable[[], str]) -> int:
    """Write a page and return 0; with problems, print them, write nothing and return 2.

    Each of the problems begins with the path of the data file in this project.
    """
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    if problems:
        return 2
    path.write_text(format_text(), encoding="utf-8")
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0
