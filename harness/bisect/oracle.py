"""What takes samples: from a revision to a verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.model import Verdict

__all__ = ["Known", "Oracle", "Sample", "Seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sample to take.

    Attributes:
        number: Which.
        revision: Full name of the commit.
        directory: For its evidence; does not exist yet, or is from an attempt that was killed.
        fresh: Build from nothing.
    """

    number: int
    revision: str
    directory: Path
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a sample showed.

    Attributes:
        verdict: Good, bad or skip; None where another revision with the same built files stands for this one.
        reason: For a skip, what failed, as a key.
        message: One line for people.
        artifact: Digest of what was built, or None if it is not known.
        seconds: Of each phase that took any.
        directory: Where the evidence is.
        cached: Whether the verdict is from an earlier bisection.
        same: Full name of the revision with the same built files.
    """

    verdict: Verdict | None
    reason: str = ""
    message: str = ""
    artifact: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    directory: Path | None = None
    cached: bool = False
    same: str | None = None


Known = Callable[[str], Seen | None]
"""Says of a digest of built files what makes a boot unnecessary, or None."""


class Oracle(Protocol):
    """Takes samples; may be called from several threads."""

    def take(self, sample: Sample, known: Known) -> Seen:
        """Take a sample.

        Args:
            sample: Which.
            known: Asked when the digest of the built files is known, and not for a fresh build.

        Raises:
            CancelledError: The bisection was interrupted.
            AbortError: The user's command ends it.
        """

    def key(self, artifact: str) -> str:
        """The key of the verdict on some built files: hash of all that it depends on."""

    def stored(self) -> frozenset[str]:
        """The revisions whose build is in the store."""
