"""Of what a run is: the commit and the matrix that it was made from, and which attempt at it it is."""

import hashlib

from harness import proc
from harness.app.settings import Settings
from harness.errors import HarnessError

__all__ = ["find_commit", "hash_matrix"]

SECONDS = 30.0
"""How long git may take."""
DIGITS = 16
"""Hexadecimal digits of a matrix's hash that are kept."""


def find_commit(settings: Settings) -> str | None:
    """Return the commit of the project's checkout, with `+changes` where files differ from it; None where there is none.

    CI runs as another user than the one that owns the checkout, of whose configuration git would not read this.
    """
    deadline = settings.make_deadline(SECONDS, "git")
    git = ("git", "-c", f"safe.directory={settings.root}", "-C", str(settings.root))
    try:
        commit = proc.run([*git, "rev-parse", "--verify", "HEAD"], deadline=deadline, apart=True).out.strip()
        changed = proc.run([*git, "status", "--porcelain", "--untracked-files=no"], deadline=deadline, apart=True).out
    except HarnessError:
        return None
    return f"{commit}+changes" if changed.strip() else commit


def hash_matrix(settings: Settings) -> str:
    """Return the hash of the matrix file's bytes."""
    return hashlib.sha256(settings.matrix.read_bytes()).hexdigest()[:DIGITS]
