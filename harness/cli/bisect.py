"""`harness bisect-systemd`, `bisect-go` and `bisect-runtime`: which commit or release changed what a test says."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console

from harness import rundir
from harness.app.bisect import BisectOptions, OpenBisection, begin_bisection, resume_bisection, sample_revision
from harness.app.bisect_checkout import begin_checkout_bisection, resume_checkout_bisection, sample_checkout
from harness.app.bisect_setup import make_context, make_plain_context, split_command
from harness.app.permissions import list_decider
from harness.app.settings import show_path
from harness.bisect import report
from harness.bisect.drive import Files
from harness.bisect.outcome import Bisection
from harness.bisect.records import CHECKOUT, CONFIDENCE, GO, RUNTIME, SHELL, SYSTEMD, Sample, SearchOptions
from harness.bisect.report import View
from harness.bisect.terms import Goal, Noise
from harness.cli import output
from harness.cli.bisect_options import (
    JOBS,
    AcceptOption,
    AtOption,
    BadOption,
    BootOption,
    BuilderOption,
    CanaryOption,
    CellOption,
    CheckoutJobsOption,
    CheckoutRepoOption,
    CheckoutRunOption,
    ConfidenceOption,
    CrashOption,
    FirstParentOption,
    FixOption,
    GoodOption,
    HangOption,
    JobsOption,
    MatchingOption,
    MostOption,
    NoiseOption,
    PathsArgument,
    RepoOption,
    ResumeOption,
    ReuseOption,
    RunOption,
    ShellOption,
    SkipOption,
    TermNewOption,
    TermOldOption,
    TestOption,
    TimeoutOption,
    TrustOption,
)
from harness.cli.bisect_progress import watch_bisection
from harness.cli.console import make_console
from harness.cli.options import refuse_search
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import ExitCode, HarnessError, UsageError
from harness.model import Verdict

__all__ = [
    "bisect_checkouts", "bisect_go", "bisect_runtime", "bisect_systemd", "choose_command", "print_lines", "refuse_acceptance",
    "suggest_resume",
]  # fmt: skip

CODES = {Verdict.GOOD: ExitCode.OK, Verdict.BAD: ExitCode.FAILED, Verdict.SKIP: ExitCode.INFRASTRUCTURE}
"""What `--at` ends with."""


def _make_verb(subject: str) -> Callable[..., None]:
    """Return the verb that bisects a subject: "systemd", "go", or "runtime" for that of the cell."""

    def bisect(  # noqa: PLR0913 - each is an option of the command
        context: typer.Context, paths: PathsArgument = None, *,
        good: GoodOption = None, bad: BadOption = None, at: AtOption = None, repo: RepoOption = None,
        cell: CellOption = None, test: TestOption = None, run: RunOption = None, builder: BuilderOption = None,
        first_parent: FirstParentOption = False, find_fix: FixOption = False,
        term_old: TermOldOption = None, term_new: TermNewOption = None,
        noise: NoiseOption = Noise.LOW, confidence: ConfidenceOption = CONFIDENCE, most_tests: MostOption = None,
        skip: SkipOption = None, shell: ShellOption = None, trust_ends: TrustOption = False, reuse: ReuseOption = False,
        timeout: TimeoutOption = None, hang: HangOption = "skip", accept_changes: AcceptOption = False,
        canary: CanaryOption = None, matching: MatchingOption = None, boot_failure: BootOption = "skip",
        pid1_crash: CrashOption = "bad",
        jobs: JobsOption = JOBS, resume: ResumeOption = False, form: FormatOption = Format.TABLE,
    ) -> NoReturn:  # fmt: skip
        """Find the commit that changed what a test says."""
        console = make_console(form)
        setup = make_context(get_settings(context), builder, print_lines(console))
        if resume:
            refuse_search(context)
            command, name = choose_command(run, shell), paths[0] if paths else rundir.LAST
            with resume_bisection(setup, name, command, accept=accept_changes) as work:
                code = _search(work, jobs, console, form)
            raise typer.Exit(code)
        if bool(test) == bool(run or shell):
            raise UsageError("Say what decides: either --test NODEID or --run COMMAND.")
        refuse_acceptance(accept_changes)
        olds, new = _choose_ends(good, bad, at, find_fix=find_fix)
        goal = Goal.FIX if find_fix else Goal.BREAK
        old_term, new_term = report.choose_terms(goal, term_old, term_new)
        search = SearchOptions(
            tests=tuple(test or ()), run=choose_command(run, shell), canary=canary, matching=matching,
            boot_failure=Verdict(boot_failure), pid1_crash=Verdict(pid1_crash), paths=tuple(paths or ()), first_parent=first_parent, goal=goal,
            noise=noise, confidence=confidence, most_tests=most_tests, term_old=old_term, term_new=new_term,
            trust_ends=trust_ends, reuse=reuse, timeout=timeout, hang=Verdict(hang),
        )  # fmt: skip
        options = BisectOptions(
            subject=subject, olds=olds, new=new, repo=repo, cell=cell, skip=tuple(skip or ()), search=search
        )
        if at is not None:
            sample, evidence = sample_revision(setup, options)
            _print_sample(sample, evidence, form)
            raise typer.Exit(CODES[sample.verdict])
        with begin_bisection(setup, options) as work:
            code = _search(work, jobs, console, form)
        raise typer.Exit(code)

    return bisect


bisect_systemd, bisect_go, bisect_runtime = map(_make_verb, (SYSTEMD, GO, RUNTIME))


def bisect_checkouts(  # noqa: PLR0913 - each is an option of the command
    context: typer.Context, paths: PathsArgument = None, *,
    good: GoodOption = None, bad: BadOption = None, at: AtOption = None, repo: CheckoutRepoOption = None,
    run: CheckoutRunOption = None, shell: ShellOption = None,
    first_parent: FirstParentOption = False, find_fix: FixOption = False,
    term_old: TermOldOption = None, term_new: TermNewOption = None,
    noise: NoiseOption = Noise.LOW, confidence: ConfidenceOption = CONFIDENCE, most_tests: MostOption = None,
    skip: SkipOption = None, trust_ends: TrustOption = False, reuse: ReuseOption = False,
    timeout: TimeoutOption = None, hang: HangOption = "skip", accept_changes: AcceptOption = False,
    jobs: CheckoutJobsOption = 1, resume: ResumeOption = False, form: FormatOption = Format.TABLE,
) -> NoReturn:  # fmt: skip
    """Find the commit of any repository that changed what a command says; it needs no guest, no matrix and no root."""
    console = make_console(form)
    setup = make_plain_context(get_settings(context), print_lines(console))
    command = choose_command(run, shell)
    if resume:
        refuse_search(context)
        name = paths[0] if paths else rundir.LAST
        with resume_checkout_bisection(setup, name, command, accept=accept_changes) as work:
            code = _search(work, jobs, console, form)
        raise typer.Exit(code)
    if not command:
        raise UsageError("Say what decides: --run COMMAND or --shell TEXT.")
    refuse_acceptance(accept_changes)
    olds, new = _choose_ends(good, bad, at, find_fix=find_fix)
    goal = Goal.FIX if find_fix else Goal.BREAK
    old_term, new_term = report.choose_terms(goal, term_old, term_new)
    search = SearchOptions(
        run=command, paths=tuple(paths or ()), first_parent=first_parent, goal=goal, noise=noise, confidence=confidence,
        most_tests=most_tests, term_old=old_term, term_new=new_term, trust_ends=trust_ends, reuse=reuse,
        timeout=timeout, hang=Verdict(hang),
    )  # fmt: skip
    options = BisectOptions(subject=CHECKOUT, olds=olds, new=new, repo=repo, skip=tuple(skip or ()), search=search)
    if at is not None:
        sample, evidence = sample_checkout(setup, options)
        _print_sample(sample, evidence, form)
        raise typer.Exit(CODES[sample.verdict])
    with begin_checkout_bisection(setup, options) as work:
        code = _search(work, jobs, console, form)
    raise typer.Exit(code)


def choose_command(run: str | None, shell: str | None) -> tuple[str, ...]:
    """Return the words of the command that decides, none where there is none; raises UsageError for two, or bad quotes."""
    if run and shell:
        raise UsageError("Give either --run or --shell, not both.")
    return (*SHELL, shell) if shell else split_command(run)


def refuse_acceptance(accept: bool) -> None:  # noqa: FBT001 - the one thing it is about
    """Raise UsageError where --accept-changes was given without --resume."""
    if accept:
        raise UsageError("`--accept-changes` belongs to --resume, which was not given.")


def _choose_ends(
    good: list[str] | None, bad: list[str] | None, at: str | None, *, find_fix: bool
) -> tuple[tuple[str, ...], str]:
    """Return the older ends and the newer one; raises UsageError where one is missing, or there is --at as well."""
    if bool(good) != bool(bad) or (at is None) == (not good):
        raise UsageError("Name both ends with --good and --bad, or one revision with --at.")
    if at is not None:
        return (at,), at
    olds, news = (bad, good) if find_fix else (good, bad)
    if len(news or ()) > 1:
        option = "--good" if find_fix else "--bad"
        raise UsageError(f"There is one newer end; {option} was given {len(news or ())} times.")
    return tuple(olds or ()), (news or [""])[0]


def print_lines(console: Console) -> Callable[[str], None]:
    """Return what prints a line for a person as it is."""
    return lambda text: console.print(text, soft_wrap=True, markup=False)


@contextmanager
def suggest_resume(console: Console, verb: str, directory: Path, said: Sequence[str]) -> Iterator[None]:
    """Print how to go on if what is done in the context does not come to its end."""
    try:
        yield
    except (HarnessError, KeyboardInterrupt):
        words = shlex.join(["harness", verb, "--resume", show_path(directory), *said])
        print_lines(console)(f"continue with: {words}")
        raise


def _search(work: OpenBisection, jobs: int, console: Console, form: Format) -> ExitCode:
    """Search to the end, and print what was found."""
    begun, directory, candidates = work.journal.state.begun, work.journal.directory, work.candidates
    ends = f"{begun.old_name} and {begun.new_name}"
    print_lines(console)(f"{len(candidates.searched)} commits between {ends}; in {show_path(directory)}")
    with (
        suggest_resume(console, begun.format_words()[1], directory, list_decider(begun.run, begun.builder)),
        watch_bisection(console, begun, candidates.between.commits) as screen,
    ):
        found, view = work.run(jobs, screen.note_event, screen.show_progress)
    _print_result(found, view, Files(directory), console, form)
    return found.exit_code


def _print_result(found: Bisection, view: View, files: Files, console: Console, form: Format) -> None:
    if form is Format.TABLE:
        # A command that is cut into lines cannot be pasted.
        console.print(report.render_summary(view), soft_wrap=True)
    shown = {"page": files.page, "bug report": files.bug_report, "git bisect replay": files.log}
    output.show(
        form,
        ids=(suspect.revision for suspect in found.answer.suspects),
        data=lambda: found.model_dump(mode="json"),
        lines=(f"{what}: {show_path(path)}" for what, path in shown.items()),
    )


def _print_sample(sample: Sample, evidence: Path, form: Format) -> None:
    facts: dict[str, Any] = sample.model_dump(include={"revision", "verdict", "reason", "message"}, mode="json")
    why = ": ".join(filter(None, (sample.reason, sample.message)))
    output.show(
        form,
        ids=[sample.verdict],
        data=lambda: facts | {"directory": show_path(evidence)},
        lines=[
            f"{sample.verdict}  {sample.revision}" + (f"  {why}" if why else ""),
            f"evidence: {show_path(evidence)}",
        ],
    )
