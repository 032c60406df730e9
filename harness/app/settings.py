"""What the user set for the whole program, as a value."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from harness.wait import Cancellation, Deadline

__all__ = ["APPLICATION", "Settings", "resolve_settings", "show_path"]

APPLICATION = "rkt-harness"
"""Name of the directories that the harness has in the user's cache and log directories."""

MATRIX = "matrix.yaml"
BASELINES = Path("ci", "baselines")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user set, carried in typer's context.

    Attributes:
        debug: Whether tracebacks are shown.
        cancelled: Set when the user interrupts; all deadlines of the program share it.
    """

    matrix: Path
    store: Path
    runs: Path
    debug: bool
    cancelled: Cancellation

    @property
    def root(self) -> Path:
        """The project's directory: where the matrix file is, with `images/` and `suites/` next to it."""
        return self.matrix.parent

    @property
    def baselines(self) -> Path:
        """Directory of the baselines, next to the matrix, as messages name it."""
        return Path(show_path(self.root / BASELINES))

    @property
    def history(self) -> Path:
        """File that remembers how long things took."""
        return self.store / "history.json"

    def make_deadline(self, seconds: float, what: str) -> Deadline:
        """Return a deadline `seconds` from now that an interruption ends too."""
        return Deadline.after(seconds, what, cancelled=self.cancelled)


def resolve_settings(
    *, matrix: Path | None, store: Path | None, runs: Path | None, debug: bool, cancelled: Cancellation
) -> Settings:
    """Return the settings, with the places that hold where the user named none."""
    path = (matrix or _find_matrix()).absolute()
    return Settings(
        matrix=path,
        store=(store or platformdirs.user_cache_path(APPLICATION)).absolute(),
        runs=(runs or path.parent / "runs").absolute(),
        debug=debug,
        cancelled=cancelled,
    )


def show_path(path: Path) -> str:
    """Return a path as messages name it: relative where it is below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else os.fspath(path)


def _find_matrix() -> Path:
    here = Path.cwd()
    return next((place / MATRIX for place in (here, *here.parents) if (place / MATRIX).is_file()), here / MATRIX)
