"""Where a person looks while a verb works: stdout, or stderr where stdout is for a program."""

from rich.console import Console

from harness.cli.output import Format

__all__ = ["make_console"]

WIDTH = 160
"""Columns where no terminal says how wide it is."""


def make_console(form: Format) -> Console:
    """Return the console for people, given how results are printed."""
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    return console if console.is_terminal else Console(stderr=console.stderr, highlight=False, width=WIDTH)
