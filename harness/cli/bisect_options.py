"""The options of the verbs that bisect commits; what several of them have is declared once."""

import os
from typing import Annotated, Literal

import typer

from harness.bisect.terms import Noise

__all__ = [
    "JOBS", "AcceptOption", "AtOption", "BadOption", "BootOption", "BuilderOption", "CanaryOption", "CellOption",
    "CheckoutJobsOption", "CheckoutRepoOption", "CheckoutRunOption", "ConfidenceOption", "CrashOption",
    "FirstParentOption", "FixOption", "GoodOption", "HangOption", "JobsOption", "MatchingOption", "MostOption",
    "NoiseOption", "PathsArgument", "RepoOption", "ResumeOption", "ReuseOption", "RunOption", "ShellOption",
    "SkipOption", "TermNewOption", "TermOldOption", "TestOption", "TimeoutOption", "TrustOption",
]  # fmt: skip

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
    float | None, typer.Option("--timeout", metavar="SECONDS", help="How long the command may take; 1800 by default.")
]
HangOption = Annotated[
    Literal["bad", "skip"],
    typer.Option("--hang", metavar="bad|skip", help="What a revision counts as if the command takes longer."),
]
TrustOption = Annotated[
    bool, typer.Option("--trust-ends", help="Trust --good and --bad, and do not test the two ends.")
]
ReuseOption = Annotated[
    bool,
    typer.Option("--reuse", help="Use what earlier bisections saw with the same command instead of testing again."),
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
    typer.Option("--boot-failure", metavar="bad|skip", help="What a revision counts as if its guest does not boot."),
]
CrashOption = Annotated[
    Literal["bad", "skip"],
    typer.Option(
        "--pid1-crash", metavar="bad|skip", help="What a revision counts as if its PID 1 crashes in two guests."
    ),
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
    typer.Option("-j", "--jobs", min=1, help="Samples chosen at a time; by default, two if there are two processors."),
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
