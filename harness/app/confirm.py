"""Suspects of a gate run again, on both sides in turn, on this computer.

Each run is a `harness run` of its own, as a person would start it: the gate itself only reads results, and stays small.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pydantic import ValidationError

from harness import proc, rundir
from harness.app.permissions import check_said, list_unsaid
from harness.app.settings import Settings
from harness.errors import ExitCode, InfrastructureError, UsageError
from harness.gate import BASELINE, Suspect, SuspectTrial, is_settled, list_looks
from harness.model import Outcome
from harness.results import REPETITION, RunResult
from harness.rundir import Request
from harness.text import pluralize
from harness.wait import Deadline

__all__ = ["confirm_suspects"]

logger = logging.getLogger(__name__)

SECONDS = 4 * 3600.0
"""Seconds that all runs of suspects may take together."""
PLACE = "confirm"
"""Directory below that of the runs in which suspects run, so that `last` is the run that is judged."""
AT_A_TIME = 5
"""Runs of a suspect on one side before the other has its turn."""
UNKNOWN = "how to build the old side is not known, see --before"
FAILS = {Outcome.FAILED: True, Outcome.FLAKY: True, Outcome.PASSED: False, Outcome.XPASSED: False}
"""Whether a run of a case failed; what is not here says nothing. A pass after a rerun failed first."""

Counts = Mapping[Suspect, tuple[int, int]]


def confirm_suspects(
    suspects: Mapping[Suspect, tuple[int, int] | None],
    runs: Sequence[str],
    settings: Settings,
    *,
    planned: int,
    before: Sequence[str],
    builder: str | None = None,
    say: Callable[[str], None],
) -> dict[Suspect, SuspectTrial]:
    """Run suspects again, and return what they did.

    They run as the `runs` in which they were found were asked for. The old side is the same with `before` in place of
    what was set (`--set`); without any the old side is what each suspect did in the baseline, as far as that is known. `builder` is where they may be built. A suspect runs
    `planned` times at most on each side. `say` is called with what goes on.

    Raises:
        UsageError: A run does not say what was asked for, or something in `before` is wrong.
        InfrastructureError: `harness run` does not work here.
    """
    if not suspects:
        return {}
    deadline = settings.make_deadline(SECONDS, "confirmation")
    requests = dict(_find_requests(suspects, runs, settings, builder))
    trials = {
        suspect: SuspectTrial()
        if before
        else SuspectTrial(old=bar, place=BASELINE)
        if bar is not None
        else SuspectTrial(one_sided=UNKNOWN)
        for suspect, bar in suspects.items()
    }
    done = 0
    for index, look in enumerate(list_looks(planned)):
        going = [suspect for suspect in suspects if not is_settled(trials[suspect], len(suspects))]
        while going and done < look:
            number = min(AT_A_TIME, look - done)
            say(f"{pluralize(len(going), 'suspect')}: runs {done + 1} to {done + number} of {planned}")
            now = _run_again(going, requests, number, settings, deadline)
            old = _run_again(going, requests, number, settings, deadline, sets=before) if before else {}
            done += number
            for suspect in going:
                trials[suspect] = trials[suspect].add(now.get(suspect, (0, 0)), old.get(suspect))
        done = look
        for suspect in going:
            trials[suspect] = trials[suspect].look(index, planned)
    return trials


def _find_requests(
    suspects: Iterable[Suspect], runs: Sequence[str], settings: Settings, builder: str | None
) -> Iterator[tuple[str, Request]]:
    """Yield the cells of suspects, each with what was asked for in the run that has it."""
    asked = [rundir.read_request(rundir.find_run(settings.runs, name)) for name in runs]
    for cell in dict.fromkeys(cell for cell, _ in suspects):
        found = next((request for request in asked if cell in request.cells), None)
        if found is None:
            raise UsageError(f"The cell {cell} cannot run again: none of {', '.join(runs)} has the request for it.")
        # They run without arguments of pytest.
        check_said(
            list_unsaid(found, builder=builder, arguments=found.arguments), " ".join(runs), "gate --confirm N RUN"
        )
        yield cell, found


def _run_again(
    suspects: Sequence[Suspect],
    requests: Mapping[str, Request],
    number: int,
    settings: Settings,
    deadline: Deadline,
    *,
    sets: Sequence[str] | None = None,
) -> Counts:
    """Run suspects a number of times, and return how often each failed, and how often it said something."""
    counts: dict[Suspect, tuple[int, int]] = {}
    for cell in dict.fromkeys(cell for cell, _ in suspects):
        cases = [nodeid for other, nodeid in suspects if other == cell]
        request = requests[cell]
        words = list(_list_words(request, cell, cases, number, request.sets if sets is None else sets))
        places = (f"--matrix={settings.matrix}", f"--store={settings.store}", f"--runs={settings.runs / PLACE}")
        argv = [sys.executable, "-m", "harness", "--log=error", *places, *words]
        done = proc.run(argv, deadline=deadline, cwd=settings.root, apart=True, expect=None)
        if done.code == ExitCode.USAGE:
            raise UsageError(f"Suspects cannot run again: {done.err.strip()}")
        try:
            counts |= _count_failures(RunResult.model_validate_json(done.out))
        except ValidationError as error:
            raise InfrastructureError(
                f"Suspects cannot run again: {done.err.strip() or 'there is no result'}"
            ) from error
    return counts


def _list_words(request: Request, cell: str, cases: Sequence[str], number: int, sets: Sequence[str]) -> Iterator[str]:
    """Yield the words of the `harness run` that runs some cases of a cell as they were asked for."""
    yield from ("run", "--format=json", f"--cell={cell}", f"--builder={request.builder}", f"--multiply={number}")
    yield f"--suites={','.join(dict.fromkeys(case.partition('/')[0] for case in cases))}"
    yield from (f"--case={case}" for case in cases)
    yield from (f"--set={word}" for word in sets)
    yield from (f"--{name}={value}" for name, value in request.distro_options.items())
    if request.fresh:
        yield "--fresh"


def _count_failures(result: RunResult) -> Counts:
    counts: dict[Suspect, tuple[int, int]] = {}
    for cell in result.cells:
        if cell.error:
            logger.warning("%s broke when its suspects ran again: %s", cell.id, cell.error.splitlines()[0])
        for case in cell.cases:
            if case.outcome in FAILS:
                suspect = (cell.id, REPETITION.sub("", case.nodeid))
                failed, runs = counts.get(suspect, (0, 0))
                counts[suspect] = (failed + FAILS[case.outcome], runs + 1)
    return counts
