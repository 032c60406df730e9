"""One point of a bisection: killed or interrupted at a change, continued, and compared with one that nobody disturbed.

Its oracle is a DOUBLE, a command that looks at a file of the commit; history, journal, search, session, reverts and reports are
the real ones.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.bisect import journal
from harness.bisect.records import Begun, Sample
from harness.bisect.session import SPARE
from harness.cli.process import interruptible
from harness.errors import CancelledError, ExitCode
from harness.rundir import PAGE, RESULT
from harness.store import Store
from harness.wait import Deadline
from tests.faults.points import ACTIONS, count_changes, disturb
from tests.faults.problem import Problem
from tests.faults.world import World
from tests.helpers.bisections import Repo, asked, begun, driver, script

__all__ = ["measure_bisection", "try_bisection"]

STATES = "ggsgggbbbsbb"
"""Commits that are good, bad, and cannot be tested."""
CULPRIT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A history to bisect, shared by all trials of this process, and how many changes an undisturbed bisection makes."""

    repo: Repo
    changes: int


def _begin(place: Path, repo: Repo) -> None:
    with journal.begin(place / "run", begun(repo, script(place), old=repo.names[0], new=repo.names[-1])):
        pass


def _go_on(place: Path) -> int:
    """Go on with the bisection of a directory, as the command line does; return the exit code."""
    with interruptible() as cancelled, journal.resume(place / "run", Begun) as written:
        try:
            driver(written, Store(place / "store"), Deadline.after(120, "bisection", cancelled=cancelled)).run()
        except (CancelledError, KeyboardInterrupt):
            return ExitCode.INTERRUPTED
    return ExitCode.OK


def _run_forked(place: Path, before: Callable[[], None] = lambda: None) -> int:
    """Go on in a process of its own, and return its exit code; negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            before()
            code = _go_on(place)
        except BaseException as error:  # noqa: BLE001 - it must not go on as a copy of the campaign
            (place / "error").write_text(repr(error), encoding="utf-8")
            code = 99
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@cache
def measure_bisection() -> Subject:
    """Return the history, and the changes that an undisturbed bisection of it makes."""
    place = Path(tempfile.mkdtemp(prefix="hf-bisect-"))
    repo = Repo.empty(place / "repo").line(STATES)
    _begin(place, repo)
    code = _run_forked(place, lambda: count_changes(World(place)))
    assert code == ExitCode.OK, (code, place)
    return Subject(repo=repo, changes=(place / "changes").stat().st_size)


def try_bisection(what: str, at: int) -> Iterator[Problem]:
    """Disturb a bisection at a change, go on with it, and yield what is wrong."""
    repo = measure_bisection().repo
    with tempfile.TemporaryDirectory(prefix="hf-bisect-") as name:
        place = Path(name)
        _begin(place, repo)
        code = _run_forked(place, lambda: disturb(World(place), at, ACTIONS[what]))
        right = {-signal.SIGKILL} if what == "kill" else {ExitCode.INTERRUPTED}
        if code not in right:
            yield Problem(sort="exit code", text=f"{code} and not {right}: {_read_error(place)}")
        before = journal.read(place / "run", Begun)
        kept = list(before.samples)
        again = _run_forked(place)
        if again != ExitCode.OK:
            yield Problem(sort="traceback", text=f"{again}: {_read_error(place)}")
            return
        yield from _check_answer(place, repo, kept)
        for path in (*(place / "run").rglob("*.part"), *(place / "store").rglob("*.part")):
            yield Problem(sort="leftover", text=f"{path.relative_to(place)}")


def _read_error(place: Path) -> str:
    return (place / "error").read_text(encoding="utf-8") if (place / "error").exists() else ""


def _check_answer(place: Path, repo: Repo, kept: list[Sample]) -> Iterator[Problem]:
    state = journal.read(place / "run", Begun)
    samples = list(state.samples)
    if state.ended is None or state.ended.answer.culprit != repo.names[CULPRIT]:
        yield Problem(sort="wrong verdict", text=f"the answer is {state.ended}")
    if samples[: len(kept)] != kept:
        yield Problem(sort="lost result", text="what the journal had is not there any more")
    numbers = [sample.number for sample in samples]
    told = len(samples) + (state.reverted is not None and state.reverted.commit is not None)
    if len(set(numbers)) < len(numbers) or len(asked(place)) > told + 1 + SPARE + 1:
        yield Problem(
            sort="lost result", text=f"a finished test was repeated: {len(asked(place))} asked, {told} finished"
        )
    for name in (RESULT, PAGE):
        if not (place / "run" / name).exists():
            yield Problem(sort="lost result", text=f"there is no {name} in the end")
