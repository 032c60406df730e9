"""What bisections of commits and of axes have in common: the cell, the test, and what takes the samples."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore

from harness import machine
from harness.app.cases import check_cases
from harness.app.project import Project, load_project
from harness.app.settings import Settings
from harness.app.sources import change_project
from harness.bisect.cell import CellOracle
from harness.bisect.oracle import SAMPLES
from harness.bisect.question import COMMAND_SECONDS, Cases, Command, Question
from harness.bisect.records import Inquiry
from harness.bisect.subject import Subject
from harness.bisect.surroundings import Surroundings, read_surroundings
from harness.bisect.witness_file import PLUGIN
from harness.errors import UsageError
from harness.model import Event
from harness.pipeline import RunContext
from harness.selection.names import check_pattern
from harness.store import Store
from harness.wait import Deadline
from harness.yamlerror import TextError

__all__ = [
    "BisectContext", "CellContext", "check_surroundings", "check_timeout", "clean_samples", "list_suites", "make_command", "make_context",
    "make_oracle", "make_plain_context", "make_question", "note_surroundings", "split_command",
]  # fmt: skip

MOST_CHANGES = 5
"""Changes around a command that a message lists."""

SECONDS = 7 * 24 * 3600.0
"""A bisection that takes longer than a week is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectContext:
    """What every step of a bisection needs.

    Attributes:
        note: Receives what the user should know before the search begins, a sentence or a line.
    """

    settings: Settings
    store: Store
    deadline: Deadline
    note: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellContext(BisectContext):
    """What every step of a bisection needs that asks in the guests of a cell."""

    project: Project


def make_plain_context(settings: Settings, note: Callable[[str], None]) -> BisectContext:
    """Return what every step of a bisection without guests needs."""
    deadline = settings.make_deadline(SECONDS, "bisection")
    return BisectContext(settings=settings, store=Store(settings.store), deadline=deadline, note=note)


def make_context(settings: Settings, builder: str | None, note: Callable[[str], None]) -> CellContext:
    """Return what every step needs; where a builder is named it builds, and not the matrix's.

    Raises:
        ConfigError: One of the project's files is wrong.
        UsageError: There is no such builder.
    """
    return CellContext(
        settings=settings,
        project=change_project(load_project(settings), builder=builder),
        store=Store(settings.store),
        deadline=settings.make_deadline(SECONDS, "bisection"),
        note=note,
    )


def note_surroundings(run: Sequence[str], directory: Path) -> Surroundings | None:
    """Read what the command that decides finds around it now; None where cases decide."""
    return read_surroundings(run, os.environ, directory) if run else None


def check_surroundings(
    inquiry: Inquiry, note: Callable[[str], None], *, accept: bool, directory: Path | None = None
) -> None:
    """Compare what the command that decides finds around it now with what it found when the bisection was begun.

    `directory` is where its relative names are looked for; where it runs if None.

    Raises:
        UsageError: Something is gone or has changed, and that was not accepted.
    """
    before = inquiry.surroundings
    if before is None or not inquiry.run:
        return
    now = read_surroundings(inquiry.run, os.environ, directory or Path(inquiry.directory), salt=before.salt)
    changes = before.list_changes(now)
    if not changes:
        return
    more = f", and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
    sentence = f"The command `{inquiry.test}` may not ask the same question as before: {', '.join(changes[:MOST_CHANGES])}{more}"
    if not accept:
        raise UsageError(
            f"{sentence}.",
            hint="Put it back as it was, begin a new bisection, or add --accept-changes if it makes no difference.",
        )
    note(f"note: {sentence}; accepted.")


def clean_samples(directory: Path) -> None:
    """End the guests that a dead harness left in a bisection; the caller holds its journal, so they are nobody else's."""
    for left in directory.glob(f"{SAMPLES}/*/machine*"):
        machine.clean(left)


def list_suites(inquiry: Inquiry) -> tuple[str, ...]:
    """Return the suites of the cases that run, each once."""
    return tuple(dict.fromkeys(case.partition("/")[0] for case in inquiry.cases))


def make_oracle(
    context: CellContext,
    subject: Subject,
    inquiry: Inquiry,
    emit: Callable[[Event], None] = lambda _: None,
    *,
    jobs: int = 1,
    mirror: Path | None = None,
) -> CellOracle:
    """Return what takes the samples; it builds for half of `jobs` at a time: a guest has one processor, a build takes all.

    `mirror` is the bare repository with the commits that are sampled.

    Raises:
        UsageError: What is asked is not there, or not right.
    """
    return CellOracle(
        subject=subject,
        question=make_question(context, inquiry, mirror),
        work=RunContext(store=context.store, emit=emit, deadline=context.deadline, arguments=PLUGIN),
        boot_failure=inquiry.boot_failure,
        pid1_crash=inquiry.pid1_crash,
        builds=Semaphore(max(1, jobs // 2)),
    )


def make_question(context: CellContext, inquiry: Inquiry, mirror: Path | None = None) -> Question:
    """Return what is asked: cases, or a command; raises UsageError if something is not there, or not right."""
    if bool(inquiry.tests) == bool(inquiry.run):
        raise UsageError("Say what decides: either --test NODEID or --run COMMAND.")
    if inquiry.tests:
        check_cases(inquiry.cases, context.project, context.settings)
        return Cases(tests=inquiry.tests, canary=inquiry.canary, matching=_compile(inquiry.matching))
    if inquiry.canary or inquiry.matching:
        raise UsageError("--canary and --matching belong to --test; a command decides itself, with its exit status.")
    check_timeout(inquiry)
    return make_command(inquiry, mirror)


def check_timeout(inquiry: Inquiry) -> None:
    """Raise UsageError for a time limit of a command that is none."""
    if inquiry.timeout is not None and not 0 < inquiry.timeout <= SECONDS:
        raise UsageError(f"--timeout takes seconds, more than 0 and at most {SECONDS:.0f}, not {inquiry.timeout:g}.")


def make_command(inquiry: Inquiry, mirror: Path | None = None) -> Command:
    """Return the command that decides; raises UsageError if it, or the directory in which it runs, is gone.

    It finds a mirror, which has commits that the user's repository has not, in HARNESS_REPOSITORY.
    """
    command, place = inquiry.run, Path.cwd() / inquiry.directory
    if not place.is_dir():
        raise UsageError(
            f"The directory {place} no longer exists; the command `{inquiry.test}` runs in it.",
            hint="Put it back, or begin a new bisection.",
        )
    # A name with a slash is looked for from the directory in which it will run, and not from where we are.
    if shutil.which(str(place / command[0]) if os.sep in command[0] else command[0]) is None:
        raise UsageError(f"The command `{inquiry.test}` is not there, or may not be executed.")
    found = {"HARNESS_REPOSITORY": str(mirror)} if mirror else {}
    seconds = inquiry.timeout or COMMAND_SECONDS
    return Command(argv=command, environment={**os.environ, **found}, cwd=place, seconds=seconds, hang=inquiry.hang)


def _compile(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(check_pattern(pattern)) if pattern else None
    except TextError as error:
        raise UsageError(f"--matching `{pattern[:80] if pattern else ''}` cannot be used: {error}.") from error


def split_command(command: str | None) -> tuple[str, ...]:
    """Return the words of --run, none for None; raises UsageError where a shell could not read them."""
    try:
        return tuple(shlex.split(command or ""))
    except ValueError as error:
        raise UsageError(
            f"The command `{command}` of --run cannot be read: {str(error)[:1].lower()}{str(error)[1:]}.",
            hint="It is split into words as a shell does it: quotation marks come in pairs, or have a backslash before them.",
        ) from error
