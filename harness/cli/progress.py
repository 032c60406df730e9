"""What a user sees while cells are worked on: what happens now, for how long, what is cached.

On a terminal a live table; otherwise a line for each thing that ends, so that a CI log stays readable.
"""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from harness.cli.console import show_live
from harness.model import Event, Phase, State
from harness.text import format_duration, pluralize

__all__ = ["ProgressTable", "watch"]

STYLES = {
    State.CACHED: "dim",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.INTERRUPTED: "yellow",
    State.RUNNING: "bold",
    State.WAITING: "",
}


@dataclass(slots=True)
class _Row:
    """One cell on the screen."""

    phase: Phase
    state: State
    text: str
    since: float
    seconds: dict[Phase, str] = field(default_factory=dict)


class ProgressTable:
    """Receives events from any thread and shows them; call it with an `Event`."""

    def __init__(self, console: Console, cells: Collection[str]) -> None:
        self._console = console
        self._cells = frozenset(cells)
        self._rows: dict[str, _Row] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()
        self._begin = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        now = time.monotonic()
        with self._lock:
            before = self._rows.get(event.cell)
            same = before is not None and before.phase is event.phase
            since = before.since if before is not None and same else now
            self._rows[event.cell] = _Row(phase=event.phase, state=event.state, text=event.text, since=since)
            shared = event.cell not in self._cells  # a build or an image that cells wait for
            if shared and event.state is not State.RUNNING:
                del self._rows[event.cell]
        if shared and event.state is State.CACHED:
            return
        if not self._console.is_terminal and event.state is not State.RUNNING:
            word = "after" if event.state is State.INTERRUPTED else "in"
            spent = "" if event.state is State.CACHED else f" {word} {format_duration(now - since)}"
            self._console.print(
                Text(f"{event.cell}  {event.phase} {event.state}{spent}" + (f": {event.text}" if event.text else "")),
                soft_wrap=True,
            )

    def end(self, cell: str) -> None:
        """Remove the row of a cell that has ended."""
        with self._lock:
            self._rows.pop(cell, None)
            self._ended.add(cell)

    def __rich__(self) -> Table:
        """Draw the live table."""
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for cell, row in self._rows.items():
                what = Text(f"{row.phase} {row.state}" if row.state is not State.RUNNING else str(row.phase))
                what.stylize(STYLES[row.state])
                table.add_row(Spinner("dots"), Text(cell), what, Text(format_duration(now - row.since)), Text(row.text))
            ended = f"{len(self._ended)} of {pluralize(len(self._cells), 'cell')}"
            table.add_row("", Text(f"{ended}, {format_duration(now - self._begin)}"))
        return table


@contextmanager
def watch(console: Console, cells: Collection[str]) -> Iterator[ProgressTable]:
    """Show the progress of some cells while the context is open."""
    progress = ProgressTable(console, cells)
    with show_live(console, progress):
        yield progress
