"""Options of the whole program; the only place that reads settings from the environment.

Each setting is declared once, as a typer option that names its variable, so that the help is right by itself.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harness import read_version
from harness.app.settings import Settings

__all__ = [
    "DebugOption", "LogLevel", "LogOption", "MatrixOption", "RunsOption", "StoreOption", "VersionOption",
    "get_settings",
]  # fmt: skip


class LogLevel(StrEnum):
    """How much the log on stderr says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _print_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        typer.echo(read_version())
        raise typer.Exit


def _make_option(name: str, metavar: str, about: str) -> Any:
    """Return an option for a place, which a variable of the environment may name, too."""
    return typer.Option(f"--{name}", envvar=f"HARNESS_{name.upper()}", metavar=metavar, help=about)


MatrixOption = Annotated[
    Path | None,
    _make_option("matrix", "FILE", "The matrix file; by default, matrix.yaml here or in the nearest directory above."),
]
StoreOption = Annotated[
    Path | None, _make_option("store", "DIRECTORY", "Where artifacts are kept; by default, the user's cache.")
]
RunsOption = Annotated[
    Path | None, _make_option("runs", "DIRECTORY", "Where results go; by default, runs/ next to the matrix.")
]
LogOption = Annotated[LogLevel, typer.Option("--log", envvar="HARNESS_LOG", help="How much the log on stderr says.")]
VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the harness's own version.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks, and log everything.")]


def get_settings(context: typer.Context) -> Settings:
    """Return the settings in typer's context."""
    settings = context.find_object(Settings)
    assert settings is not None  # the application's callback runs before every verb
    return settings
