"""The form of a commit message: `python -m tools.check_commit FILE`, as git's hook `commit-msg` calls it.

A subject of at most 72 characters without a full stop, an empty line, and a body that says why.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["LONGEST", "find_faults", "main"]

LONGEST = 72
"""Characters of a subject: `git log` indents by four, and a terminal has eighty."""

SCISSORS = "# ------------------------ >8 ------------------------"
"""What follows is the patch, which `git commit --verbose` shows."""

GENERATED = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
"""How subjects begin that git writes itself."""

TRAILERS = ("Signed-off-by:", "Co-authored-by:", "Reviewed-by:", "Fixes:")
"""Lines at the end that are no reasons."""


def find_faults(message: str) -> list[str]:
    """Return what is wrong with a commit message, a sentence each; git's comments do not count."""
    text = message.partition(SCISSORS)[0]
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith("#")]
    while lines and not lines[0]:
        del lines[0]
    if not lines:
        return ["The message is empty."]
    subject, *rest = lines
    if subject.startswith(GENERATED):
        return []
    faults = []
    if len(subject) > LONGEST:
        faults.append(f"The subject has {len(subject)} characters, more than {LONGEST}.")
    if subject.endswith("."):
        faults.append("The subject ends with a full stop.")
    if rest and rest[0]:
        faults.append("There is no empty line after the subject.")
    if not any(line for line in rest if not line.startswith(TRAILERS)):
        faults.append("There is no body that says why.")
    return faults


def main(arguments: Sequence[str]) -> int:
    """Check the message in a file; return 1 if it is wrong, after printing why, and 2 without a file."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tools.check_commit FILE\n")
        return 2
    faults = find_faults(Path(arguments[0]).read_text(encoding="utf-8"))
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
