"""`harness bisect-systemd` and `harness bisect-runtime`: which commit changed what a test says."""

import os
import shlex
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from harness import log, machine
from harness.bisect import journal
from harness.bisect.drive import Driver, Files
from harness.bisect.engine import Goal, Noise
from harness.bisect.journal import Journal
from harness.bisect.known import Known, know
from harness.bisect.oracle import Sample
from harness.bisect.outcome import Bisection
from harness.bisect.records import CONFIDENCE, TERMS, VERBS, Begun
from harness.bisect.repository import Repository, reopen
from harness.bisect.session import SAMPLES
from harness.bisect.verdicts import Verdicts
from harness.cli import output, project, settings
from harness.cli.bisect_progress import watching
from harness.cli.bisect_setup import Place, cell_of, oracle_of, repository_of
from harness.cli.output import Format, FormatOption
from harness.cli.settings import Settings
from harness.errors import ExitCode, HarnessError, UsageError
from harness.model import Verdict
from harness.report import bisection
from harness.report.bisection import View
from harness.store import Store

__all__ = ["RunOption", "TestOption", "new_directory", "place_of", "register"]

SECONDS = 7 * 24 * 3600.0
"""A bisection that takes longer than a week is stuck."""

WIDTH = 160
"""Columns where no terminal says how wide it is."""

DISTRIBUTION = "rkt-upgrade-harness"
PREFIX = "bisect-"
"""How the names of the directories begin."""

CODES = {Verdict.GOOD: ExitCode.OK, Verdict.BAD: ExitCode.FAILED, Verdict.SKIP: ExitCode.INFRASTRUCTURE}
"""What `--at` ends with."""

GoodOption = Annotated[str | None, typer.Option("--good", metavar="REV", help="A revision where the test passes.")]
BadOption = Annotated[str | None, typer.Option("--bad", metavar="REV", help="A revision where the test fails.")]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="REV", help="Do not search: say whether this one revision is good or bad.")
]
RepoOption = Annotated[
    str | None,
    typer.Option("--repo", metavar="PATH|URL", help="The repository; it is only read. The upstream without it."),
]
CellOption = Annotated[
    str | None, typer.Option("--cell", metavar="ID|EXPRESSION", help="In which guest; the first cell that fits.")
]
TestOption = Annotated[
    list[str] | None,
    typer.Option(
        "--test", metavar="NODEID", help="A case that decides: cgroup/test_places.py::test_x; may be repeated."
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="COMMAND",
        help="A command on this computer that decides: 0 good, 125 skip, others to 127 bad, above abort. It finds the guest "
        "by HARNESS_SSH_CONFIG and HARNESS_GUEST, and the commit in HARNESS_REVISION.",
    ),
]
FixOption = Annotated[
    bool, typer.Option("--find-fix", help="Look for the commit that fixed it: --bad is then older than --good.")
]
CanaryOption = Annotated[
    str | None,
    typer.Option("--canary", metavar="NODEID", help="A case that passes at every revision, or the sample is void."),
]
MatchingOption = Annotated[
    str | None, typer.Option("--matching", metavar="REGEX", help="Other failures than those with this text are a skip.")
]
BootOption = Annotated[
    Literal["bad", "skip"],
    typer.Option("--boot-failure", metavar="bad|skip", help="What a revision is whose guest does not boot."),
]
NoiseOption = Annotated[
    Noise, typer.Option("--noise", metavar="none|low|learn", help="How far a single result of the test is believed.")
]
ConfidenceOption = Annotated[float, typer.Option("--confidence", help="Probability at which the search stops.")]
MostOption = Annotated[int | None, typer.Option("--most-tests", min=1, help="Give up after so many samples.")]
JOBS = min(2, os.cpu_count() or 1)
"""A guest has one processor; more samples at a time than two tell less each than they cost in builds."""

JobsOption = Annotated[
    int,
    typer.Option(
        "-j", "--jobs", min=1, help="Samples chosen at a time; two without it, where there are two processors."
    ),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with the bisection in DIRECTORY; the last one without it.")
]
PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DIRECTORY | -- PATHS]", help="Where the culprit probably is; or what --resume goes on with."
    ),
]
BuilderOption = Annotated[
    str | None, typer.Option("--builder", metavar="docker|host", help="Where is built, in place of the matrix's word.")
]
FirstParentOption = Annotated[
    bool, typer.Option("--first-parent", help="Only first parents: do not descend into what a merge brought in.")
]
TermOldOption = Annotated[str | None, typer.Option("--term-old", metavar="WORD", help="Word for the older side.")]
TermNewOption = Annotated[str | None, typer.Option("--term-new", metavar="WORD", help="Word for the newer side.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the application."""
    app.command("bisect-systemd", help="Find the commit of systemd that changed what a test says.")(bisect)
    app.command("bisect-go", help="Find the release of Go with which the container runtime did, if that builds it.")(
        bisect
    )
    app.command("bisect-runtime", help="Find the commit of the container runtime that did, with systemd held fixed.")(
        bisect
    )


def bisect(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context, paths: PathsArgument = None, *,
    good: GoodOption = None, bad: BadOption = None, at: AtOption = None, repo: RepoOption = None,
    cell: CellOption = None, test: TestOption = None, run: RunOption = None, builder: BuilderOption = None,
    first_parent: FirstParentOption = False, find_fix: FixOption = False,
    term_old: TermOldOption = None, term_new: TermNewOption = None,
    noise: NoiseOption = Noise.LOW, confidence: ConfidenceOption = CONFIDENCE, most_tests: MostOption = None,
    canary: CanaryOption = None, matching: MatchingOption = None, boot_failure: BootOption = "skip",
    jobs: JobsOption = JOBS, resume: ResumeOption = False, form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Find the commit that changed what a test says."""
    place = place_of(settings.of(context), builder, form)
    if resume:
        if any((good, bad, at, repo, cell, test, run, builder)) or len(paths or ()) > 1:
            raise UsageError(
                "--resume goes on with a bisection as it was begun; it takes a directory and nothing else."
            )
        _resume(place, _directory(place.chosen, paths[0] if paths else None), jobs)
    subject = {verb: subject for subject, verb in VERBS.items()}.get(context.info_name or "", "runtime")
    if bool(test) == bool(run):
        raise UsageError("Say what decides: either --test NODEID or --run COMMAND.")
    if (good is None) != (bad is None) or (at is None) == (good is None):
        raise UsageError("Name both ends with --good and --bad, or one revision with --at.")
    wanted, why = cell_of(place.here, cell, subject)
    goal = Goal.FIX if find_fix else Goal.BREAK
    repository = repository_of(place, subject, wanted, repo)
    old, new = (at or end or "" for end in ((bad, good) if find_fix else (good, bad)))
    begun = Begun(
        started=datetime.now(UTC).isoformat(timespec="seconds"), harness=version(DISTRIBUTION),
        subject=subject if subject in VERBS else wanted.runtime, repository=repository.address,
        old=repository.resolve(old, place.deadline), new=repository.resolve(new, place.deadline),
        old_name=old, new_name=new, cell=wanted.id, builder=place.here.matrix.defaults.builder,
        tests=tuple(test or ()), run=tuple(shlex.split(run or "")), canary=canary, matching=matching,
        boot_failure=Verdict(boot_failure), paths=tuple(paths or ()), first_parent=first_parent,
        goal=goal, noise=noise, confidence=confidence, most_tests=most_tests,
        term_old=term_old or TERMS[goal][0], term_new=term_new or TERMS[goal][1],
        facts={"host kernel": os.uname().release}, notes=_notes(repository, place),
    )  # fmt: skip
    place.console.print(f"cell: {wanted.id} ({why})", soft_wrap=True)
    oracle_of(place, begun, repository, lambda _: None)  # what is wrong with the test is said before anything begins
    if at is not None:
        _at(place, begun, repository)
    known = know(begun, repository, place.deadline)
    known.search(begun)  # refuses settings that make no sense
    with journal.begin(new_directory(place.chosen.runs), begun) as written:
        _go_on(place, written, known, jobs)


def place_of(chosen: Settings, builder: str | None, form: Format) -> Place:
    """What every step needs, from what the user set; where a builder is named it builds, and not the matrix's."""
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=form is not Format.TABLE, highlight=False, width=WIDTH)
    return Place(
        chosen=chosen,
        here=project.load(chosen).building_by(builder),
        store=Store(chosen.store),
        deadline=chosen.deadline(SECONDS, "bisection"),
        form=form,
        console=console,
    )


def _notes(repository: Repository, place: Place) -> tuple[str, ...]:
    if not repository.dirty(place.deadline):
        return ()
    note = f"The repository {repository.address} has changes that are not committed; they are not tested."
    place.console.print(f"note: {note}", soft_wrap=True)
    return (note,)


def _resume(place: Place, directory: Path, jobs: int) -> None:
    with journal.resume(directory) as written:
        # The journal is ours alone, so what still runs there is a dead harness's.
        for left in directory.glob(f"{SAMPLES}/*/machine*"):
            machine.clean(left)
        begun = written.state.begun
        repository = reopen(begun.repository, place.store, place.deadline)
        as_begun = Place(
            chosen=place.chosen, here=place.here.building_by(begun.builder), store=place.store,
            deadline=place.deadline, form=place.form, console=place.console,
        )  # fmt: skip
        _go_on(as_begun, written, know(begun, repository, place.deadline), jobs)


def _go_on(place: Place, written: Journal, known: Known, jobs: int) -> None:
    """Search to the end, and print what was found; ends the program."""
    begun, directory = written.state.begun, written.directory
    log.add_file(directory / "log.txt")
    named = settings.shown(directory)
    place.console.print(
        f"{len(known.searched)} commits between {begun.old_name} and {begun.new_name}; in {named}", soft_wrap=True
    )
    try:
        with watching(place.console, begun, known.all.commits) as screen:
            driver = Driver(
                journal=written,
                known=known,
                oracle=oracle_of(place, begun, known.repository, screen.event, jobs),
                verdicts=Verdicts(place.store),
                jobs=jobs,
                watch=screen.progress,
                deadline=place.deadline,
            )
            found, shown = driver.run()
    except (HarnessError, KeyboardInterrupt):
        verb = begun.words()[1]
        place.console.print(f"go on with: harness {verb} --resume {shlex.quote(named)}", soft_wrap=True)
        raise
    _print(place, found, shown, Files(directory=directory))
    raise typer.Exit(found.exit_code)


def _print(place: Place, found: Bisection, shown: View, files: Files) -> None:
    match place.form:
        case Format.JSON:
            output.as_json(found.model_dump(mode="json"))
        case Format.IDS:
            output.say("\n".join(suspect.revision for suspect in found.answer.suspects))
        case Format.TABLE:
            place.console.print(bisection.summary(shown))
            for what, path in (
                ("page", files.page),
                ("bug report", files.bug_report),
                ("git bisect replay", files.log),
            ):
                place.console.print(f"{what}: {settings.shown(path)}", soft_wrap=True)


def _at(place: Place, begun: Begun, repository: Repository) -> None:
    """Sample one revision, print what it says; ends the program."""
    directory = new_directory(place.chosen.runs)
    oracle = oracle_of(place, begun, repository, lambda _: None)
    seen = oracle.take(Sample(number=1, revision=begun.new, directory=directory / "sample"), lambda _: None)
    assert seen.verdict is not None
    where = settings.shown(seen.directory or directory)
    match place.form:
        case Format.JSON:
            facts = {"verdict": seen.verdict, "reason": seen.reason, "message": seen.message, "directory": where}
            output.as_json({"revision": begun.new, **facts})
        case Format.IDS:
            output.say(seen.verdict)
        case Format.TABLE:
            why = ": ".join(filter(None, (seen.reason, seen.message)))
            output.say(f"{seen.verdict}  {begun.new}" + (f"  {why}" if why else "") + f"\nevidence: {where}")
    raise typer.Exit(CODES[seen.verdict])


def _directory(chosen: Settings, name: str | None) -> Path:
    """The directory of a bisection, by its path or its name below runs/; the one that was begun last for None."""
    if name is not None:
        return Path(name) if os.sep in name or Path(name).exists() else chosen.runs / name
    journals = chosen.runs.glob(f"{PREFIX}*/{journal.JOURNAL}")
    last = max(journals, key=lambda path: (path.stat().st_mtime_ns, path), default=None)
    if last is None:
        raise UsageError(f"There is no bisection in {chosen.runs} to go on with.")
    return last.parent


def new_directory(runs: Path) -> Path:
    """A new directory, named by the day and a number: `bisect-20261124-1`."""
    day = f"{PREFIX}{datetime.now(UTC):%Y%m%d}"
    number = 1
    while True:
        directory = runs / f"{day}-{number}"
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return directory
