"""What a user sees while a bisection runs: a line for each result, and on a terminal what happens now."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.bisect.records import Begun, Same, Sample
from harness.bisect.repository import Commit
from harness.bisect.session import SearchProgress
from harness.model import Event, State, Verdict
from harness.text import format_duration

__all__ = ["Screen", "watch_bisection"]

SHORT = 12
STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.SKIP: "yellow"}
SUBJECT = 60
"""Characters of a commit's subject that are shown."""


class Screen:
    """Receives what happens from any thread, and shows it."""

    def __init__(self, console: Console, begun: Begun, commits: Mapping[str, Commit]) -> None:
        self._console = console
        self._begun = begun
        self._commits = commits
        self._now: SearchProgress | None = None
        self._phases: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._begin = time.monotonic()

    def show_progress(self, progress: SearchProgress) -> None:
        """Show that the search has come further."""
        with self._lock:
            self._now = progress
        for record in progress.news:
            self._console.print(self._format_line(record), soft_wrap=True)
        if progress.running and progress.news and not self._console.is_terminal:
            self._console.print(self._format_outlook(progress), soft_wrap=True)

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
            table.add_row(Text(self._format_commit(asked.revision)), Text(asked.purpose, "dim"), Text(phase, "bold"))
        if progress:
            table.add_row(self._format_outlook(progress))
        return table

    def _format_line(self, record: Sample | Same) -> Text:
        if isinstance(record, Same):
            return Text.assemble(
                ("same   ", "dim"), self._format_commit(record.second), (f"  built as {record.first[:SHORT]}", "dim")
            )
        word = self._format_verdict(record.verdict)
        spent = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in record.seconds.items())
        notes = [
            record.purpose.value,
            *(["fresh build"] if record.fresh else []),
            *(["known"] if record.cached else []),
        ]
        why = (
            f"  {record.reason}: {record.message}" if record.reason else f"  {record.message}" if record.message else ""
        )
        return Text.assemble(
            (f"{word:<7}", STYLES[record.verdict]), self._format_commit(record.revision),
            (f"  {', '.join(notes)}" + (f"; {spent}" if spent else ""), "dim"), why,
        )  # fmt: skip

    def _format_verdict(self, verdict: Verdict) -> str:
        old, new = self._begun.verdicts
        return {old: self._begun.term_old, new: self._begun.term_new}.get(verdict, verdict.value)

    def _format_commit(self, revision: str) -> str:
        commit = self._commits.get(revision)
        return f"{revision[:SHORT]} {commit.subject[:SUBJECT] if commit else ''}".rstrip()

    def _format_outlook(self, progress: SearchProgress) -> Text:
        flaky = f", {progress.no_culprit:.0%} none" if progress.no_culprit >= 0.01 else ""  # noqa: PLR2004 - what shows
        return Text(
            f"{progress.stage}: about {progress.tests_left:.0f} tests, {format_duration(progress.seconds_left)} left; "
            f"likeliest {self._format_commit(progress.leader)}, {progress.chance:.0%}{flaky}",
            style="dim",
        )


@contextmanager
def watch_bisection(console: Console, begun: Begun, commits: Mapping[str, Commit]) -> Iterator[Screen]:
    """Show a bisection while the context is open."""
    screen = Screen(console, begun, commits)
    if not console.is_terminal:
        yield screen
        return
    with Live(screen, console=console, refresh_per_second=4, transient=True):
        yield screen
