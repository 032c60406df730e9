"""`harness bisect-systemd`, `bisect-go` and `bisect-runtime`: which commit or release changed what a test says."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

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
from harness.cli.bisect_progress import watch_bisection
from harness.cli.console import make_console
from harness.cli.options import refuse_search
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import ExitCode, HarnessError, UsageError
from harness.model import Verdict

__all__ = [
    "AcceptOption", "ResumeOption", "RunOption", "ShellOption", "TestOption", "bisect_checkouts", "bisect_go", "bisect_runtime",
    "bisect_systemd", "choose_command", "print_lines", "refuse_acceptance", "suggest_resume",
]  # fmt: skip

CODES = {Verdict.GOOD: ExitCode.OK, Verdict.BAD: ExitCode.FAILED, Verdict.SKIP: ExitCode.INFRASTRUCTURE}
"""What `--at` ends with."""

GoodOption = Annotated[
    list[str] | None,
    typer.Option(
        "--good", metavar="REV", help="A revision where the test passes; may be repeated, for the older side."
    ),
]
BadOption = Annotated[
    list[str] | None,
    typer.Option("--bad", metavar="REV", help="A revision where the test fails; with --find-fix it may be repeated."),
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="REV", help="Do not search: say whether this one revision is good or bad.")
]
RepoOption = Annotated[
    str | None,
    typer.Option("--repo", metavar="PATH|URL", help="The repository, which is only read; by default, the upstream."),
]
CheckoutRepoOption = Annotated[
    str | None,
    typer.Option("--repo", metavar="PATH|URL", help="The repository, which is only read; by default, where you are."),
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
        "by HARNESS_SSH_CONFIG and HARNESS_GUEST, and the commit in HARNESS_REVISION, which HARNESS_REPOSITORY has.",
    ),
]
CheckoutRunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="COMMAND",
        help="The command that decides, in a checkout of the commit: 0 good, 125 skip, others to 127 bad, above abort. "
        "The commit is in HARNESS_REVISION.",
    ),
]
ShellOption = Annotated[
    str | None, typer.Option("--shell", metavar="TEXT", help="As --run, but text for `sh -c`: 'cd src && make check'.")
]
AcceptOption = Annotated[
    bool,
    typer.Option(
        "--accept-changes", help="With --resume: go on although the command's files or environment have changed."
    ),
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", help="What the command may take; 1800 by default.")
]
HangOption = Annotated[
    Literal["bad", "skip"],
    typer.Option("--hang", metavar="bad|skip", help="What a revision is at which the command takes longer."),
]
TrustOption = Annotated[
    bool, typer.Option("--trust-ends", help="Do not test the two ends; they are what --good and --bad say.")
]
ReuseOption = Annotated[
    bool,
    typer.Option("--reuse", help="Take what earlier bisections saw with the same command for samples of this one."),
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
CrashOption = Annotated[
    Literal["bad", "skip"],
    typer.Option("--pid1-crash", metavar="bad|skip", help="What a revision is whose PID 1 crashes in two guests."),
]
NoiseOption = Annotated[
    Noise, typer.Option("--noise", metavar="none|low|learn", help="How far a single result of the test is believed.")
]
ConfidenceOption = Annotated[float, typer.Option("--confidence", help="Probability at which the search stops.")]
SkipOption = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="REV|A..B",
        help="A commit, or a range A..B, that is known to be broken, and not tested; may be repeated.",
    ),
]
MostOption = Annotated[int | None, typer.Option("--most-tests", min=1, help="Give up after this number of samples.")]
JOBS = min(2, os.cpu_count() or 1)
"""A guest has one processor; more samples at a time than two give less each than they cost in builds."""

JobsOption = Annotated[
    int,
    typer.Option(
        "-j", "--jobs", min=1, help="Samples chosen at a time; by default, two where there are two processors."
    ),
]
CheckoutJobsOption = Annotated[
    int, typer.Option("-j", "--jobs", min=1, help="Samples taken at a time, each in a checkout of its own.")
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Continue the bisection in DIRECTORY, as it was started; by default, the last one."),
]
PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DIRECTORY | -- PATHS]", help="Where the culprit probably is; or what --resume continues."),
]
BuilderOption = Annotated[
    str | None,
    typer.Option("--builder", metavar="docker|host", help="Where builds run, in place of what the matrix says."),
]
FirstParentOption = Annotated[
    bool, typer.Option("--first-parent", help="Only first parents: do not descend into what a merge brought in.")
]
TermOldOption = Annotated[str | None, typer.Option("--term-old", metavar="WORD", help="Word for the older side.")]
TermNewOption = Annotated[str | None, typer.Option("--term-new", metavar="WORD", help="Word for the newer side.")]


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
