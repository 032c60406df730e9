"""The words of the commands that bisect: their options, and what is refused before anything is looked at."""

import os
import re
import shlex
from typing import Annotated, Literal

import typer

from harness.bisect.records import TERMS
from harness.bisect.terms import Goal, Noise
from harness.errors import UsageError

__all__ = [
    "JOBS", "AtOption", "BadOption", "BootOption", "BuilderOption", "CanaryOption", "CellOption", "ConfidenceOption",
    "FirstParentOption", "FixOption", "GoodOption", "JobsOption", "MatchingOption", "MostOption", "NoiseOption",
    "PathsArgument", "RepoOption", "ResumeOption", "RunOption", "SkipOption", "TermNewOption", "TermOldOption",
    "TestOption", "choose_terms", "refuse_search", "split_command",
]  # fmt: skip

FREE = frozenset({"paths", "jobs", "resume", "form"})
"""Parameters of the verbs that do not say what is looked for, nor how; --resume takes no others."""

SUBCOMMANDS = frozenset(
    {"help", "start", "skip", "next", "reset", "visualize", "view", "replay", "log", "run", "terms"}
)
"""Words of `git bisect` that are no terms."""

SWAPPED = (frozenset({"bad", "new"}), frozenset({"good", "old"}))
"""Words that mean the other side to git: what the older one and what the newer one cannot be called."""

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
SkipOption = Annotated[
    list[str] | None,
    typer.Option("--skip", metavar="REV", help="A commit that is known to be broken, and not tested; may be repeated."),
]
MostOption = Annotated[int | None, typer.Option("--most-tests", min=1, help="Give up after this number of samples.")]
JOBS = min(2, os.cpu_count() or 1)
"""A guest has one processor; more samples at a time than two give less each than they cost in builds."""

JobsOption = Annotated[
    int,
    typer.Option(
        "-j", "--jobs", min=1, help="Samples chosen at a time; two without it, where there are two processors."
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the bisection in DIRECTORY, as it was begun; the last one without it."),
]
PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DIRECTORY | -- PATHS]", help="Where the culprit probably is; or what --resume goes on with."
    ),
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


def split_command(command: str | None) -> tuple[str, ...]:
    """Split --run into words; none for None; raises UsageError where a shell could not read them."""
    try:
        return tuple(shlex.split(command or ""))
    except ValueError as error:
        raise UsageError(
            f"The command `{command}` of --run cannot be read: {str(error)[:1].lower()}{str(error)[1:]}.",
            hint="It is split into words as a shell does it: a quotation mark needs its fellow, or a backslash before it.",
        ) from error


def choose_terms(goal: Goal, old: str | None, new: str | None) -> tuple[str, str]:
    """Choose the words for the older and the newer side, the usual ones for None.

    Raises:
        UsageError: `git bisect` would refuse one, and with it the log that it is to replay.
    """
    chosen = tuple(usual if term is None else term for term, usual in zip((old, new), TERMS[goal], strict=True))
    for option, term, taken in zip(("--term-old", "--term-new"), chosen, SWAPPED, strict=True):
        if not re.fullmatch(r"\w[\w-]*", term):
            raise UsageError(
                f"`{term}` cannot be the word of {option}: it has to be letters, digits, dashes and underscores, "
                "with no dash at its beginning."
            )
        if term in SUBCOMMANDS:
            raise UsageError(f"`{term}` cannot be the word of {option}: `git bisect {term}` is a command of git's own.")
        if term in taken:
            raise UsageError(f"`{term}` cannot be the word of {option}: to git it means the other side.")
    if chosen[0] == chosen[1]:
        raise UsageError(f"Both sides have the word `{chosen[0]}`; --term-old and --term-new have to differ.")
    return chosen[0], chosen[1]


def refuse_search(context: typer.Context) -> None:
    """Raise UsageError where the user gave more with --resume than which bisection goes on, and how it is shown."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in FREE and _is_given(context, parameter.name or "")
    ]
    if given or len(context.params["paths"] or ()) > 1:
        allowed = [p.opts[-1] for p in context.command.params if p.name in FREE - {"paths", "resume"}]
        raise UsageError(
            f"--resume goes on with a bisection as it was begun; next to a directory it takes {' and '.join(allowed)} only"
            + (f", and not {', '.join(given)}." if given else ".")
        )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and not source.name.startswith("DEFAULT")
