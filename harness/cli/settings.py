"""What the user set for the whole program; the only place that reads settings from the environment.

Each setting is declared once, as a typer option that names its variable, so that the help is right by itself.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from harness.results import harness_version
from harness.wait import Cancellation, Deadline

__all__ = [
    "DebugOption",
    "KeyOption",
    "Level",
    "LogOption",
    "MatrixOption",
    "MirrorOption",
    "RunsOption",
    "Settings",
    "StoreOption",
    "VersionOption",
    "of",
    "resolve",
    "shown",
]

APPLICATION = "rkt-harness"
"""Name of the directories that the harness has in the user's cache and log directories."""
MATRIX = "matrix.yaml"


class Level(StrEnum):
    """How much the log on stderr says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _print_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        typer.echo(harness_version())
        raise typer.Exit


MatrixOption = Annotated[
    Path | None,
    typer.Option(
        "--matrix",
        envvar="HARNESS_MATRIX",
        metavar="FILE",
        help="The matrix file; matrix.yaml here or in the nearest directory above without it.",
    ),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store",
        envvar="HARNESS_STORE",
        metavar="DIRECTORY",
        help="Where artifacts are kept; the user's cache without it.",
    ),
]
RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        envvar="HARNESS_RUNS",
        metavar="DIRECTORY",
        help="Where results go; runs/ beside the matrix without it.",
    ),
]
MirrorOption = Annotated[
    str | None,
    typer.Option(
        "--mirror",
        envvar="HARNESS_MIRROR",
        metavar="URL|DIR",
        help="In place of the host of a distro's releases; {channel} in it is the channel.",
    ),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        envvar="HARNESS_KEY",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Trust the one key in this file for a distro's releases, and not the distro's own.",
    ),
]
LogOption = Annotated[Level, typer.Option("--log", envvar="HARNESS_LOG", help="How much the log on stderr says.")]
VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the harness's own version.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks, and log everything.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user set, carried in typer's context.

    Attributes:
        matrix: The matrix file.
        store: Directory of the artifact store.
        runs: Directory of results.
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
        """The project's directory: where the matrix file is, with `images/` and `suites/` beside it."""
        return self.matrix.parent

    @property
    def history(self) -> Path:
        """File that remembers how long things took."""
        return self.store / "history.json"

    def deadline(self, seconds: float, what: str) -> Deadline:
        """A deadline `seconds` from now that an interruption ends too."""
        return Deadline.after(seconds, what, cancelled=self.cancelled)


def of(context: typer.Context) -> Settings:
    """The settings in typer's context."""
    settings = context.find_object(Settings)
    assert settings is not None  # the application's callback runs before every verb
    return settings


def resolve(
    *, matrix: Path | None, store: Path | None, runs: Path | None, debug: bool, cancelled: Cancellation
) -> Settings:
    """The settings, with the places that hold where the user named none."""
    path = (matrix or _nearest()).absolute()
    return Settings(
        matrix=path,
        store=(store or platformdirs.user_cache_path(APPLICATION)).absolute(),
        runs=(runs or path.parent / "runs").absolute(),
        debug=debug,
        cancelled=cancelled,
    )


def shown(path: Path) -> str:
    """A path as messages name it: relative where it is below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else os.fspath(path)


def _nearest() -> Path:
    here = Path.cwd()
    return next((place / MATRIX for place in (here, *here.parents) if (place / MATRIX).is_file()), here / MATRIX)
