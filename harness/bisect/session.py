"""The loop of a bisection: ask the engine, take samples side by side, write down what they showed, report it to the engine."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from harness.bisect.engine import Search
from harness.bisect.estimates import Estimates
from harness.bisect.journal import Journal
from harness.bisect.oracle import Oracle
from harness.bisect.records import Asked, Begun, Reverted, Same, Sample
from harness.bisect.terms import Answer, Probe, Purpose, Stage
from harness.bisect.verdicts import Verdicts
from harness.errors import HarnessError, InfrastructureError
from harness.model import Verdict
from harness.wait import wait_for_any

__all__ = ["SPARE", "SearchProgress", "Session", "replay"]

SPARE = 2
"""Samples that are taken next to the others if they are wanted in any case: while one is built, others boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProgress:
    """How far a bisection is.

    Attributes:
        taken: Samples and attempts so far.
        tests_left: Samples that are still expected.
        seconds_left: How long they are expected to take.
        leader: The likeliest culprit.
        chance: Its probability, in 0..1.
        no_culprit: Probability that there is none, in 0..1.
        news: What samples showed since the last time.
    """

    stage: Stage
    taken: int
    running: tuple[Asked, ...]
    tests_left: float
    seconds_left: float
    leader: str
    chance: float
    no_culprit: float
    news: tuple[Sample | Same, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A sample that is being taken, and what is done with what it shows."""

    asked: Asked
    done: Callable[[Sample | Same], None]


class _Book:
    """Which revisions have which built files; used by several threads."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._equal: set[frozenset[str]] = set()
        self._lock = threading.Lock()

    def add(self, record: Sample | Same) -> None:
        """Take in a record."""
        with self._lock:
            if isinstance(record, Same):
                self._equal.add(frozenset((record.first, record.second)))
            elif record.artifact and record.verdict is not Verdict.SKIP:
                self._first.setdefault(record.artifact, record.revision)

    def find_first(self, artifact: str) -> str | None:
        """Return the revision that was sampled first with these files."""
        with self._lock:
            return self._first.get(artifact)

    def is_equal(self, first: str, second: str) -> bool:
        """Return whether it is written down that two revisions have the same files."""
        with self._lock:
            return frozenset((first, second)) in self._equal


@dataclass(kw_only=True, eq=False)
class Session:
    """A bisection that runs in this process.

    Attributes:
        journal: Where everything is written down; what it has is taken as done.
        search: A new search over the same history.
        revert: Makes the commit in which a culprit is taken back on top of the newer end; None if it does not come off.
        spare: Samples that are taken next to `jobs` others if they are wanted in any case; with 0, no more than `jobs` run.
        verdicts: Those of earlier bisections, or None to have no use of them.
        reuse: Whether they stand for samples; new ones are added in any case.
    """

    journal: Journal[Begun]
    search: Search
    oracle: Oracle
    revert: Callable[[str], str | None]
    estimates: Estimates
    verdicts: Verdicts | None = None
    reuse: bool = True
    jobs: int = 1
    spare: int = SPARE
    watch: Callable[[SearchProgress], None] = lambda _: None

    _book: _Book = field(init=False, default_factory=_Book)
    _shown: int = field(init=False, default=0)
    _reverting: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        for record in self.journal.state.results:
            replay(record, self.search)
            self._book.add(record)
            self.estimates.learn(record)
        self._shown = len(self.journal.state.results)

    def run(self) -> Answer:
        """Go on until there is an answer, and the culprit was taken back on top of the newer end.

        Raises:
            CancelledError: It was interrupted; the journal has all that was finished.
            AbortError: The user's command ended it.
            InfrastructureError: The journal cannot be written, or git failed.
        """
        running: dict[Future[Sample | Same], _Task] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(max_workers=self.jobs + self.spare + 1, thread_name_prefix="sample") as pool:
            while True:
                try:
                    for task in self._choose_next(len(running)) if failure is None else ():
                        running[pool.submit(self._take, task.asked)] = task
                except HarnessError as error:  # what is in flight is still written down when it lands
                    failure = error
                if not running:
                    break
                self._show(tuple(task.asked for task in running.values()))
                for future in wait_for_any(running):
                    task = running.pop(future)
                    if (broken := future.exception()) is None:
                        task.done(future.result())
                    failure = failure or broken
        self._show(())
        if failure is not None:
            raise failure
        answer = self.search.answer()
        if answer is None:
            raise InfrastructureError("The search has no answer, and nothing left to ask.")
        return answer

    def _choose_next(self, running: int) -> Iterator[_Task]:
        """Yield what to take next to the `running` samples in flight; the revert has a slot of its own."""
        free = self.jobs - (running - self._reverting if self.spare else running)
        spare = self.spare + min(0, free)
        probes = self.search.choose_next(max(0, free), self.estimates.estimate_costs(), spare=max(0, spare))
        yield from map(self._make_task, probes)
        if (self.spare or free > len(probes)) and (revert := self._revert()):
            yield revert

    def _make_task(self, probe: Probe) -> _Task:
        asked = self._ask(probe.revision, probe.purpose, fresh=probe.fresh)
        return _Task(asked=asked, done=lambda result: self._record(asked, result))

    def _revert(self) -> _Task | None:
        """Return the sample without the culprit once all that confirms it is in flight, unless one is or was taken."""
        culprit, done = self.search.find_leader(), self.journal.state.reverted
        if culprit is None or self._reverting or (done and done.culprit == culprit):
            return None
        commit = self.revert(culprit)
        if commit is None:
            message = "It does not come off cleanly on top of the newer end."
            self.journal.write(Reverted(culprit=culprit, message=message))
            return None
        self._reverting = True
        asked = self._ask(commit, Purpose.CONFIRM, fresh=True)
        return _Task(asked=asked, done=lambda result: self._record_revert(culprit, result))

    def _record_revert(self, culprit: str, result: Sample | Same) -> None:
        # A fresh build never stands for another one's files.
        assert isinstance(result, Sample)
        self._reverting = False
        fields = result.model_dump(include={"verdict", "reason", "seconds", "evidence", "message"})
        self.journal.write(Reverted(culprit=culprit, commit=result.revision, **fields))

    def _ask(self, revision: str, purpose: Purpose, *, fresh: bool) -> Asked:
        asked = Asked(number=self.journal.state.asked + 1, revision=revision, purpose=purpose, fresh=fresh)
        self.journal.write(asked)
        return asked

    def _take(self, asked: Asked) -> Sample | Same:
        """Take a sample, in a thread of its own."""
        return self.oracle.take(asked, self.journal.directory, lambda artifact: self._find_known(asked, artifact))

    def _find_known(self, asked: Asked, artifact: str) -> Sample | Same | None:
        """Find what makes a boot unnecessary: equal files that this bisection has sampled, or an earlier one."""
        if asked.purpose is not Purpose.SEARCH:
            return None
        first = self._book.find_first(artifact)
        if first is not None:
            # Asked for again although it is known to be equal: then it is another sample that is wanted.
            known = first == asked.revision or self._book.is_equal(first, asked.revision)
            return None if known else Same(first=first, second=asked.revision, number=asked.number)
        if self.verdicts is None or not self.reuse:
            return None
        tally = self.verdicts.find(self.oracle.make_key(artifact))
        if tally.verdict is None:
            return None
        return asked.conclude(tally.verdict, message=tally.message, artifact=artifact, cached=True)

    def _record(self, asked: Asked, result: Sample | Same) -> None:
        """Write down what a sample showed, and pass it on to the engine."""
        if isinstance(result, Same):
            self.search.abandon(Probe(revision=asked.revision, purpose=asked.purpose, fresh=asked.fresh))
            self._record_result(result)
            return
        first = self._book.find_first(result.artifact) if result.artifact else None
        self._record_result(result)
        if first is not None and first != asked.revision and not self._book.is_equal(first, asked.revision):
            self._record_result(Same(first=first, second=asked.revision))
        if self.verdicts and result.artifact and not result.cached and result.verdict is not Verdict.SKIP:
            self.verdicts.add(self.oracle.make_key(result.artifact), result.verdict, result.message)

    def _record_result(self, result: Sample | Same) -> None:
        self.journal.write(result)
        replay(result, self.search)
        self._book.add(result)
        self.estimates.learn(result)

    def _show(self, running: tuple[Asked, ...]) -> None:
        belief, history = self.search.belief, self.search.history
        leader = int(belief.weights.argmax())
        left = self.search.estimate_tests_left()
        results = self.journal.state.results
        self.watch(
            SearchProgress(
                stage=self.search.stage,
                taken=len(results),
                running=running,
                tests_left=left,
                seconds_left=self.estimates.estimate_seconds(left) / self.jobs,
                leader=history.commits[leader],
                chance=float(belief.weights[leader]),
                no_culprit=float(belief.no_culprit),
                news=tuple(results[self._shown :]),
            )
        )
        self._shown = len(results)


def replay(result: Sample | Same, search: Search) -> None:
    """Pass what a sample showed on to a search."""
    if isinstance(result, Sample):
        search.record(result)
    else:
        search.join_same(result.first, result.second)
