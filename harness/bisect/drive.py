"""A bisection from its journal to its reports."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import results
from harness.bisect import report
from harness.bisect.candidates import Candidates
from harness.bisect.estimates import Estimates
from harness.bisect.journal import Journal, JournalState
from harness.bisect.oracle import Oracle
from harness.bisect.outcome import Bisection, make_result
from harness.bisect.records import CHECKOUT, Begun, Ended
from harness.bisect.report import View, make_view
from harness.bisect.session import SPARE, SearchProgress, Session
from harness.bisect.verdicts import Verdicts
from harness.rundir import PAGE, RESULT
from harness.wait import Deadline
from harness.writing import write_text

__all__ = ["Driver", "Files", "show"]


class Files:
    """The reports in a bisection's directory, next to result.json."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.page = directory / PAGE
        """The page for people."""
        self.log = directory / "bisect.log"
        """What `git bisect replay` takes."""
        self.bug_report = directory / "bug-report.md"
        """Markdown to paste."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What a bisection needs to go on.

    Attributes:
        verdicts: Those of earlier bisections, or None.
        jobs: How many samples are taken side by side.
        watch: Called when something has changed.
    """

    journal: Journal[Begun]
    candidates: Candidates
    oracle: Oracle
    verdicts: Verdicts | None
    jobs: int
    watch: Callable[[SearchProgress], None]
    deadline: Deadline

    def run(self) -> tuple[Bisection, View]:
        """Search, prove, and write result.json and the reports; of a bisection that had ended, only the latter.

        Raises:
            AbortError: The user's command ended it.
            InfrastructureError: The journal cannot be written, or git failed.
        """
        state, begin = self.journal.state, time.monotonic()
        before = _sum_seconds(state)
        if state.ended is None:
            session = self._make_session()
            answer = session.run()
            self.journal.write(Ended(answer=answer, seconds=round(before + time.monotonic() - begin, 3)))
        assert state.ended is not None
        directory, ended = self.journal.directory, state.ended
        result = make_result(directory, state, self.candidates, ended.answer, ended.seconds, self.deadline)
        results.write(result, directory / RESULT)
        return result, show(directory, state, self.candidates, result, self.deadline)

    def _make_session(self) -> Session:
        commits, repository, new = (
            self.candidates.between.commits,
            self.candidates.repository,
            self.journal.state.begun.new,
        )
        touched = None if self.journal.state.begun.subject == CHECKOUT else lambda name: len(commits[name].files)
        return Session(
            journal=self.journal,
            search=self.candidates.make_search(self.journal.state.begun),
            oracle=self.oracle,
            revert=lambda culprit: repository.revert(culprit, new, self.deadline),
            estimates=Estimates(self.candidates.searched, touched, self.oracle.list_stored()),
            verdicts=self.verdicts,
            # A command depends on more than can be seen: what an earlier one said counts only if the user says so.
            reuse=not self.journal.state.begun.run or self.journal.state.begun.reuse,
            jobs=self.jobs,
            # A command may use a port or a lock: side by side is only what the user asks for.
            spare=0 if self.journal.state.begun.subject == CHECKOUT else SPARE,
            watch=self.watch,
        )


def show(
    directory: Path, state: JournalState[Begun], candidates: Candidates, result: Bisection | None, deadline: Deadline
) -> View:
    """Write the reports of a bisection, finished or not, and return what they were rendered from."""
    shown = make_view(state, candidates, result, _sum_seconds(state), deadline)
    files = Files(directory)
    write_text(files.page, report.render_page(shown), inside=True)
    write_text(files.log, report.render_git_log(shown), inside=True)
    write_text(files.bug_report, report.render_bug_report(shown), inside=True)
    return shown


def _sum_seconds(state: JournalState[Begun]) -> float:
    """Sum the seconds that all processes of a bisection have worked; a guess for those that did not come to the end."""
    if state.ended is not None:
        return state.ended.seconds
    return sum(sum(result.seconds.values()) for result in state.results)
