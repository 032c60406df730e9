"""What takes samples: from a revision to a verdict."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from harness.bisect.records import Asked, Same, Sample

__all__ = ["SAMPLES", "FindKnown", "Oracle", "get_sample_path"]

SAMPLES = "samples"
"""Directory with the evidence of samples, below that of the bisection."""

FindKnown = Callable[[str], Sample | Same | None]
"""Finds, for a digest of built files, what makes a boot unnecessary, or None."""


class Oracle(Protocol):
    """Takes samples; may be called from several threads."""

    def take(self, asked: Asked, directory: Path, find_known: FindKnown) -> Sample | Same:
        """Take a sample.

        Args:
            asked: Which.
            directory: The bisection's; the evidence goes below it, where an attempt that was killed may have left some.
            find_known: Asked when the digest of the built files is known, and not for a fresh build.

        Raises:
            CancelledError: The bisection was interrupted.
            AbortError: The user's command ends it.
        """

    def make_key(self, artifact: str) -> str:
        """Return the key of the verdict on some built files: hash of all that it depends on."""

    def list_stored(self) -> frozenset[str]:
        """Return the revisions whose build is in the store."""


def get_sample_path(directory: Path, number: int) -> Path:
    """Return where the evidence of a sample is, below the directory of its bisection."""
    return directory / SAMPLES / f"{number:03d}"
