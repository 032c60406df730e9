"""What verbs print on stdout: tables for people, JSON and plain names for programs."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

__all__ = ["Format", "FormatOption", "as_json", "say", "table"]


class Format(StrEnum):
    """How cells are printed."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    """For programs."""
    IDS = "ids"
    """One identifier on a line, for shell loops."""


FormatOption = Annotated[Format, typer.Option("--format", help="A table for people, JSON, or one name on a line.")]


def say(text: str) -> None:
    """Print lines on stdout."""
    typer.echo(text)


def as_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    say(json.dumps(value, indent=1, ensure_ascii=False))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns on stdout; nothing is cut, so that a pipe gets all of it."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    say("\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines))
