"""A line for each thing that a search finds, and one for what is likely now."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from harness.bisect.records import CHECKOUT, Begun, Same, Sample
from harness.bisect.report.ending import STYLES
from harness.bisect.report.facts import SHORT
from harness.bisect.repository import Commit
from harness.bisect.session import SearchProgress
from harness.text import format_duration

__all__ = ["SearchLines"]

SUBJECT = 60
"""Characters of a commit's subject that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchLines:
    """What a running search has to say, in the user's words for both sides.

    Attributes:
        begun: What is looked for.
        commits: The commits by name.
    """

    begun: Begun
    commits: Mapping[str, Commit]

    def format_record(self, record: Sample | Same) -> Text:
        """Return the line of a sample, or of two revisions with the same build."""
        if isinstance(record, Same):
            same = f"  built as {record.first[:SHORT]}"
            return Text.assemble(("same   ", "dim"), self.format_commit(record.second), (same, "dim"))
        old, new = self.begun.verdicts
        word = {old: self.begun.term_old, new: self.begun.term_new}.get(record.verdict, record.verdict.value)
        spent = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in record.seconds.items())
        notes = [record.purpose.value, *([self._name_fresh()] * record.fresh), *(["known"] * record.cached)]
        why = ": ".join(filter(None, (record.reason, record.message)))
        return Text.assemble(
            (f"{word:<7}", STYLES[record.verdict]), self.format_commit(record.revision),
            (f"  {', '.join(notes)}" + (f"; {spent}" if spent else ""), "dim"), f"  {why}" if why else "",
        )  # fmt: skip

    def _name_fresh(self) -> str:
        return "fresh checkout" if self.begun.subject == CHECKOUT else "fresh build"

    def format_commit(self, revision: str) -> str:
        """Return a commit's short name and the beginning of its subject."""
        commit = self.commits.get(revision)
        return f"{revision[:SHORT]} {commit.subject[:SUBJECT] if commit else ''}".rstrip()

    def format_outlook(self, progress: SearchProgress) -> Text:
        """Return how much is left, and what is likeliest."""
        flaky = f", {progress.no_culprit:.0%} none" if progress.no_culprit >= 0.01 else ""  # noqa: PLR2004 - what shows
        return Text(
            f"{progress.stage}: about {progress.tests_left:.0f} tests, {format_duration(progress.seconds_left)} left; "
            f"likeliest {self.format_commit(progress.leader)}, {progress.chance:.0%}{flaky}",
            style="dim",
        )
