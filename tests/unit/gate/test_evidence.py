"""Suspects that ran again: which are refused, which are told as intermittent, and how many releases that refuses."""

import numpy as np
import pytest

from bench.gate_simulation import catch_confirmed, measure_discoveries, play_trials, refuse_good
from harness.app.confirm import _list_words
from harness.cli import main
from harness.gate import CheckLevel, SuspectTrial, decide, find_confirmed, is_settled, list_looks, list_suspects
from harness.model import Outcome
from harness.rundir import Request
from tests.helpers.sides import CASE, cell_side, side
from tests.unit.gate.test_gate import CELL, OTHER, TODAY, evidence, policy

PLANNED = 30


def try_again(*looks: tuple[int, int]) -> SuspectTrial:
    """Return the trial of a suspect that failed so often at each look, now and on the old side."""
    trial, done = SuspectTrial(), 0
    for index, (new, old) in enumerate(looks):
        more = list_looks(PLANNED)[index] - done
        done = list_looks(PLANNED)[index]
        trial = trial.add((new, more), (old, more)).look(index, PLANNED)
    return trial


@pytest.mark.parametrize(
    ("trial", "confirmed", "settled"),
    [
        (try_again((5, 0)), True, True),
        (try_again((2, 0), (3, 0), (10, 0)), True, True),
        (try_again((0, 0), (0, 0)), False, True),
        (try_again((2, 1)), False, False),
        (try_again((1, 1), (1, 1), (4, 4)), False, False),
        (SuspectTrial(one_sided="no").add((5, 5), None).look(0, PLANNED), True, True),
        (SuspectTrial(one_sided="no").add((1, 30), None).look(2, PLANNED), False, False),
        (SuspectTrial(), True, False),
    ],
)
def test_what_fails_as_before_is_intermittent(trial: SuspectTrial, *, confirmed: bool, settled: bool) -> None:
    """More failures than before are confirmed; as many are not; and what never ran again has nothing for it."""
    assert (("c", "n") in find_confirmed({("c", "n"): trial})) is confirmed
    assert is_settled(trial, 1) is settled


def test_chance_findings_cost_others_nothing() -> None:
    """With many suspects the proof has to be better, and a certain regression is still found."""
    trials = {("c", str(number)): try_again((0, 0), (0, 0)) for number in range(50)}
    trials["c", "bad"] = try_again((5, 0), (5, 0))
    trials["c", "weak"] = try_again((1, 0), (1, 0), (3, 0))
    assert find_confirmed(trials) == {("c", "bad")}


def test_the_gate_believes_what_ran_again() -> None:
    """An intermittent suspect is told with both rates and does not refuse; a confirmed one refuses."""
    now = {CASE: Outcome.FAILED, OTHER: Outcome.FLAKY}
    trials = {(CELL.id, CASE): try_again((5, 0)), (CELL.id, OTHER): try_again((1, 1), (1, 1), (4, 4))}

    believed = decide(policy(), evidence(now, trials=trials), TODAY)
    told = {check.name: check for check in believed.checks}
    assert {check.name for check in believed.refused} == {"regressions"}
    assert told["intermittent"].level is CheckLevel.TOLD
    assert "before 6 of 30" in told["intermittent"].details[0]
    assert "now 6 of 30" in told["intermittent"].details[0]
    assert "now 5 of 5" in told["confirmed"].details[0]
    quiet = {suspect: try_again((0, 0), (0, 0)) for suspect in trials}
    assert decide(policy(), evidence(now, trials=quiet), TODAY).ships


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        ((10, 40), (3, 10), set()),  # as often as ever
        ((10, 40), (10, 10), {"regressions"}),
        ((2, 100), (8, 20), {"flaky"}),  # far more often
        ((0, 40), (1, 10), {"flaky"}),  # never before: one is too many until it runs again
        ((10, 40), (1, 2), {"flaky"}),  # too few runs to say
        ((1, 4), (3, 10), {"flaky"}),
    ],
)
def test_counts_of_both_sides_are_compared(before: tuple[int, int], now: tuple[int, int], refused: set[str]) -> None:
    """What fails as often as in the baseline is intermittent; what fails more often for certain refuses."""
    sides = []
    for failed, runs in (before, now):
        outcome = Outcome.PASSED if not failed else Outcome.FAILED if failed == runs else Outcome.FLAKY
        cell = cell_side(CELL, {CASE: outcome, OTHER: Outcome.PASSED}, counts={CASE: (failed, runs)})
        sides.append(side(cell, name="b", started="2026-11-20T00:00:00+00:00"))
    decision = decide(policy(), evidence(sides[1], baseline=sides[0]), TODAY)
    assert {check.name for check in decision.refused} == refused
    told = {check.name: check.details for check in decision.checks}
    if not refused:
        assert told["intermittent"] == (
            f"{CELL.id} {CASE}: before 10 of 40 (14 to 40 %) in the baseline, now 3 of 10 (11 to 60 %)",
        )


def test_the_best_baseline_is_the_bar() -> None:
    """A rate that rose a little from baseline to baseline is compared with what it was at best."""
    now = side(cell_side(CELL, {CASE: Outcome.FLAKY, OTHER: Outcome.PASSED}, counts={CASE: (9, 20)}))
    for best, refused in (({}, set()), ({CASE: (1, 40, "2026-01-01")}, {"flaky"})):
        cell = cell_side(CELL, {CASE: Outcome.FLAKY, OTHER: Outcome.PASSED}, counts={CASE: (6, 20)}, best=best)
        old = side(cell, name="b", started="2026-11-20T00:00:00+00:00")
        assert {check.name for check in decide(policy(), evidence(now, baseline=old), TODAY).refused} == refused


def test_what_the_baseline_knows_is_the_old_side_of_a_confirmation() -> None:
    """A suspect that cannot run on the old side is held to its rate in the baseline, where it is known to fail."""
    cell = cell_side(CELL, {CASE: Outcome.FLAKY, OTHER: Outcome.FLAKY}, counts={CASE: (20, 100), OTHER: (0, 100)})
    now = side(cell_side(CELL, {CASE: Outcome.FAILED, OTHER: Outcome.FLAKY}))
    assert list_suspects(now, side(cell, name="b")) == {(CELL.id, CASE): (20, 100), (CELL.id, OTHER): None}
    trial = SuspectTrial(old=(20, 100), place="in the baseline").add((6, 30), None).look(2, PLANNED)
    assert ("c", "n") not in find_confirmed({("c", "n"): trial})


@pytest.mark.slow
def test_good_releases_ship_and_regressions_do_not() -> None:
    """Of simulated releases of 5,000 cases 1 % of the good ones at most is refused, and what was seen is caught."""
    random = np.random.default_rng(1)
    assert measure_discoveries(400, 5000, 0.001, (), random).refused <= 0.01
    assert catch_confirmed(400, 5000, 0.001, 1.0, random) == 1.0
    assert catch_confirmed(400, 5000, 0.001, 0.8, random) >= 0.995
    assert catch_confirmed(1000, 5000, 0.001, 0.5, random) >= 0.985
    assert measure_discoveries(400, 5000, 0.01, (1.0, 0.5), random).false <= 0.05
    assert refuse_good("today", 400, 5000, 0.001, random) > 0.9


def test_the_simulation_is_of_the_code() -> None:
    """What the bench draws at once is what `SuspectTrial` computes one by one."""
    chance, ran = play_trials(np.array([1.0, 0.0]), 0.0, np.array([2, 2]), np.random.default_rng(1))
    assert chance[0] == pytest.approx(try_again((5, 0)).chance)
    assert (chance[1], ran[1]) == (pytest.approx(try_again((0, 0), (0, 0)).chance), 10)


def test_a_suspect_runs_as_it_was_asked_for() -> None:
    """The words that run a suspect again are understood by `harness run`, with what was set, or what is set before."""
    request = Request(command="harness run", cells=("c",), suites=("s",), builder="host", sets=("a=b",), fresh=True)
    words = list(_list_words(request, "c", ["s/test_a.py::test_b[x y]"], 5, ["runtime.runc.source=/x"]))
    assert {"--cell=c", "--builder=host", "--multiply=5", "--fresh", "--suites=s"} <= set(words)
    assert "--case=s/test_a.py::test_b[x y]" in words
    assert [word for word in words if word.startswith("--set")] == ["--set=runtime.runc.source=/x"]


def test_the_old_side_needs_a_confirmation(capsys: pytest.CaptureFixture[str]) -> None:
    """How the old side is made says nothing where nothing runs again."""
    assert main(["gate", "last", "--before", "a=b"]) == 2
    assert "--confirm" in capsys.readouterr().err
