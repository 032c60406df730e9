"""What verbs print on stdout: tables for people, JSON and plain names for programs."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from harness import text as text_for_people

__all__ = ["Format", "FormatOption", "as_json", "format_table", "say", "show"]


class Format(StrEnum):
    """How something is printed."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    """For programs."""
    IDS = "ids"
    """One identifier on a line, for shell loops."""


FormatOption = Annotated[Format, typer.Option("--format", help="A table for people, JSON, or one name on a line.")]


def show(form: Format, *, ids: Iterable[str], data: Callable[[], Any], lines: Iterable[str]) -> None:
    """Print something in the form that was asked for; generators of the other forms are not run.

    Args:
        form: The form.
        ids: For shell loops, a name on each line.
        data: Makes the value for programs.
        lines: For people.
    """
    if form is Format.JSON:
        as_json(data())
        return
    for line in ids if form is Format.IDS else lines:
        say(line)


def say(text: str) -> None:
    """Print lines on stdout; whoever wrote them, no terminal acts upon them."""
    typer.echo(text_for_people.show(text))


def as_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    typer.echo(text_for_people.escape_json(json.dumps(value, indent=1, ensure_ascii=False)))


def format_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of aligned columns; nothing is cut, so that a pipe gets all of it."""
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
