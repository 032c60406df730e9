"""The oracle without a guest: check a revision out on this computer, and run a command in it."""

import itertools
import os
import queue
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.bisect.estimates import COMMAND
from harness.bisect.oracle import FindKnown, get_sample_path
from harness.bisect.question import Command
from harness.bisect.records import Asked, Same, Sample
from harness.bisect.repository import Repository
from harness.model import Verdict
from harness.pipeline import RunContext
from harness.store import make_key

__all__ = ["CheckoutOracle", "clean_trees"]

TREES = "trees"
"""Directory of the working trees that go from commit to commit, below that of the bisection."""

TREE = "tree"
"""Directory of a fresh working tree, below that of its sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutOracle:
    """Runs a command in a checkout of a revision.

    A tree goes from commit to commit, so that what a build leaves in it speeds up the next one; a fresh sample has a tree
    of its own.

    Attributes:
        command: Its directory is not used; it runs in the checkout.
        below: Where in the checkout it runs.
        numbers: Names of working trees; never one in which a command of a killed process may still be at work.
    """

    repository: Repository
    command: Command
    below: str
    work: RunContext
    numbers: Iterator[int] = field(default_factory=itertools.count)
    _free: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)

    def take(self, asked: Asked, directory: Path, find_known: FindKnown) -> Sample | Same:
        """As `Oracle` says."""
        artifact = self.repository.read_tree_name(asked.revision, self.work.deadline)
        if not asked.fresh and (found := find_known(artifact)) is not None:
            return found
        evidence = get_sample_path(directory, asked.number)
        evidence.mkdir(parents=True, exist_ok=True)
        if asked.fresh:
            tree = evidence / TREE
            shutil.rmtree(tree, ignore_errors=True)  # of a sample that was killed
            try:
                sample = self._ask(asked, tree, evidence)
            finally:
                shutil.rmtree(tree, ignore_errors=True)
        else:
            name = self._acquire()
            try:
                sample = self._ask(asked, directory / TREES / name, evidence)
            finally:
                self._free.put(name)
        return sample.model_copy(update={"artifact": artifact, "evidence": str(evidence.relative_to(directory))})

    def _acquire(self) -> str:
        """Return the name of a tree that no other thread uses."""
        try:
            return self._free.get_nowait()
        except queue.Empty:
            return str(next(self.numbers))

    def _ask(self, asked: Asked, tree: Path, evidence: Path) -> Sample:
        begin = time.monotonic()
        tree.mkdir(parents=True, exist_ok=True)
        self.repository.check_out(asked.revision, tree, self.work.deadline)
        checked_out = time.monotonic()
        place, program = tree / self.below, self.command.argv[0]
        if not place.is_dir():
            return asked.conclude(
                Verdict.SKIP, reason="directory", message=f"There is no directory {self.below} in this revision."
            )
        if os.sep in program and not program.startswith(os.sep) and not (place / program).exists():
            return asked.conclude(Verdict.SKIP, reason="program", message=f"There is no {program} in this revision.")
        variables = {"HARNESS_REVISION": asked.revision, "HARNESS_REPOSITORY": str(self.repository.mirror)}
        sample = replace(self.command, cwd=place).run(asked, variables, self.work, evidence)
        seconds = {"checkout": checked_out - begin, COMMAND: time.monotonic() - checked_out}
        return sample.model_copy(update={"seconds": {name: round(spent, 3) for name, spent in seconds.items()}})

    def make_key(self, artifact: str) -> str:
        """As `Oracle` says."""
        inputs = {
            "artifact": artifact,
            "subject": COMMAND,
            "below": self.below,
            "question": dict(self.command.collect_own_inputs()),
        }
        return make_key("verdict", inputs)

    def list_stored(self) -> frozenset[str]:
        """As `Oracle` says: there is nothing to be built."""
        return frozenset()


def clean_trees(directory: Path) -> None:
    """Remove the working trees of a bisection that has ended."""
    shutil.rmtree(directory / TREES, ignore_errors=True)
