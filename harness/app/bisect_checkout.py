"""A bisection of any repository by a command on this computer, without a guest, a cell or a matrix."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness import read_version, rundir
from harness.app.bisect import (
    BisectOptions,
    OpenBisection,
    list_notes,
    open_new,
    resolve_ends,
    resolve_skips,
    sample_once,
)
from harness.app.bisect_setup import BisectContext, check_surroundings, check_timeout, note_surroundings
from harness.app.permissions import check_bisection
from harness.app.settings import show_path
from harness.bisect import journal
from harness.bisect.candidates import read_candidates
from harness.bisect.checkout import CheckoutOracle, clean_trees
from harness.bisect.question import COMMAND_SECONDS, Command
from harness.bisect.records import CHECKOUT, Begun, Sample
from harness.bisect.repository import Repository, open_repository, reopen
from harness.errors import UsageError
from harness.model import Event
from harness.pipeline import RunContext
from harness.wait import Deadline

__all__ = ["begin_checkout_bisection", "resume_checkout_bisection", "sample_checkout"]

ANYWHERE = Path("/")
"""From where the names of a command are looked for that are no names in the checkout: those are absolute."""


@contextmanager
def begin_checkout_bisection(context: BisectContext, options: BisectOptions) -> Iterator[OpenBisection]:
    """Begin a bisection in a directory of its own; what is wrong with it is found before anything is tested.

    Raises:
        UsageError: An option, an end or the command is not right.
        InfrastructureError: The repository cannot be reached, or a directory cannot be written.
    """
    begun, repository = _resolve(context, options)
    with open_new(context, begun, repository, _choose_oracle(context, begun, repository, 1)) as opened:
        yield opened
        _finish(opened)


@contextmanager
def resume_checkout_bisection(
    context: BisectContext, name: str, command: tuple[str, ...], *, accept: bool
) -> Iterator[OpenBisection]:
    """Resume a bisection as it was begun; the arguments, and what is raised, are those of `resume_bisection`."""
    directory = rundir.find_run(context.settings.runs, name, prefix=rundir.BISECTION)
    with journal.resume(directory, Begun) as written:
        begun = written.state.begun
        if begun.subject != CHECKOUT:
            verb = begun.format_words()[1]
            raise UsageError(
                f"The bisection in {show_path(directory)} is of another kind.",
                hint=f"Continue it with `harness {verb} --resume`.",
            )
        repository = reopen(begun.repository, context.store, context.deadline)
        if written.state.ended is None:
            given = _place_words(command, repository, begun, context.deadline)
            check_bisection(begun, given, show_path(directory))
            check_surroundings(begun, context.note, accept=accept, directory=ANYWHERE)
        clean_trees(directory)
        opened = OpenBisection(
            journal=written,
            candidates=read_candidates(begun, repository, context.deadline),
            _context=context,
            _make_oracle=_choose_oracle(context, begun, repository, written.state.asked + 1),
        )
        yield opened
        _finish(opened)


def sample_checkout(context: BisectContext, options: BisectOptions) -> tuple[Sample, Path]:
    """Take one sample of `options.new`, and return it with the directory of its evidence; raise as `sample_revision`."""
    begun, repository = _resolve(context, options)
    sample, evidence = sample_once(context, begun, _choose_oracle(context, begun, repository, 1)(lambda _: None, 1))
    clean_trees(evidence.parents[1])
    return sample, evidence


def _finish(opened: OpenBisection) -> None:
    if opened.journal.state.ended is not None:
        clean_trees(opened.journal.directory)


def _resolve(context: BisectContext, options: BisectOptions) -> tuple[Begun, Repository]:
    """Return what is asked with full names in it, and where they are."""
    deadline = context.deadline
    repository = open_repository(options.repo or ".", context.store, deadline)
    search = options.search
    check_timeout(search)
    ends, notes = resolve_ends(context, repository, options)
    begun = Begun(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        harness=read_version(),
        subject=CHECKOUT,
        repository=repository.address,
        **ends,
        cell="",
        builder="",
        skip=resolve_skips(context, repository, options, ends),
        facts={"kernel": os.uname().release, "architecture": os.uname().machine},
        notes=(*notes, *list_notes(context, repository)),
        **search.model_dump(exclude={"directory", "run", "surroundings"}),
        directory=_find_below(repository),
    )
    run = _place_words(search.run, repository, begun, deadline)
    if os.sep not in run[0] and shutil.which(run[0]) is None:
        raise UsageError(f"The command `{run[0]}` is not there, or may not be executed.")
    update = {"run": run, "surroundings": note_surroundings(run, ANYWHERE)}
    # As with git, they are relative to where the user is.
    paths = tuple(os.path.normpath(os.path.join(begun.directory, path)) for path in search.paths)  # noqa: PTH118 - in a commit
    return begun.model_copy(update={**update, "paths": paths}), repository


def _find_below(repository: Repository) -> str:
    """Return where the command runs in a checkout: where the user is in the repository, or at its top."""
    here, top = Path.cwd().resolve(), Path(repository.address).resolve()
    return str(here.relative_to(top)) if repository.local and here.is_relative_to(top) else ""


def _place_words(words: tuple[str, ...], repository: Repository, begun: Begun, deadline: Deadline) -> tuple[str, ...]:
    """Make the names of the user's own files absolute; what the newer end or HEAD has is taken from each checkout instead.

    Raises:
        UsageError: The command is a file that is nowhere.
    """
    commits = {begun.new, *([repository.resolve("HEAD", deadline)] if repository.local else [])}

    def place(word: str, *, needed: bool) -> str:
        if not word or word.startswith(("-", os.sep)) or (needed and os.sep not in word):
            return word
        tracked = os.path.normpath(os.path.join(begun.directory, word))  # noqa: PTH118 - a name in a commit
        if any(repository.has_file(commit, tracked, deadline) for commit in commits):
            return word
        path = Path.cwd() / word
        if path.exists():
            return str(path)
        if needed:
            raise UsageError(f"The command `{word}` is neither in the repository nor in {Path.cwd()}.")
        return word

    return tuple(place(word, needed=not index) for index, word in enumerate(words))


def _choose_oracle(
    context: BisectContext, begun: Begun, repository: Repository, first: int
) -> Callable[[Callable[[Event], None], int], CheckoutOracle]:
    seconds = begun.timeout or COMMAND_SECONDS
    command = Command(argv=begun.run, environment=dict(os.environ), cwd=ANYWHERE, seconds=seconds, hang=begun.hang)
    return lambda emit, _: CheckoutOracle(
        repository=repository,
        command=command,
        below=begun.directory,
        work=RunContext(store=context.store, emit=emit, deadline=context.deadline),
        numbers=itertools.count(first),
    )
