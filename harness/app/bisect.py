"""A bisection as a library call: from what a user asks to a search that is begun or resumed, or to one sample."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness import log, plan, read_version, rundir, toolchain
from harness.app.bisect_setup import BisectContext, clean_samples, list_suites, make_oracle, make_question
from harness.app.permissions import check_bisection
from harness.app.project import Project
from harness.app.settings import show_path
from harness.app.sources import change_project
from harness.bisect import journal, releases
from harness.bisect.candidates import Candidates, read_candidates
from harness.bisect.drive import Driver
from harness.bisect.journal import Journal
from harness.bisect.outcome import Bisection
from harness.bisect.priors import is_below
from harness.bisect.records import GO, SYSTEMD, Asked, Begun, Sample, SearchOptions
from harness.bisect.report import View
from harness.bisect.repository import Repository, open_repository, reopen
from harness.bisect.session import SearchProgress
from harness.bisect.subject import GoSubject, RuntimeSubject, Subject, SystemdSubject
from harness.bisect.terms import Purpose
from harness.bisect.verdicts import Verdicts
from harness.errors import UsageError
from harness.matrix import find
from harness.model import Cell, Event

__all__ = ["BisectOptions", "OpenBisection", "begin_bisection", "resume_bisection", "sample_revision"]

QUICK = "quick"
"""The profile whose first cell is taken where the user names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectOptions:
    """What a user asks.

    Attributes:
        subject: "systemd", "go", or "runtime" for that of the cell.
        old: The older end as the user wrote it.
        new: The newer end as the user wrote it.
        repo: Path or address of the repository, or None for the one that is known.
        cell: Identifier of a cell, or an expression, or None.
        skip: Revisions that are known to be broken.
    """

    subject: str
    old: str
    new: str
    repo: str | None = None
    cell: str | None = None
    skip: tuple[str, ...] = ()
    search: SearchOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBisection:
    """A bisection that this process goes on with."""

    journal: Journal[Begun]
    candidates: Candidates
    _context: BisectContext
    _subject: Subject

    def run(
        self, jobs: int, emit: Callable[[Event], None], watch: Callable[[SearchProgress], None]
    ) -> tuple[Bisection, View]:
        """Search to the end and write the reports.

        Raises:
            UsageError: Its test is not there any more.
            AbortError: The user's command ended it.
            InfrastructureError: The journal cannot be written, git failed, or nothing can be built.
        """
        log.add_file(self.journal.directory / rundir.LOG)
        driver = Driver(
            journal=self.journal,
            candidates=self.candidates,
            oracle=make_oracle(self._context, self._subject, self.journal.state.begun, emit, jobs=jobs),
            verdicts=Verdicts(self._context.store),
            jobs=jobs,
            watch=watch,
            deadline=self._context.deadline,
        )
        return driver.run()


@contextmanager
def begin_bisection(context: BisectContext, options: BisectOptions) -> Iterator[OpenBisection]:
    """Begin a bisection in a directory of its own; what is wrong with it is found before anything is tested.

    Raises:
        UsageError: An option, an end, the cell or the test is not right.
        InfrastructureError: The repository cannot be reached, or a directory cannot be written.
    """
    begun, repository = _resolve(context, options)
    subject = _make_subject(context, begun, repository)
    candidates = read_candidates(begun, repository, context.deadline)
    _note_paths(context, begun, candidates)
    candidates.check(begun)
    directory = rundir.make_directory(context.settings.runs, rundir.BISECTION)
    with journal.begin(directory, begun) as written:
        yield OpenBisection(journal=written, candidates=candidates, _context=context, _subject=subject)


@contextmanager
def resume_bisection(context: BisectContext, name: str, command: tuple[str, ...] = ()) -> Iterator[OpenBisection]:
    """Resume a bisection as it was begun.

    `name` is its directory, or "last"; the project is taken as it is, but for the builder. `command` is the one that
    decides, which the journal alone may not name.

    Raises:
        UsageError: There is no such bisection, or another process is at it; or it asks by a command, or builds on this
            computer, and the command line did not say so again.
        InfrastructureError: Its journal is damaged, or the repository cannot be reached.
    """
    directory = rundir.find_run(context.settings.runs, name, prefix=rundir.BISECTION)
    with journal.resume(directory, Begun) as written:
        clean_samples(directory)
        begun = written.state.begun
        if written.state.ended is None:
            builder = context.project.matrix.defaults.builder
            check_bisection(begun, command, show_path(directory), built=begun.builder, builder=builder)
        repository = reopen(begun.repository, context.store, context.deadline)
        subject = _make_subject(context, begun, repository)
        candidates = read_candidates(begun, repository, context.deadline)
        yield OpenBisection(journal=written, candidates=candidates, _context=context, _subject=subject)


def sample_revision(context: BisectContext, options: BisectOptions) -> tuple[Sample, Path]:
    """Take one sample of `options.new`, and return it with the directory of its evidence.

    Raises:
        UsageError: An option, the cell or the test is not right.
        InfrastructureError: Nothing can be built.
        AbortError: The user's command ended with a status that ends a bisection.
    """
    begun, repository = _resolve(context, options)
    oracle = make_oracle(context, _make_subject(context, begun, repository), begun)
    directory = rundir.make_directory(context.settings.runs, rundir.BISECTION)
    asked = Asked(number=1, revision=begun.new, purpose=Purpose.SEARCH)
    sample = oracle.take(asked, directory, lambda _: None)
    assert isinstance(sample, Sample)  # nothing is known that could stand for it
    return sample, directory / sample.evidence


def _resolve(context: BisectContext, options: BisectOptions) -> tuple[Begun, Repository]:
    """Return what is asked with full names in it, and where they are."""
    cell, why = _choose_cell(context.project, options.cell, options.subject)
    repository = _find_repository(context, options.subject, cell, options.repo)
    deadline = context.deadline
    begun = Begun(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        harness=read_version(),
        subject=cell.runtime if options.subject not in {SYSTEMD, GO} else options.subject,
        repository=repository.address,
        old=repository.resolve(options.old, deadline),
        new=repository.resolve(options.new, deadline),
        old_name=options.old,
        new_name=options.new,
        cell=cell.id,
        builder=context.project.matrix.defaults.builder,
        skip=tuple(dict.fromkeys(repository.resolve(name, deadline) for name in options.skip)),
        facts={"host kernel": os.uname().release},
        notes=_list_notes(context, repository),
        **options.search.model_dump(exclude={"directory"}),
        directory=str(Path.cwd()),
    )
    context.note(f"cell: {cell.id} ({why})")
    make_question(context, begun)  # what is wrong with the test is said before anything begins
    return begun, repository


def _make_subject(context: BisectContext, begun: Begun, repository: Repository) -> Subject:
    project = change_project(context.project, builder=begun.builder)
    base = plan.make_plan(find(project.expansion, begun.cell), project.matrix, project.catalog, list_suites(begun))
    if begun.subject == SYSTEMD:
        return SystemdSubject(repository=repository, base=base, catalog=project.catalog)
    return (GoSubject if begun.subject == GO else RuntimeSubject)(repository=repository, base=base)


def _choose_cell(project: Project, text: str | None, subject: str) -> tuple[Cell, str]:
    """Return the cell in which a bisection happens, and why it is this one; raises UsageError where there is none."""
    if text is not None:
        if text in project.expansion.by_id or not re.search(r"[<>=!\s]", text):
            return find(project.expansion, text), "as named"
        return project.choose(profile=None, select=[text]).cells[0], f"the first for which {text}"
    quick = project.choose(profile=QUICK, select=()).cells[0]
    if subject != SYSTEMD:
        return quick, f"the first of the profile {QUICK}; --cell names another"
    wanted = (quick.distro, quick.channel, quick.cgroup, "nspawn")
    for cell in project.expansion.by_id.values():
        if (cell.distro, cell.channel, cell.cgroup, cell.runtime) == wanted and not cell.systemd_built:
            return cell, f"as the profile {QUICK}, with systemd's own runtime; --cell names another"
    return quick, f"the first of the profile {QUICK}; --cell names another"


def _find_repository(context: BisectContext, subject: str, cell: Cell, address: str | None) -> Repository:
    """Return the repository at the address that the user named, or the one that is known to have the subject's code.

    Raises:
        UsageError: None is known, or there is none at the address.
    """
    project = context.project
    if subject == GO:
        if address is not None:
            raise UsageError("The releases of Go are known; bisect-go takes no --repo.")
        versions = toolchain.list_versions(project.catalog.toolchains[GO], context.store, context.deadline)
        return releases.make_repository(GO, versions, context.store, context.deadline)
    name = SYSTEMD if subject == SYSTEMD else cell.runtime
    known = project.matrix.list_component_sources(name, project.catalog)
    address = address or next((source.git for source in known if source.git), None)
    if address is None:
        raise UsageError(f"No git repository of {name} is known; name one with --repo.")
    return open_repository(address, context.store, context.deadline)


def _list_notes(context: BisectContext, repository: Repository) -> tuple[str, ...]:
    """Return what the answer does not cover, and show it."""
    if not repository.is_dirty(context.deadline):
        return ()
    note = f"The repository {repository.address} has changes that are not committed; they are not tested."
    context.note(f"note: {note}")
    return (note,)


def _note_paths(context: BisectContext, begun: Begun, candidates: Candidates) -> None:
    """Show each path that the user named and no commit between the ends touches: it is probably misspelt."""
    files = {file for name in candidates.between.history.commits for file in candidates.between.commits[name].files}
    for path in begun.paths:
        if not any(is_below(file, path) for file in files):
            ends = f"{begun.old_name} and {begun.new_name}"
            context.note(f"note: No commit between {ends} touches `{path}`; all are searched.")
