"""Where a person looks while a verb works: stdout, or stderr where stdout is for a program."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RichCast
from rich.live import Live
from rich.segment import Segment

from harness.cli.output import Format
from harness.text import show

__all__ = ["TextConsole", "make_console", "make_error_console", "show_live"]

WIDTH = 160
"""Columns where no terminal says how wide it is."""


class TextConsole(Console):
    """A console on which text is text: whoever wrote it, it has no markup, and nothing in it moves the cursor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as all consoles do; what is not rich's own control of the screen is made harmless."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(show(segment.text), segment.style)


def make_console(form: Format) -> Console:
    """Return the console for people, given how results are printed."""
    return _make(stderr=form is not Format.TABLE)


def make_error_console() -> Console:
    """Return the console for people where stdout is for something else."""
    return _make(stderr=True)


def _make(*, stderr: bool) -> Console:
    console = TextConsole(stderr=stderr)
    return console if console.is_terminal else TextConsole(stderr=stderr, width=WIDTH)


def show_live(console: Console, screen: RichCast) -> AbstractContextManager[object]:
    """Draw a screen again and again while the context is open, on a terminal."""
    return Live(screen, console=console, refresh_per_second=4, transient=True) if console.is_terminal else nullcontext()
