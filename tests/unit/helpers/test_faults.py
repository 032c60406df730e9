"""The fault campaign: its short form, and that it sees what is wrong."""

import subprocess
import sys

import pytest

from harness.model import Outcome
from harness.results import CaseResult, CellResult
from tests import ROOT
from tests.faults import ssh_double
from tests.faults.kinds import KINDS
from tests.faults.points import ACTIONS
from tests.faults.problem import Problem
from tests.faults.trial import Trial, check_verdicts
from tools.faults import add_trials, choose_points, format_table, read_table

SHORT = (
    "kill",
    "io-error",
    "guest-panic",
    "guest-half-event",
    "guest-ssh-killed",
    "bisection-kill",
)
"""Kinds of the short form."""

SEED = 3
"""Where the kinds that were found broken once are again where they were."""


@pytest.mark.slow
def test_short_form() -> None:
    """One point of some kinds: no verdict is wrong, no result lost, and nothing left."""
    only = [word for kind in SHORT for word in ("--only", kind)]
    argv = [
        sys.executable,
        "-m",
        "tools.faults",
        "--points",
        "1",
        "--seed",
        str(SEED),
        *only,
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SHORT)} kinds, {len(SHORT)} points; with a problem: 0" in done.stdout


def test_each_kind_is_something_that_happens() -> None:
    """What a row names is there."""
    for kind in KINDS.values():
        assert kind.what in (ssh_double.BAD_DAYS if kind.where == "guest" else ACTIONS), kind.name


def test_another_outcome_is_a_wrong_verdict() -> None:
    """A failure in place of a pass is seen, a case that is lost too; an error only where the kind may make one."""

    def check(kind: str, **outcomes: Outcome) -> list[str]:
        cases = tuple(CaseResult(nodeid=f"a/{name}", outcome=was, raw=was, seconds=0) for name, was in outcomes.items())
        cell = CellResult(id="cell", axes={}, cases=cases)
        return [
            problem.sort for problem in check_verdicts({"cell": cell}, {"cell": {"a/x": Outcome.PASSED}}, KINDS[kind])
        ]

    assert check("kill", x=Outcome.PASSED) == []
    assert check("kill", x=Outcome.FAILED) == ["wrong verdict"]
    assert check("kill", x=Outcome.ERROR) == ["wrong verdict"]
    assert check("guest-panic", x=Outcome.ERROR) == []
    assert check("guest-panic") == ["lost result"]


def test_table_adds_up() -> None:
    """Two problems of one sort at one point are one; what was written is read again, and the next seeds are new."""
    twice = (Problem(sort="leftover", text="a"), Problem(sort="leftover", text="b"))
    trials = [Trial(kind="kill", seed=1, at=1, of=2, problems=problems, seconds=1) for problems in (twice, ())]
    before = read_table(format_table(add_trials({}, trials)))
    counts = add_trials(before, trials)

    assert read_table("") == {}
    assert before["kill"] == counts["kill"] - before["kill"]
    assert (counts["kill"]["points"], counts["kill"]["leftover"], counts["kill"]["hang"]) == (4, 2, 0)
    assert "| all | 4 | 0 | 0 | 2 | 0 | 0 | 0 |" in format_table(counts)
    left = [(kind.name, seed) for kind, seed in choose_points([KINDS["kill"], KINDS["int"]], 2, None, counts)]
    assert left == [("kill", 5), ("int", 1), ("kill", 6), ("int", 2)]
    assert choose_points([KINDS["kill"]], 1, 3, counts) == [(KINDS["kill"], 3)]
