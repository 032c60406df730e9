"""One point of one kind: an undisturbed run, a disturbed one, `--resume`, and what is wrong in what they say and leave."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import HarnessError
from harness.model import Outcome
from harness.results import INTERRUPTED, CellResult, RunResult, read
from harness.rundir import RESULT
from tests.faults.bisection_trial import measure_bisection, try_bisection
from tests.faults.kinds import Kind
from tests.faults.points import ACTIONS, count_changes, disturb, free
from tests.faults.problem import Problem
from tests.faults.world import BASELINE, Ended, World, open_world

__all__ = ["WORDS", "Trial", "check_verdicts", "make_trial", "measure"]

CELLS = ("debian-bookworm+systemd-252+legacy+nspawn", "debian-bookworm+systemd-252+unified+nspawn")
WORDS = (*(("run", "--fresh", "--cell", cell) for cell in CELLS), ("run", "--fresh", "-j", "2"))
"""Runs that are disturbed: of one cell, which takes half of the time, or of two next to each other."""

OWN = ("error of its own", "Traceback", "The computer refused")
"""What the harness says of errors that it did not foresee."""

GRACE = 5.0
"""Seconds in which processes end that need not be waited for."""

Outcomes = dict[str, dict[str, Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one point showed.

    Attributes:
        seed: With the kind, it makes the same trial again.
        at: The number of the change or question.
        of: How many there are in an undisturbed run.
    """

    kind: str
    seed: int
    at: int
    of: int
    problems: tuple[Problem, ...]
    seconds: float


@cache
def measure(words: tuple[str, ...]) -> tuple[Outcomes, int, int]:
    """Return the outcomes of an undisturbed run, the changes that it makes, and the questions that it asks."""
    with open_world() as world:
        ended = world.run_harness(*words, before=lambda: count_changes(world))
        assert ended.code == BASELINE, ended
        assert world.run is not None
        outcomes = list_outcomes(read(world.run / RESULT))
        return outcomes, (world.place / "changes").stat().st_size, (world.bin / "questions").stat().st_size


def list_outcomes(result: RunResult) -> Outcomes:
    """Return the outcome of each case of each cell."""
    return {cell.id: {case.nodeid: case.outcome for case in cell.cases} for cell in result.cells}


def make_trial(kind: Kind, seed: int) -> Trial:
    """Disturb a run at a point that the seed chooses."""
    chance, begin = random.Random(f"{kind.name} {seed}"), time.monotonic()
    if kind.where == "bisection":
        total = measure_bisection().changes
        at = chance.randint(1, total)
        problems = tuple(try_bisection(kind.what, at))
    else:
        words = chance.choices(WORDS, (3, 3, 1))[0]
        expected, changes, questions = measure(words)
        total = {"guest": questions, "always": 1}.get(kind.where, changes)
        at = chance.randint(1, total)
        with open_world() as world:
            problems = tuple(_try(kind, at, words, expected, world))
    return Trial(
        kind=kind.name, seed=seed, at=at, of=total, problems=problems, seconds=round(time.monotonic() - begin, 2)
    )


def _disturb(
    kind: Kind, at: int, words: tuple[str, ...], expected: Outcomes, world: World
) -> Iterator[Problem | Ended]:
    """Yield how the disturbed run ended, after what is wrong with one next to it."""
    act = ACTIONS.get(kind.what)
    if act is None:
        (world.bin / "bad-day.json").write_text(json.dumps({"at": at, "what": kind.what}), encoding="utf-8")
        yield world.run_harness(*words)
    elif kind.where == "always":
        yield world.run_harness(*words, before=lambda: act(world, "", ()))
    elif kind.where == "pair":
        first = world.start(words, lambda: disturb(world, at, act), alone=True)
        while world.run is None:
            time.sleep(0.01)
        second = world.wait(world.start(words, alone=True))
        yield from _check_end(second, frozenset({BASELINE}))
        yield from check_verdicts(_list_finished(world.runs / f"{world.run.name.rpartition('-')[0]}-2"), expected, kind)
        yield world.wait(first)
    else:
        yield world.run_harness(*words, before=lambda: disturb(world, at, act, again=kind.again))


def _try(kind: Kind, at: int, words: tuple[str, ...], expected: Outcomes, world: World) -> Iterator[Problem]:
    *problems, first = _disturb(kind, at, words, expected, world)
    assert isinstance(first, Ended)
    yield from (problem for problem in problems if isinstance(problem, Problem))
    free(world)
    (world.bin / "bad-day.json").unlink(missing_ok=True)
    yield from _check_end(first, kind.codes)
    before = world.run
    finished = _list_finished(before)
    yield from _check_files(before)
    yield from check_verdicts(finished, expected, kind)
    if first.code not in {-9, 137} and not kind.again:
        yield from _check_leftovers(world, "at its end")
    resumed = world.run_harness("run", "--resume", str(before)) if before else world.run_harness(*words)
    last = before or world.run
    if before and resumed.code == 2 and not finished:  # it had not been written down what was asked for
        resumed = world.run_harness(*words)
        last = world.list_runs()[-1]
    yield from _check_end(resumed, frozenset({BASELINE, 3}) if kind.errors else frozenset({BASELINE}))
    yield from _check_resumed(last or world.runs, finished, expected, kind)
    yield from _check_leftovers(world, "after --resume")


def _check_end(ended: Ended, codes: frozenset[int]) -> Iterator[Problem]:
    if ended.code is None:
        yield Problem(sort="hang", text=f"it did not end; {ended.err[-500:]}")
    elif ended.code not in codes:
        yield Problem(
            sort="exit code", text=f"{ended.code} and not {sorted(codes)}: {ended.err[-700:]}{ended.out[-300:]}"
        )
    for mark in OWN:
        if mark in ended.err + ended.out:
            text = ended.err + ended.out
            yield Problem(sort="traceback", text=text[max(0, text.index(mark) - 300) :][:1500])
            return


def _list_finished(run: Path | None) -> dict[str, CellResult]:
    """Return the results of cells that ran to their end."""
    found = {}
    for path in run.glob(f"cells/*/{RESULT}") if run else ():
        try:
            cell = CellResult.model_validate_json(path.read_bytes())
        except ValueError:
            continue
        if not cell.interrupted and cell.error != INTERRUPTED:
            found[cell.id] = cell
    return found


def _check_files(run: Path | None) -> Iterator[Problem]:
    """Check that what is written is whole, or not there."""
    for path in run.rglob("*.json") if run else ():
        if path.name in {RESULT, "request.json", "machine.json"}:
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                yield Problem(sort="lost result", text=f"{path.name} is not whole: {error}")
    if run and (run / RESULT).exists():
        try:
            read(run / RESULT)
        except HarnessError as error:
            yield Problem(sort="lost result", text=f"{RESULT} cannot be read: {error}")


def check_verdicts(cells: dict[str, CellResult], expected: Outcomes, kind: Kind) -> Iterator[Problem]:
    """Check that no case has another outcome than in an undisturbed run, but for an error where that may be."""
    for cell in cells.values():
        said = {case.nodeid: case.outcome for case in cell.cases}
        if cell.error is not None and "error of its own" in cell.error:
            yield Problem(sort="traceback", text=cell.error[:700])
        if cell.error is not None and not kind.errors:
            yield Problem(sort="wrong verdict", text=f"{cell.id} is an error: {cell.error[:700]}")
        missing = set(expected[cell.id]) - set(said)
        if missing and cell.error is None:
            yield Problem(sort="lost result", text=f"{cell.id} has no error, and lacks {sorted(missing)}")
        for name, outcome in said.items():
            if outcome is not expected[cell.id].get(name) and not (kind.errors and outcome is Outcome.ERROR):
                case = next(case for case in cell.cases if case.nodeid == name)
                text = (
                    f"{name} is {outcome} and not {expected[cell.id].get(name)}: {case.message} {case.details[-700:]}"
                )
                yield Problem(sort="wrong verdict", text=text)


def _check_resumed(run: Path, finished: dict[str, CellResult], expected: Outcomes, kind: Kind) -> Iterator[Problem]:
    """Check that nothing that was finished was changed, and all the rest is as in an undisturbed run."""
    try:
        result = read(run / RESULT)
    except HarnessError as error:
        yield Problem(sort="lost result", text=f"there is no result in the end: {error}")
        return
    cells = {cell.id: cell for cell in result.cells}
    if set(cells) != set(expected):
        yield Problem(sort="lost result", text=f"the cells are {sorted(cells)}")
    if result.interrupted:
        yield Problem(sort="lost result", text="the run is interrupted after --resume")
    for name, cell in finished.items():
        if name in cells and cells[name] != cell:
            yield Problem(sort="lost result", text=f"{name} had ended, and is another one now")
    yield from check_verdicts({name: cell for name, cell in cells.items() if name not in finished}, expected, kind)
    for name in ("junit.xml", "report.html"):
        if not (run / name).exists():
            yield Problem(sort="lost result", text=f"there is no {name} in the end")


def _check_leftovers(world: World, when: str) -> Iterator[Problem]:
    """Check that no process, work directory, half file or lock is left of what the run made."""
    limit = time.monotonic() + GRACE
    while (processes := world.list_processes()) and time.monotonic() < limit:
        time.sleep(0.05)
    for process in processes:
        yield Problem(sort="leftover", text=f"process {when}: {process}")
    folders = [world.place / name for name in ("run", "tmp")]
    left = [path for folder in folders for path in folder.iterdir()]
    left += [path for folder in ("store", "runs") for path in (world.place / folder).rglob("*.part")]
    left += [path for name in ("overlay.qcow2", "ssh_key", "ssh_config") for path in world.runs.rglob(name)]
    for path in left:
        yield Problem(sort="leftover", text=f"file {when}: {path.relative_to(world.place)}")
    crashes = list((world.place / "home").rglob("crash-*.txt"))
    for path in crashes:
        yield Problem(sort="traceback", text=f"{when}: {path.read_text(encoding='utf-8')[-1500:]}")
        path.unlink()
