"""Verdicts that outlive their bisection, by the hash of all that they depend on: what was built, image, test."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.model import Verdict
from harness.store import Store
from harness.writing import STORE_HINT, write_text

__all__ = ["Tally", "Verdicts"]

FOLDER = "verdicts"
"""Directory of the store."""


class Tally(BaseModel):
    """What was seen of one thing.

    Attributes:
        message: Of the last one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    good: int = 0
    bad: int = 0
    message: str = ""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of all samples, or None where there are none, or they contradict each other."""
        if bool(self.good) == bool(self.bad):
            return None
        return Verdict.GOOD if self.good else Verdict.BAD


class Verdicts:
    """The verdicts in a store; when two processes add one at once, one of them may be lost."""

    def __init__(self, store: Store) -> None:
        self._folder = store.root / FOLDER

    def find(self, key: str) -> Tally:
        """Find the tally of a key; an empty one where the file is missing or damaged."""
        try:
            return Tally.model_validate_json(self._get_path(key).read_bytes())
        except (OSError, ValidationError):
            return Tally()

    def add(self, key: str, verdict: Verdict, message: str) -> None:
        """Take in one sample that was not a skip."""
        tally = self.find(key)
        more = Tally(
            good=tally.good + (verdict is Verdict.GOOD), bad=tally.bad + (verdict is Verdict.BAD), message=message
        )
        write_text(self._get_path(key), more.model_dump_json() + "\n", hint=STORE_HINT)

    def _get_path(self, key: str) -> Path:
        return self._folder / f"{key}.json"
