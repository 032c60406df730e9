"""A bisection as a library call: from what a user asks to a search that is begun or resumed, or to one sample."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import log, plan, read_version, rundir, toolchain
from harness.app.bisect_setup import (
    BisectContext,
    CellContext,
    check_surroundings,
    clean_samples,
    list_suites,
    make_oracle,
    make_question,
    note_surroundings,
)
from harness.app.permissions import check_bisection
from harness.app.project import Project
from harness.app.settings import show_path
from harness.app.sources import change_project
from harness.bisect import journal, releases
from harness.bisect.candidates import Candidates, read_candidates
from harness.bisect.drive import Driver
from harness.bisect.journal import Journal
from harness.bisect.local_repository import list_oddities
from harness.bisect.oracle import Oracle
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

__all__ = [
    "BisectOptions", "OpenBisection", "begin_bisection", "list_notes", "note_paths", "open_new", "resolve_ends",
    "resolve_skips", "resume_bisection", "sample_once", "sample_revision",
]  # fmt: skip

MakeOracle = Callable[[Callable[[Event], None], int], Oracle]
"""Makes what takes the samples, from what receives events and the number that are taken side by side."""

QUICK = "quick"
"""The profile whose first cell is taken where the user names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectOptions:
    """What a user asks.

    Attributes:
        subject: "systemd", "go", or "runtime" for that of the cell.
        olds: The older end as the user wrote it, and further revisions on its side.
        new: The newer end as the user wrote it.
        repo: Path or address of the repository, or None for the one that is known.
        cell: Identifier of a cell, or an expression, or None.
        skip: Revisions that are known to be broken.
    """

    subject: str
    olds: tuple[str, ...]
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
    _make_oracle: MakeOracle

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
            oracle=self._make_oracle(emit, jobs),
            verdicts=Verdicts(self._context.store),
            jobs=jobs,
            watch=watch,
            deadline=self._context.deadline,
        )
        return driver.run()


@contextmanager
def begin_bisection(context: CellContext, options: BisectOptions) -> Iterator[OpenBisection]:
    """Begin a bisection in a directory of its own; what is wrong with it is found before anything is tested.

    Raises:
        UsageError: An option, an end, the cell or the test is not right.
        InfrastructureError: The repository cannot be reached, or a directory cannot be written.
    """
    begun, repository = _resolve(context, options)
    with open_new(context, begun, repository, _choose_oracle(context, begun, repository)) as opened:
        yield opened


@contextmanager
def open_new(context: BisectContext, begun: Begun, repository: Repository, make: MakeOracle) -> Iterator[OpenBisection]:
    """Begin the bisection of what is asked, with full names in it; raise as `begin_bisection`."""
    candidates = read_candidates(begun, repository, context.deadline)
    note_paths(context, begun, candidates)
    candidates.check(begun)
    directory = rundir.make_directory(context.settings.runs, rundir.BISECTION)
    with journal.begin(directory, begun) as written:
        yield OpenBisection(journal=written, candidates=candidates, _context=context, _make_oracle=make)


@contextmanager
def resume_bisection(
    context: CellContext, name: str, command: tuple[str, ...] = (), *, accept: bool = False
) -> Iterator[OpenBisection]:
    """Resume a bisection as it was begun.

    `name` is its directory, or "last"; the project is taken as it is, but for the builder. `command` is the one that
    decides, which the journal alone may not name; `accept` takes it although what it finds around it has changed.

    Raises:
        UsageError: There is no such bisection, or another process is at it; or it asks by a command, or builds on this
            computer, and the command line did not say so again; or it would ask something else now.
        InfrastructureError: Its journal is damaged, or the repository cannot be reached.
    """
    directory = rundir.find_run(context.settings.runs, name, prefix=rundir.BISECTION)
    with journal.resume(directory, Begun) as written:
        clean_samples(directory)
        begun = written.state.begun
        if written.state.ended is None:
            builder = context.project.matrix.defaults.builder
            check_bisection(begun, command, show_path(directory), built=begun.builder, builder=builder)
            check_surroundings(begun, context.note, accept=accept)
        repository = reopen(begun.repository, context.store, context.deadline)
        candidates = read_candidates(begun, repository, context.deadline)
        make = _choose_oracle(context, begun, repository)
        yield OpenBisection(journal=written, candidates=candidates, _context=context, _make_oracle=make)


def sample_revision(context: CellContext, options: BisectOptions) -> tuple[Sample, Path]:
    """Take one sample of `options.new`, and return it with the directory of its evidence.

    Raises:
        UsageError: An option, the cell or the test is not right.
        InfrastructureError: Nothing can be built.
        AbortError: The user's command ended with a status that ends a bisection.
    """
    begun, repository = _resolve(context, options)
    return sample_once(context, begun, _choose_oracle(context, begun, repository)(lambda _: None, 1))


def sample_once(context: BisectContext, begun: Begun, oracle: Oracle) -> tuple[Sample, Path]:
    """Take one sample of the newer end, and return it with the directory of its evidence; raise as `sample_revision`."""
    directory = rundir.make_directory(context.settings.runs, rundir.BISECTION)
    asked = Asked(number=1, revision=begun.new, purpose=Purpose.SEARCH)
    sample = oracle.take(asked, directory, lambda _: None)
    assert isinstance(sample, Sample)  # nothing is known that could stand for it
    return sample, directory / sample.evidence


def _choose_oracle(context: CellContext, begun: Begun, repository: Repository) -> MakeOracle:
    subject = _make_subject(context, begun, repository)
    return lambda emit, jobs: make_oracle(context, subject, begun, emit, jobs=jobs, mirror=repository.mirror)


def _resolve(context: CellContext, options: BisectOptions) -> tuple[Begun, Repository]:
    """Return what is asked with full names in it, and where they are."""
    cell, why = _choose_cell(context.project, options.cell, options.subject)
    repository = _find_repository(context, options.subject, cell, options.repo)
    ends, notes = resolve_ends(context, repository, options)
    begun = Begun(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        harness=read_version(),
        subject=cell.runtime if options.subject not in {SYSTEMD, GO} else options.subject,
        repository=repository.address,
        **ends,
        cell=cell.id,
        builder=context.project.matrix.defaults.builder,
        skip=resolve_skips(context, repository, options, ends),
        facts={"host kernel": os.uname().release},
        notes=(*notes, *list_notes(context, repository)),
        **options.search.model_dump(exclude={"directory", "surroundings"}),
        surroundings=note_surroundings(options.search.run, Path.cwd()),
        directory=str(Path.cwd()),
    )
    context.note(f"cell: {cell.id} ({why})")
    make_question(context, begun)  # what is wrong with the test is said before anything begins
    return begun, repository


def resolve_ends(
    context: BisectContext, repository: Repository, options: BisectOptions
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields of `Begun` that name both ends, and what there is to note about them.

    An older end that is no ancestor of the newer one, such as a release of a branch, is replaced by where the two part,
    which is tested as the end, as git does. Of several, the one that leaves the fewest commits is the end.

    Raises:
        UsageError: A revision means no commit, or an older end is newer than the newer one.
    """
    deadline = context.deadline
    new = repository.resolve(options.new, deadline)
    named = {name: repository.resolve(name, deadline) for name in options.olds}
    # For --at, the one revision is both ends, and nothing is searched.
    bases = {name: repository.find_bases(old, new, deadline) if old != new or len(named) > 1 else (old,)
             for name, old in named.items()}  # fmt: skip
    notes = [
        f"{name} is not an ancestor of {options.new}, so the search starts where the two diverge, at {', '.join(base[:12] for base in found)}."
        for name, found in bases.items()
        if found != (named[name],)
    ]
    for note in notes:
        context.note(f"note: {note}")
    ends = list(dict.fromkeys(base for found in bases.values() for base in found))
    old = min(ends, key=lambda end: repository.count_between(end, new, deadline)) if len(ends) > 1 else ends[0]
    first = next(name for name, found in bases.items() if old in found)
    others = dict.fromkeys([*ends, *named.values()])
    return {
        "old": old,
        "new": new,
        "old_name": first,
        "parted": bases[first] != (named[first],),
        "new_name": options.new,
        "others": tuple(name for name in others if name != old),
        "other_names": tuple(name for name in named if name != first),
    }, tuple(notes)


def resolve_skips(
    context: BisectContext, repository: Repository, options: BisectOptions, ends: dict[str, Any]
) -> tuple[str, ...]:
    """Return the full names of what --skip names, of a range what lies between the ends.

    Raises:
        UsageError: A revision means no commit.
    """
    within = (ends["new"], *(f"^{name}" for name in (ends["old"], *ends["others"])))
    found: dict[str, None] = {}
    for name in options.skip:
        if ".." in name:
            found.update(dict.fromkeys(repository.resolve_range(name, within, context.deadline)))
        else:
            found[repository.resolve(name, context.deadline)] = None
    return tuple(found)


def _make_subject(context: CellContext, begun: Begun, repository: Repository) -> Subject:
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


def _find_repository(context: CellContext, subject: str, cell: Cell, address: str | None) -> Repository:
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


def list_notes(context: BisectContext, repository: Repository) -> tuple[str, ...]:
    """Return what the answer does not cover, and show it."""
    notes = list(list_oddities(repository.address, context.deadline)) if repository.local else []
    if repository.is_dirty(context.deadline):
        notes.append(f"The repository {repository.address} has changes that are not committed; they are not tested.")
    for note in notes:
        context.note(f"note: {note}")
    return tuple(notes)


def note_paths(context: BisectContext, begun: Begun, candidates: Candidates) -> None:
    """Show each path that the user named and no commit between the ends touches: it is probably misspelt."""
    files = {file for name in candidates.between.history.commits for file in candidates.between.commits[name].files}
    for path in begun.paths:
        if not any(is_below(file, path) for file in files):
            ends = f"{begun.old_name} and {begun.new_name}"
            context.note(f"note: No commit between {ends} touches `{path}`; all are searched.")
