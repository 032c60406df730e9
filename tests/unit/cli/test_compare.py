"""The verbs compare and gate, end to end on a project of fakes."""

import json
import sys
from pathlib import Path

import pytest

from harness import cli, proc
from harness.model import Outcome
from harness.results import CellResult, RunResult
from harness.wait import Deadline
from tests.helpers import trees
from tests.helpers.sides import CASE, run_result, write_run

LEGACY, UNIFIED = "debian-bookworm+systemd-252+legacy+nspawn", "debian-bookworm+systemd-252+unified+nspawn"
POLICY = """\
version: 1
description: A test.
required: [{cells: distro==debian/bookworm and runtime==nspawn, suites: [cgroup]}]
minimum_ran: 2
baseline: {name: release}
"""


def result(name: str, legacy: Outcome, **more: object) -> RunResult:
    """Return a run of two cells that differ in their cgroup mode."""
    run = run_result(name, {LEGACY: {CASE: legacy}, UNIFIED: {CASE: Outcome.PASSED}}, **more)
    one, other = run.cells
    cells: tuple[CellResult, ...] = (one, other.model_copy(update={"axes": {**other.axes, "cgroup": "unified"}}))
    return run.model_copy(update={"cells": cells})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a policy, a good run 20261124-1, a worse one 20261124-2, and the first as baseline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)
    trees.write(
        tmp_path,
        trees.PROJECT | {"matrix.yaml": trees.AXES.replace(", runc@1.1.5", ""), "ci/release-policy.yaml": POLICY},
    )
    for name, outcome in (("20261124-1", Outcome.PASSED), ("20261124-2", Outcome.FAILED)):
        write_run(tmp_path / "runs" / name, result(name, outcome))
    assert cli.main(["baseline", "save", "release", "20261124-1"]) == 0
    return tmp_path


def test_compare_says_what_regressed_and_which_axis_it_follows(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Baseline against run: exit code 1, the case, the rule, the message; as a table, JSON, names and Markdown."""
    capsys.readouterr()
    assert cli.main(["compare", "release", "last", "--markdown", "out/pr.md"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("release -> last: 1 regressed, 1 same; 2 cells on both sides")
    assert "the only one has cgroup==legacy, and none of 1 other" in out
    assert f"{LEGACY} (was passed): failed it is" in out
    assert (project / "out" / "pr.md").read_text(encoding="utf-8").startswith("## `release` → `last`")
    assert cli.main(["compare", "release", "last", "--format", "json"]) == 1
    read = json.loads(capsys.readouterr().out)
    assert (read["counts"], read["follows"]["expression"]) == ({"regressed": 1, "same": 1}, "cgroup==legacy")
    assert cli.main(["compare", "release", "last", "--format", "ids"]) == 1
    assert capsys.readouterr().out == f"{LEGACY} {CASE}\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["release", "20261124-1"], 0),
        (["20261124-2", "20261124-1"], 0),
        (["release", "last", "--select", "cgroup==unified"], 0),
        (["release", "last", "--across", "cgroup", "--select", "cgroup==legacy"], 1),
        (["release", "last", "--across", "cgroup"], 2),
        (["release", "20261124-1,20261124-2"], 2),
        (["release", "nothing"], 2),
        (["release", "runs"], 2),
        (["release", "last", "--select", "cgroup==unified and systemd<2"], 4),
    ],
)
@pytest.mark.usefixtures("project")
def test_exit_code_of_compare_is_the_answer(words: list[str], code: int) -> None:
    """0 no regression, 1 some, 2 wrong words, 3 what cannot be read, 4 nothing to compare."""
    assert cli.main(["compare", *words]) == code


def test_gate_ships_and_refuses_with_reasons(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 for what is as the baseline, 1 for what is worse; the decision as text, JSON, JUnit and Markdown."""
    assert cli.main(["gate", "20261124-1"]) == 0
    capsys.readouterr()
    assert cli.main(["gate", "last", "--junit", "gate.xml", "--markdown", "gate.md"]) == 1
    assert capsys.readouterr().out.startswith(
        "release gate: refused for 1 reason\n  refused  1 regression; 0 are allowed."
    )
    assert "1 regression; 0 are allowed." in (project / "gate.xml").read_text(encoding="utf-8")
    assert (project / "gate.md").read_text(encoding="utf-8").startswith("## Release gate: refused for 1 reason")
    assert cli.main(["gate", "last", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["ships"] is False
    assert cli.main(["gate", "last", "--format", "ids"]) == 1
    assert capsys.readouterr().out == "regressions\n"


def test_shards_are_decided_together(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All shards ship; without one, and with two results for a cell, the gate refuses and names it."""
    whole = result("20261124-1", Outcome.PASSED)
    for number, (cell, started) in enumerate(
        zip(whole.cells, ("2026-11-24T00:00:00+00:00", "2031-01-01T00:00:00+00:00"), strict=True), 1
    ):
        # Results of before December 2026 have the shard in their command line alone.
        command = f"harness run --shard {number}/2" if number == 1 else "harness run"
        shard = None if number == 1 else (number, 2)
        change = {"cells": (cell,), "command": command, "started": started, "shard": shard}
        write_run(project / "shards" / str(number), whole.model_copy(update=change))
    assert cli.main(["gate", "shards/1", "shards/2"]) == 0
    capsys.readouterr()
    assert cli.main(["gate", "shards/2"]) == 1
    out = capsys.readouterr().out
    assert "The shard 1/2 is missing: none of shards/2 is it." in out
    assert f"{LEGACY}: there is no result." in out
    assert cli.main(["gate", "shards/1", "shards/2", "20261124-1"]) == 1
    assert f"The cell {LEGACY} has two results: one in shards/1/result.json, one in 20261124-1/result.json" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.slow
def test_gate_without_what_it_needs_does_not_ship(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No baseline and a broken one refuse; no policy and no run are errors."""
    base = project / "ci" / "baselines" / "release.json"
    base.write_text("{", encoding="utf-8")
    assert cli.main(["gate", "20261124-1"]) == 1
    assert "The baseline cannot be read: ci/baselines/release.json:1:2: this baseline is not JSON" in " ".join(
        capsys.readouterr().out.split()
    )
    assert cli.main(["gate", "20261124-1", "--baseline", "release"]) == 3
    assert "error: ci/baselines/release.json:1:2: this baseline is not JSON" in capsys.readouterr().err
    base.unlink()
    assert cli.main(["gate", "20261124-1"]) == 1
    assert "There is no baseline release (ci/baselines/release.json)" in capsys.readouterr().out
    assert cli.main(["gate", "20261124-9"]) == 2
    (project / "ci" / "release-policy.yaml").unlink()
    assert cli.main(["gate", "20261124-1"]) == 2


@pytest.mark.slow
def test_a_refusal_outlives_its_reader(project: Path) -> None:
    """Whoever reads the first line of the decision, or nothing, gets the gate's own exit code."""
    script = f"set -o pipefail; {sys.executable} -m harness gate last --format json | true"
    done = proc.run(["bash", "-c", script], deadline=Deadline.after(60, "gate"), cwd=project, expect=None)

    assert (done.code, done.out) == (1, "")
