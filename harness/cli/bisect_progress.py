"""What a user sees while a bisection runs: a line for each result, and on a terminal what happens now."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.bisect.records import Begun
from harness.bisect.report import SearchLines
from harness.bisect.report.facts import SHORT
from harness.bisect.repository import Commit
from harness.bisect.session import SearchProgress
from harness.cli.console import show_live
from harness.model import Event, State
from harness.text import format_duration

__all__ = ["Screen", "watch_bisection"]


class Screen:
    """Receives what happens from any thread, and shows it."""

    def __init__(self, console: Console, lines: SearchLines) -> None:
        self._console = console
        self._lines = lines
        self._now: SearchProgress | None = None
        self._phases: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def show_progress(self, progress: SearchProgress) -> None:
        """Show that the search has come further."""
        with self._lock:
            self._now = progress
        for record in progress.news:
            self._console.print(self._lines.format_record(record), soft_wrap=True)
        if progress.running and progress.news and not self._console.is_terminal:
            self._console.print(self._lines.format_outlook(progress), soft_wrap=True)

    def note_event(self, event: Event) -> None:
        """Note what happens in a sample."""
        with self._lock:
            if event.state is State.RUNNING:
                self._phases[event.cell] = (event.phase, time.monotonic())
            else:
                self._phases.pop(event.cell, None)

    def __rich__(self) -> Table:
        """Render what happens now."""
        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        with self._lock:
            progress, phases = self._now, dict(self._phases)
        for asked in progress.running if progress else ():
            phase = next((f"{name} {format_duration(now - since)}" for cell, (name, since) in phases.items()
                          if asked.revision[:SHORT] in cell), "")  # fmt: skip
            commit = self._lines.format_commit(asked.revision)
            table.add_row(Text(commit), Text(asked.purpose, "dim"), Text(phase, "bold"))
        if progress:
            table.add_row(self._lines.format_outlook(progress))
        return table


@contextmanager
def watch_bisection(console: Console, begun: Begun, commits: Mapping[str, Commit]) -> Iterator[Screen]:
    """Show a bisection while the context is open."""
    screen = Screen(console, SearchLines(begun=begun, commits=commits))
    with show_live(console, screen):
        yield screen
