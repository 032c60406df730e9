"""A bisection of axes as a library call: begun or resumed, searched to the end, and written as reports."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import log, plan, read_version, results, rundir
from harness.app.bisect_setup import (
    CellContext,
    check_surroundings,
    clean_samples,
    list_suites,
    make_oracle,
    make_question,
    note_surroundings,
)
from harness.app.permissions import check_bisection
from harness.app.settings import show_path
from harness.bisect import journal, report
from harness.bisect.axes import list_cells
from harness.bisect.axes_search import AxesBisection, AxesSearch
from harness.bisect.drive import Files
from harness.bisect.journal import Journal
from harness.bisect.records import AxesBegun, Inquiry, Sample
from harness.bisect.subject import CellSubject
from harness.errors import UsageError
from harness.matrix import find
from harness.writing import write_text

__all__ = ["OpenAxesBisection", "begin_axes_bisection", "resume_axes_bisection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAxesBisection:
    """A bisection of axes that this process goes on with."""

    journal: Journal[AxesBegun]
    _context: CellContext

    def run(self, watch: Callable[[Sample], None]) -> tuple[AxesBisection, Files]:
        """Search to the end, and write result.json and the reports.

        Raises:
            AbortError: The user's command ended it.
            InfrastructureError: The journal cannot be written, or nothing can be built.
        """
        begun, directory, project = self.journal.state.begun, self.journal.directory, self._context.project
        log.add_file(directory / rundir.LOG)
        good, bad = (find(project.expansion, name) for name in (begun.good, begun.bad))
        cells, suites = list_cells(good, bad), list_suites(begun)
        subject = CellSubject(
            base=plan.make_plan(good, project.matrix, project.catalog, suites),
            make=lambda name: plan.make_plan(cells[name], project.matrix, project.catalog, suites),
        )
        oracle = make_oracle(self._context, subject, begun)
        result = AxesSearch(journal=self.journal, oracle=oracle, good=good, bad=bad, watch=watch).run()
        files = Files(directory)
        results.write(result, directory / rundir.RESULT)
        write_text(files.page, report.render_axes_page(result), inside=True)
        write_text(files.bug_report, report.render_axes_bug_report(result), inside=True)
        return result, files


@contextmanager
def begin_axes_bisection(context: CellContext, good: str, bad: str, inquiry: Inquiry) -> Iterator[OpenAxesBisection]:
    """Begin a bisection in a directory of its own; raises UsageError for cells or a test that are not right."""
    if len({find(context.project.expansion, name).id for name in (good, bad)}) == 1:
        raise UsageError("The two cells are the same.")
    begun = AxesBegun(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        harness=read_version(),
        good=good,
        bad=bad,
        facts={"host kernel": os.uname().release},
        **inquiry.model_dump(exclude={"directory", "surroundings"}),
        surroundings=note_surroundings(inquiry.run, Path.cwd()),
        directory=str(Path.cwd()),
    )
    make_question(context, begun)  # what is wrong with the test is said before anything begins
    with journal.begin(rundir.make_directory(context.settings.runs, rundir.BISECTION), begun) as written:
        yield OpenAxesBisection(journal=written, _context=context)


@contextmanager
def resume_axes_bisection(
    context: CellContext, name: str, command: tuple[str, ...] = (), *, accept: bool = False
) -> Iterator[OpenAxesBisection]:
    """Resume a bisection of axes; raise as `resume_bisection`."""
    directory = rundir.find_run(context.settings.runs, name, prefix=rundir.BISECTION)
    with journal.resume(directory, AxesBegun) as written:
        if written.state.ended is None:
            check_bisection(written.state.begun, command, show_path(directory))
            check_surroundings(written.state.begun, context.note, accept=accept)
        clean_samples(directory)
        yield OpenAxesBisection(journal=written, _context=context)
