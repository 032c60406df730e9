"""How long a sample of each revision will take, from what the samples so far took.

A build that is in the store costs nothing. Another one is made in a tree that was built at some revision, so it
costs by the files that were touched between them: `START` of a build from nothing, and the rest as files add up
to `WHOLE` of them. What was measured scales both.
"""

from collections.abc import Callable, Iterable

import numpy as np

from harness.bisect.engine import Costs, History
from harness.bisect.engine.history import Floats
from harness.bisect.records import Same, Sample

__all__ = ["COMMAND", "Estimates"]

BUILD, TEST = 120.0, 40.0
"""Seconds of a build from nothing and of a boot with its test before any was measured."""

COMMAND = "command"
"""Phase of a sample in which nothing but a command runs."""

START = 0.1
WHOLE = 150
"""Touched files from which on an incremental build is taken to be no cheaper than one from nothing."""


class Estimates:
    """What samples cost; learns from each.

    `touched` says how many files a candidate touches, or is None where nothing is built ahead of a command, which then
    takes the same at each; `stored` are the revisions whose build is in the store.
    """

    def __init__(self, history: History, touched: Callable[[str], int] | None, stored: Iterable[str] = ()) -> None:
        self._is_built = touched is not None
        touched = touched or (lambda _: 0)
        self._places = {name: place for place, name in enumerate((*history.commits, history.good))}
        # As if the commits were one line; the older end comes last, and is where the line begins.
        self._files = np.append(np.cumsum([touched(name) for name in history.commits]), 0).astype(np.float64)
        self._built = {self._places[name] for name in stored if name in self._places}
        self._predicted: list[float] = []
        self._builds: list[float] = []
        self._usual: list[float] = []
        self._tests: list[float] = []

    def learn(self, record: Sample | Same) -> None:
        """Take in what a sample took."""
        revision = record.revision if isinstance(record, Sample) else record.second
        seconds = dict(record.seconds)
        build = seconds.pop("build", 0.0)
        place = self._places.get(revision)
        fresh = isinstance(record, Sample) and record.fresh
        if not fresh and "build" in record.seconds:
            self._usual.append(build)
        if build > 1.0 and place is not None:
            self._predicted.append(1.0 if fresh else float(self._compute_shares()[place]))
            self._builds.append(build)
        if (
            isinstance(record, Sample)
            and not record.cached
            and any(seconds.get(phase) for phase in ("suites", "boot", COMMAND))
        ):
            self._tests.append(sum(seconds.values()))
        # What is built from nothing is not kept where the next one looks.
        if place is not None and not fresh and (isinstance(record, Same) or record.artifact):
            self._built.add(place)

    @property
    def whole(self) -> float:
        """Seconds of a build from nothing."""
        if not self._is_built:
            return 0.0
        total = sum(self._predicted)
        return sum(self._builds) / total if total else BUILD

    @property
    def test(self) -> float:
        """Seconds of a boot and its test."""
        return float(np.mean(self._tests)) if self._tests else TEST

    def estimate_seconds(self, tests: float) -> float:
        """Estimate the seconds of `tests` more samples, one after the other; the last two of them on fresh builds."""
        fresh = min(tests, 2.0)
        usual = float(np.mean(self._usual)) if self._usual else 2 * START * self.whole
        return tests * self.test + fresh * self.whole + (tests - fresh) * usual

    def estimate_costs(self) -> Costs:
        """Estimate the costs of every candidate and, last, the older end."""
        tests = np.full(len(self._files), self.test)
        if not self._is_built:  # an attempt that gives no verdict costs the same
            return Costs(build=tests, test=np.zeros(len(self._files)))
        return Costs(build=self._compute_shares() * self.whole, test=tests)

    def _compute_shares(self) -> Floats:
        """Compute which part of a build from nothing each build takes."""
        files = self._files
        if not self._built:
            return np.ones(len(files))
        built = np.sort(files[sorted(self._built)])
        after = np.searchsorted(built, files).clip(0, len(built) - 1)
        near = np.minimum(np.abs(files - built[after]), np.abs(files - built[(after - 1).clip(0)]))
        shares: Floats = np.minimum(1.0, START + (1 - START) * near / WHOLE)
        shares[sorted(self._built)] = 0.0
        return shares
