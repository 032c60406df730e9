"""Where a person looks while a verb works: stdout, or stderr where stdout is for a program."""

from contextlib import AbstractContextManager, nullcontext

from rich.console import Console, RichCast
from rich.live import Live

from harness.cli.output import Format

__all__ = ["make_console", "show_live"]

WIDTH = 160
"""Columns where no terminal says how wide it is."""


def make_console(form: Format) -> Console:
    """Return the console for people, given how results are printed."""
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    return console if console.is_terminal else Console(stderr=console.stderr, highlight=False, width=WIDTH)


def show_live(console: Console, screen: RichCast) -> AbstractContextManager[object]:
    """Draw a screen again and again while the context is open, on a terminal."""
    return Live(screen, console=console, refresh_per_second=4, transient=True) if console.is_terminal else nullcontext()
