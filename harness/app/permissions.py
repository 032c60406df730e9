"""What the files of a run or a bisection may not ask for by themselves: code on this computer, or trust in another key.

request.json and journals lie in directories that people copy and download, so nothing in them says who wrote them. What
they ask for beyond the build container and the guests, the command line that repeats them has to say as well.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from harness.bisect.records import AxesBegun, Begun, format_command
from harness.build import Builder
from harness.distros import list_options
from harness.errors import UsageError
from harness.rundir import Request

__all__ = ["check_bisection", "check_said", "list_decider", "list_unsaid"]

HARMLESS = re.compile(r"-[qsvx]+|--maxfail=[0-9]+|--tb=[a-z]+|--durations=[0-9]+|-[km][^-].*", re.DOTALL)
"""Arguments of pytest that load and run nothing of their own; `-k` and `-m` choose among what was collected."""
EXPRESSIONS = frozenset({"-k", "-m"})


def list_unsaid(
    request: Request,
    *,
    builder: str | None = None,
    arguments: Sequence[str] = (),
    distro_options: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the options that a request has, that run code here or name a key, and that were not given now as well."""
    lacking = []
    if request.builder == Builder.HOST and builder != Builder.HOST:
        lacking += ["--builder", request.builder]
    for name in (option.name for option in list_options() if option.file):
        value = request.distro_options.get(name)
        if value is not None and (distro_options or {}).get(name) != value:
            lacking += [f"--{name}", value]
    if tuple(arguments) != request.arguments and not _are_harmless(request.arguments):
        lacking += ["--", *request.arguments]
    return lacking


def _are_harmless(arguments: Sequence[str]) -> bool:
    words = iter(arguments)
    return all(
        not next(words, "-").startswith("-") if word in EXPRESSIONS else HARMLESS.fullmatch(word) for word in words
    )


def check_said(lacking: Sequence[str], run: str, verb: str) -> None:
    """Raise UsageError if something is lacking on the command line of a verb that continues a run."""
    if lacking:
        raise UsageError(
            f"{run} was started with `{shlex.join(lacking)}`, which is not taken from its files: they may come from "
            "elsewhere, and it would run code on this computer outside of the build container, or trust another key.",
            hint=f"To allow it, repeat it on the command line: `harness {verb} {shlex.join(lacking)}`.",
        )


def list_decider(run: Sequence[str], builder: str | None = None) -> list[str]:
    """Return the options of a bisection that run code here: the command that decides, and where builds run."""
    host = ["--builder", builder] if builder == Builder.HOST else []
    return [*host, *(format_command(run) if run else [])]


def check_bisection(
    inquiry: Begun | AxesBegun, given: Sequence[str], run: str, *, built: str | None = None, builder: str | None = None
) -> None:
    """Raise UsageError unless what runs code here in a bisection was given now, too.

    Args:
        inquiry: What was asked when it began.
        given: The command of --run now.
        run: Its directory.
        built: Where builds ran when it began.
        builder: Where they may run now.
    """
    if given and tuple(given) != inquiry.run:
        raise UsageError(
            f"The bisection {run} continues as it was started, and asks `{inquiry.test}`, not `{shlex.join(given)}`."
        )
    lacking = list_decider(() if given else inquiry.run, None if builder == Builder.HOST else built)
    check_said(lacking, run, f"{inquiry.format_words()[1]} --resume {shlex.quote(run)}")
