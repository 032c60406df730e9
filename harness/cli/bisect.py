"""`harness bisect-systemd` and `harness bisect-runtime`: which commit changed what a test says."""

import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console

from harness import log, machine, read_version, rundir
from harness.app.project import load_project
from harness.app.settings import Settings, show_path
from harness.app.sources import change_project
from harness.bisect import journal, report
from harness.bisect.candidates import Candidates, read_candidates
from harness.bisect.drive import Driver, Files
from harness.bisect.journal import Journal
from harness.bisect.oracle import SAMPLES
from harness.bisect.outcome import Bisection
from harness.bisect.records import CONFIDENCE, VERBS, Asked, Begun, Sample
from harness.bisect.report import View
from harness.bisect.repository import Repository, reopen
from harness.bisect.terms import Goal, Noise, Purpose
from harness.bisect.verdicts import Verdicts
from harness.cli import output
from harness.cli.bisect_options import (
    JOBS,
    AtOption,
    BadOption,
    BootOption,
    BuilderOption,
    CanaryOption,
    CellOption,
    ConfidenceOption,
    FirstParentOption,
    FixOption,
    GoodOption,
    JobsOption,
    MatchingOption,
    MostOption,
    NoiseOption,
    PathsArgument,
    RepoOption,
    ResumeOption,
    RunOption,
    SkipOption,
    TermNewOption,
    TermOldOption,
    TestOption,
    refuse_search,
    terms,
    words,
)
from harness.cli.bisect_progress import watching
from harness.cli.bisect_setup import Place, cell_of, note_paths, oracle_of, repository_of
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import ExitCode, HarnessError, UsageError
from harness.model import Verdict
from harness.store import Store

__all__ = ["bisect", "place_of"]

SECONDS = 7 * 24 * 3600.0
"""A bisection that takes longer than a week is stuck."""

WIDTH = 160
"""Columns where no terminal says how wide it is."""

CODES = {Verdict.GOOD: ExitCode.OK, Verdict.BAD: ExitCode.FAILED, Verdict.SKIP: ExitCode.INFRASTRUCTURE}
"""What `--at` ends with."""


def bisect(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context, paths: PathsArgument = None, *,
    good: GoodOption = None, bad: BadOption = None, at: AtOption = None, repo: RepoOption = None,
    cell: CellOption = None, test: TestOption = None, run: RunOption = None, builder: BuilderOption = None,
    first_parent: FirstParentOption = False, find_fix: FixOption = False,
    term_old: TermOldOption = None, term_new: TermNewOption = None,
    noise: NoiseOption = Noise.LOW, confidence: ConfidenceOption = CONFIDENCE, most_tests: MostOption = None,
    skip: SkipOption = None,
    canary: CanaryOption = None, matching: MatchingOption = None, boot_failure: BootOption = "skip",
    jobs: JobsOption = JOBS, resume: ResumeOption = False, form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """Find the commit that changed what a test says."""
    place = place_of(get_settings(context), builder, form)
    if resume:
        refuse_search(context)
        name = paths[0] if paths else rundir.LAST
        _resume(place, rundir.find_run(place.chosen.runs, name, prefix=rundir.BISECTION), jobs)
    subject = {verb: subject for subject, verb in VERBS.items()}.get(context.info_name or "", "runtime")
    if bool(test) == bool(run):
        raise UsageError("Say what decides: either --test NODEID or --run COMMAND.")
    if (good is None) != (bad is None) or (at is None) == (good is None):
        raise UsageError("Name both ends with --good and --bad, or one revision with --at.")
    wanted, why = cell_of(place.here, cell, subject)
    goal = Goal.FIX if find_fix else Goal.BREAK
    command, (old_term, new_term) = words(run), terms(goal, term_old, term_new)
    repository = repository_of(place, subject, wanted, repo)
    old, new = (at or end or "" for end in ((bad, good) if find_fix else (good, bad)))
    begun = Begun(
        started=datetime.now(UTC).isoformat(timespec="seconds"), harness=read_version(),
        subject=subject if subject in VERBS else wanted.runtime, repository=repository.address,
        old=repository.resolve(old, place.deadline), new=repository.resolve(new, place.deadline),
        old_name=old, new_name=new, cell=wanted.id, builder=place.here.matrix.defaults.builder,
        tests=tuple(test or ()), run=command, directory=str(Path.cwd()), canary=canary, matching=matching,
        boot_failure=Verdict(boot_failure), paths=tuple(paths or ()), first_parent=first_parent,
        skip=tuple(dict.fromkeys(repository.resolve(name, place.deadline) for name in skip or ())),
        goal=goal, noise=noise, confidence=confidence, most_tests=most_tests,
        term_old=old_term, term_new=new_term,
        facts={"host kernel": os.uname().release}, notes=_notes(repository, place),
    )  # fmt: skip
    place.console.print(f"cell: {wanted.id} ({why})", soft_wrap=True)
    oracle_of(place, begun, repository, lambda _: None)  # what is wrong with the test is said before anything begins
    if at is not None:
        _at(place, begun, repository)
    candidates = read_candidates(begun, repository, place.deadline)
    note_paths(place, begun, candidates)
    candidates.check(begun)
    with journal.begin(rundir.make_directory(place.chosen.runs, rundir.BISECTION), begun) as written:
        _go_on(place, written, candidates, jobs)


def place_of(chosen: Settings, builder: str | None, form: Format) -> Place:
    """What every step needs, from what the user set; where a builder is named it builds, and not the matrix's."""
    console = Console(stderr=form is not Format.TABLE, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=form is not Format.TABLE, highlight=False, width=WIDTH)
    return Place(
        chosen=chosen,
        here=change_project(load_project(chosen), builder=builder),
        store=Store(chosen.store),
        deadline=chosen.make_deadline(SECONDS, "bisection"),
        form=form,
        console=console,
    )


def _notes(repository: Repository, place: Place) -> tuple[str, ...]:
    if not repository.is_dirty(place.deadline):
        return ()
    note = f"The repository {repository.address} has changes that are not committed; they are not tested."
    place.console.print(f"note: {note}", soft_wrap=True)
    return (note,)


def _resume(place: Place, directory: Path, jobs: int) -> NoReturn:
    with journal.resume(directory) as written:
        # The journal is ours alone, so what still runs there is a dead harness's.
        for left in directory.glob(f"{SAMPLES}/*/machine*"):
            machine.clean(left)
        begun = written.state.begun
        repository = reopen(begun.repository, place.store, place.deadline)
        as_begun = Place(
            chosen=place.chosen, here=change_project(place.here, builder=begun.builder), store=place.store,
            deadline=place.deadline, form=place.form, console=place.console,
        )  # fmt: skip
        _go_on(as_begun, written, read_candidates(begun, repository, place.deadline), jobs)


def _go_on(place: Place, written: Journal, candidates: Candidates, jobs: int) -> NoReturn:
    """Search to the end, and print what was found; ends the program."""
    begun, directory = written.state.begun, written.directory
    log.add_file(directory / rundir.LOG)
    named = show_path(directory)
    place.console.print(
        f"{len(candidates.searched)} commits between {begun.old_name} and {begun.new_name}; in {named}", soft_wrap=True
    )
    try:
        with watching(place.console, begun, candidates.between.commits) as screen:
            driver = Driver(
                journal=written,
                candidates=candidates,
                oracle=oracle_of(place, begun, candidates.repository, screen.event, jobs),
                verdicts=Verdicts(place.store),
                jobs=jobs,
                watch=screen.progress,
                deadline=place.deadline,
            )
            found, shown = driver.run()
    except (HarnessError, KeyboardInterrupt):
        verb = begun.format_words()[1]
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
            place.console.print(report.render_summary(shown))
            for what, path in (
                ("page", files.page),
                ("bug report", files.bug_report),
                ("git bisect replay", files.log),
            ):
                place.console.print(f"{what}: {show_path(path)}", soft_wrap=True)


def _at(place: Place, begun: Begun, repository: Repository) -> NoReturn:
    """Sample one revision, print what it says; ends the program."""
    directory = rundir.make_directory(place.chosen.runs, rundir.BISECTION)
    oracle = oracle_of(place, begun, repository, lambda _: None)
    seen = oracle.take(Asked(number=1, revision=begun.new, purpose=Purpose.SEARCH), directory, lambda _: None)
    assert isinstance(seen, Sample)
    where = show_path(directory / seen.evidence)
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
