"""Which of the CI files in a project are not what the matrix says any more."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.ci.rendering import Rendered

__all__ = ["Drift", "DriftState", "compare"]


class DriftState(StrEnum):
    """How a file in the project is to what would be made."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One file of a CI system, and how it has drifted.

    Attributes:
        file: What it should be.
        state: How the file in the project is.
        diff: Unified diff from the file in the project to what it should be; empty where they are the same.
    """

    file: Rendered
    state: DriftState
    diff: str


def compare(files: Sequence[Rendered], root: Path) -> tuple[Drift, ...]:
    """How each file is in the project; those that are the same are there as well.

    Args:
        files: What would be made.
        root: The project's directory.
    """
    return tuple(_compare(file, root / file.path) for file in files)


def _compare(file: Rendered, path: Path) -> Drift:
    try:
        # What is no UTF-8 differs, and is shown as well as it can be.
        now = path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return Drift(file=file, state=DriftState.MISSING, diff=_diff("/dev/null", "", file))
    if now == file.text:
        return Drift(file=file, state=DriftState.SAME, diff="")
    return Drift(file=file, state=DriftState.DIFFERS, diff=_diff(f"a/{file.path}", now, file))


def _diff(name: str, now: str, file: Rendered) -> str:
    lines = difflib.unified_diff(
        now.splitlines(keepends=True), file.text.splitlines(keepends=True), name, f"b/{file.path}"
    )
    # As git writes it, so that `patch` can read it where a file has no newline at its end.
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
