"""Regular expressions of users' files, matched with a limit of time; they were checked when they were read.

Python's matcher can take longer than anybody waits for a pattern of twelve characters, and nothing ends it from inside of
the process. So a pattern of a file, which may be a stranger's change, is matched in a process of its own.
"""

import re
import sys

from harness import proc
from harness.errors import DeadlineError, InfrastructureError
from harness.text import escape
from harness.wait import Deadline

__all__ = ["search"]

MOST = 4 << 20
"""Characters of a text that are looked at: its beginning and its end, half of them each."""

SECONDS = 10.0
"""A pattern that is one takes some milliseconds."""

SIMPLE = re.compile(r"[^*+?{}()|]*")
"""Patterns without repetition and choice: no text takes them long, so they need no process."""

SCRIPT = "import re, sys; sys.exit(re.search(sys.argv[1], sys.stdin.read()) is None)"


def search(pattern: str, text: str, *, seconds: float = SECONDS) -> bool:
    """Return whether a checked pattern is found in a text; raises InfrastructureError if that takes too long."""
    if len(text) > MOST:
        text = text[: MOST // 2] + text[-MOST // 2 :]
    if SIMPLE.fullmatch(pattern):
        return re.search(pattern, text) is not None
    argv = [sys.executable, "-I", "-S", "-X", "utf8", "-c", SCRIPT, pattern]
    deadline = Deadline.after(seconds, "search for a pattern")
    try:
        done = proc.run(argv, deadline=deadline, stdin=text.encode("utf-8", "replace"), expect=(0, 1))
    except DeadlineError as error:
        raise InfrastructureError(
            f"The pattern `{escape(pattern)}` was not done with a text of {len(text)} characters within {seconds:.0f} s.",
            hint="A repetition inside of a repetition, such as `(a+)+`, takes for ever; write it without one of them.",
        ) from error
    return done.code == 0
