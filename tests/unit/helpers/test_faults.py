"""The fault campaign: its short form, and that it sees what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.model import Outcome
from harness.results import CaseResult, CellResult
from tests import ROOT
from tests.faults import ssh_double
from tests.faults.kinds import KINDS
from tests.faults.points import ACTIONS
from tests.faults.trial import Problem, Trial, check_verdicts
from tools.faults import choose_points, format_table

SHORT = ("kill", "term-hup", "io-error", "guest-panic", "guest-harness-killed", "guest-half-event", "guest-ssh-killed")
"""Kinds of the short form."""

SEED = 3
"""Where the kinds that were found broken once are again where they were."""


@pytest.mark.slow
def test_short_form(tmp_path: Path) -> None:
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
        "--directory",
        str(tmp_path),
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


def test_table_counts_points_and_not_problems() -> None:
    """Two problems of one sort at one point are one; what was tried is not tried again."""
    twice = (Problem(sort="leftover", text="a"), Problem(sort="leftover", text="b"))
    trials = [
        Trial(kind="kill", seed=seed, at=1, of=2, problems=problems, seconds=1)
        for seed, problems in ((1, twice), (2, ()))
    ]

    assert [line.split() for line in format_table(trials).splitlines()[1:]] == [
        ["kill", "2", "0", "0", "1", "0", "0", "0"],
        ["all", "2", "0", "0", "1", "0", "0", "0"],
    ]
    left = [(kind.name, seed) for kind, seed in choose_points([KINDS["kill"], KINDS["int"]], 2, 1, trials[:1])]
    assert left == [("int", 1), ("kill", 2), ("int", 2)]
