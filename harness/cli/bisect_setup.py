"""From the words of a bisection to what it works with: the cell, the test, the oracle."""

import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore

from rich.console import Console

from harness import plan, toolchain
from harness.app.cases import check_cases
from harness.app.project import Project
from harness.app.settings import Settings
from harness.bisect import releases
from harness.bisect.candidates import Candidates
from harness.bisect.cell import CellOracle
from harness.bisect.priors import is_below
from harness.bisect.question import Cases, Command, Question
from harness.bisect.records import GO, Begun
from harness.bisect.repository import Repository, open_repository
from harness.bisect.subject import GoSubject, RuntimeSubject, Subject, SystemdSubject
from harness.bisect.witness_file import PLUGIN
from harness.cli.output import Format
from harness.errors import UsageError
from harness.matrix import find
from harness.model import Cell, Event
from harness.pipeline import RunContext
from harness.store import Store
from harness.wait import Deadline

__all__ = ["SYSTEMD", "Place", "cell_of", "note_paths", "oracle_of", "question", "repository_of"]

SYSTEMD = "systemd"

QUICK = "quick"
"""The profile whose first cell is taken where the user names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What every step of the verbs needs.

    Attributes:
        chosen: What the user set for the whole program.
        here: The project.
        store: Where artifacts are kept.
        deadline: End of everything.
        form: How results are printed.
        console: Where a person looks.
    """

    chosen: Settings
    here: Project
    store: Store
    deadline: Deadline
    form: Format
    console: Console


def cell_of(here: Project, text: str | None, subject: str) -> tuple[Cell, str]:
    """The cell in which a bisection happens, and why it is this one.

    Args:
        here: The project.
        text: An identifier or an expression, or None.
        subject: "systemd" or "runtime".

    Raises:
        UsageError: There is no such cell.
        NothingRanError: No cell fits.
    """
    if text is not None:
        if text in here.expansion.by_id or not re.search(r"[<>=!\s]", text):
            return find(here.expansion, text), "as named"
        return here.choose(profile=None, select=[text]).cells[0], f"the first for which {text}"
    quick = here.choose(profile=QUICK, select=()).cells[0]
    if subject != SYSTEMD:
        return quick, f"the first of the profile {QUICK}; --cell names another"
    wanted = (quick.distro, quick.channel, quick.cgroup, "nspawn")
    for cell in here.expansion.by_id.values():
        if (cell.distro, cell.channel, cell.cgroup, cell.runtime) == wanted and not cell.systemd_built:
            return cell, f"as the profile {QUICK}, with systemd's own runtime; --cell names another"
    return quick, f"the first of the profile {QUICK}; --cell names another"


def repository_of(place: Place, subject: str, cell: Cell, address: str | None) -> Repository:
    """The repository with the revisions: at the address that the user named, or that is known to have the subject's code.

    Raises:
        UsageError: None is known, or there is none at the address.
    """
    here = place.here
    if subject == GO:
        if address is not None:
            raise UsageError("The releases of Go are known; bisect-go takes no --repo.")
        versions = toolchain.list_versions(here.catalog.toolchains[GO], place.store, place.deadline)
        return releases.make_repository(GO, versions, place.store, place.deadline)
    return open_repository(address or _known(here, subject, cell), place.store, place.deadline)


def _known(here: Project, subject: str, cell: Cell) -> str:
    name = SYSTEMD if subject == SYSTEMD else cell.runtime
    known = here.matrix.list_component_sources(name, here.catalog)
    address = next((source.git for source in known if source.git), None)
    if address is None:
        raise UsageError(f"No git repository of {name} is known; name one with --repo.")
    return address


def oracle_of(
    place: Place, begun: Begun, repository: Repository, emit: Callable[[Event], None], jobs: int = 1
) -> CellOracle:
    """What takes the samples, and builds for half of so many at a time: a guest has one processor, and a build all.

    Raises:
        UsageError: The test, its command or its pattern is not there or not right.
    """
    check_cases((*begun.tests, *((begun.canary,) if begun.canary else ())), place.here, place.chosen)
    suites = tuple(dict.fromkeys(case.partition("/")[0] for case in (*begun.tests, begun.canary or "") if case))
    base = plan.make_plan(find(place.here.expansion, begun.cell), place.here.matrix, place.here.catalog, suites)
    subject: Subject
    match begun.subject:
        case "systemd":
            subject = SystemdSubject(repository=repository, base=base, catalog=place.here.catalog)
        case "go":
            subject = GoSubject(repository=repository, base=base)
        case _:
            subject = RuntimeSubject(repository=repository, base=base)
    return CellOracle(
        subject=subject,
        question=question(
            begun.tests, begun.run, canary=begun.canary, matching=begun.matching, directory=begun.directory
        ),
        work=RunContext(store=place.store, emit=emit, deadline=place.deadline, arguments=PLUGIN),
        boot_failure=begun.boot_failure,
        builds=Semaphore(max(1, jobs // 2)),
    )


def question(
    tests: tuple[str, ...],
    command: tuple[str, ...],
    *,
    canary: str | None = None,
    matching: str | None = None,
    directory: str = "",
) -> Question:
    """What is asked: cases, or a command if there are none.

    Args:
        tests: Node ids of cases, or none.
        command: Words of a command, or none.
        canary: Node id of the case that has to pass too, or None.
        matching: Regular expression that a failure has to match, or None.
        directory: Where the command runs; the working directory if empty.

    Raises:
        UsageError: Something is not there, or not right.
    """
    if tests:
        return Cases(tests=tests, canary=canary, matching=_pattern(matching))
    if canary or matching:
        raise UsageError("--canary and --matching belong to --test; a command decides itself, with its exit status.")
    place = Path.cwd() / directory
    if not place.is_dir():
        raise UsageError(
            f"The directory {place} is not there any more; the command `{shlex.join(command)}` runs in it.",
            hint="Put it back, or begin a new bisection.",
        )
    # A name with a slash is looked for from the directory in which it will run, and not from where we are.
    if not command or shutil.which(str(place / command[0]) if os.sep in command[0] else command[0]) is None:
        raise UsageError(f"The command `{shlex.join(command)}` is not there, or may not be executed.")
    return Command(argv=command, environment=dict(os.environ), cwd=place)


def note_paths(place: Place, begun: Begun, candidates: Candidates) -> None:
    """Print a note for each path that the user named and no commit between the ends touches: it is probably misspelt."""
    files = {file for name in candidates.between.history.commits for file in candidates.between.commits[name].files}
    for path in begun.paths:
        if not any(is_below(file, path) for file in files):
            place.console.print(
                f"note: No commit between {begun.old_name} and {begun.new_name} touches `{path}`; all are searched.",
                soft_wrap=True,
                markup=False,
            )


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise UsageError(f"`{text}` is no regular expression: {error}.") from error
