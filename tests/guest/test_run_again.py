"""Runs that go on, runs of what failed, many runs of one case, flaky cases: on a real guest, with a suite of the tests."""

import json
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest

from harness import proc, results
from harness.errors import ExitCode
from harness.image import Image
from harness.model import Outcome, Phase
from harness.proc import Done
from harness.results import CaseResult, RunResult
from harness.wait import Deadline, poll
from tests import ROOT

CELL = "debian-bookworm+systemd-252+unified+nspawn"
OTHER = "debian-bookworm+systemd-252+legacy+nspawn"

SUITE = """\
name: demo
description: A suite of the harness's own tests; it says nothing about a runtime.
timeout: 5
reruns: 1
"""

CASES = '''\
"""Cases with every outcome that a rerun can have."""


def test_passes(host):
    assert host.run("true").rc == 0


def test_fails(host):
    assert host.run("echo no; false").rc == 0, "it says no"


def test_passes_the_second_time(host):
    assert host.run("test -e /run/second || { touch /run/second; false; }").rc == 0
'''

OTHER_SUITE = """\
name: boots
description: A suite of the harness's own tests, with a case that asks for a guest that was booted.
"""

OTHER_CASES = """\
import pytest


def test_is_from_memory(machine):
    assert machine.record.origin == "memory"


@pytest.mark.fresh_boot
def test_is_booted(machine, host):
    assert machine.record.origin == "cold"
    assert host.run("test -e /run/seen || { touch /run/seen; false; }").rc == 0


def test_passes():
    pass
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, bookworm: Image) -> Path:
    """A copy of the project whose matrix has two cells and one suite."""
    root = tmp_path_factory.mktemp("project")
    for name in ("images", "suites"):
        shutil.copytree(ROOT / name, root / name)
    (root / "suites" / "demo").mkdir()
    (root / "suites" / "demo" / "suite.yaml").write_text(SUITE, encoding="utf-8")
    (root / "suites" / "demo" / "test_demo.py").write_text(CASES, encoding="utf-8")
    (root / "suites" / "boots").mkdir()
    (root / "suites" / "boots" / "suite.yaml").write_text(OTHER_SUITE, encoding="utf-8")
    (root / "suites" / "boots" / "test_boots.py").write_text(OTHER_CASES, encoding="utf-8")
    (root / "matrix.yaml").write_text(
        "version: 1\n"
        "axes: {distro: [debian/bookworm], systemd: [distro], go: ['1.27'], cgroup: [legacy, unified], runtime: [nspawn]}\n"
        "profiles: {boots: {suites: [boots]}}\n"
        "expectations:\n"
        "  - {cells: cgroup==unified, cases: 'boots/*::test_passes', reason: It never works., expires: 2999-01-01,\n"
        "     issue: 'https://example.org/1'}\n"
        "defaults: {suites: [demo]}\n",
        encoding="utf-8",
    )
    return root


def argv(project: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "harness", "--matrix", str(project / "matrix.yaml"), *words]


def harness(project: Path, *words: str, expect: int) -> Done:
    return proc.run(argv(project, *words), deadline=Deadline.after(400, "run"), expect=(expect,))


def newest(project: Path) -> Path:
    return max((project / "runs").iterdir(), key=lambda path: int(path.name.rpartition("-")[2]))


def outcomes(cases: tuple[CaseResult, ...]) -> dict[str, Outcome]:
    return {case.nodeid.partition("::")[2]: case.outcome for case in cases}


@pytest.fixture(scope="module")
def first(project: Path) -> RunResult:
    """A run of one cell, in which one case fails and one is flaky."""
    harness(project, "run", "--cell", CELL, expect=ExitCode.FAILED)
    return results.read(newest(project) / "result.json")


def test_pass_after_a_rerun_is_flaky(first: RunResult) -> None:
    """Never passed: both outputs are kept; a case that fails each time has failed."""
    (cell,) = first.cells

    assert {
        "test_passes": Outcome.PASSED,
        "test_fails": Outcome.FAILED,
        "test_passes_the_second_time": Outcome.FLAKY,
    } == outcomes(cell.cases)
    assert [0, 1, 1] == [case.reruns for case in cell.cases]
    assert 2 == next(case for case in cell.cases if "fails" in case.nodeid).details.count("AssertionError: it says no")


def test_failed_runs_only_what_failed(project: Path, first: RunResult) -> None:
    """`--failed` makes a new run of the cases that failed, and says so where nothing did."""
    harness(project, "run", "--failed", first.id, expect=ExitCode.FAILED)
    again = results.read(newest(project) / "result.json")

    assert {"test_fails": Outcome.FAILED} == outcomes(again.cells[0].cases)
    assert again.command.endswith(f" run --failed {first.id}")
    assert again.cells[0].again.endswith(f" run --cell {CELL} --case demo/test_demo.py::test_fails")


def test_multiply_prints_a_rate_with_its_interval(project: Path, first: RunResult) -> None:
    """Each repetition is a case of its own, and the rate is that of all of them."""
    done = harness(project, "run", "--cell", CELL, "--multiply", "4", "--", "-k", "fails", expect=ExitCode.FAILED)

    assert 4 == len(results.read(newest(project) / "result.json").cells[0].cases)
    assert "demo/test_demo.py::test_fails 4/4 100% 51% to 100%" in " ".join(done.out.split())


def pasted(line: str) -> list[str]:
    """Return a line of the program's own output as it is run here."""
    program, *words = shlex.split(line)
    assert program == "harness"
    return [sys.executable, "-m", "harness", *words]


def test_line_that_repeats_a_cell_repeats_it(project: Path, first: RunResult) -> None:
    """Pasted and run, `again` is the same cell with the profile's suites, repetitions, guest and arguments."""
    words = ("--profile", "boots", "--cell", CELL, "--multiply", "2", "--fresh", "--", "-k", "passes or booted")
    harness(project, "run", *words, expect=ExitCode.FAILED)
    before = newest(project)
    (cell,) = results.read(before / "result.json").cells
    proc.run(pasted(cell.again), deadline=Deadline.after(400, "run"), expect=(ExitCode.FAILED,))
    after = newest(project)
    (again,) = results.read(after / "result.json").cells
    asked = [json.loads((place / "request.json").read_text(encoding="utf-8")) for place in (before, after)]

    assert before != after
    assert outcomes(cell.cases) == outcomes(again.cases)
    assert 4 == len(again.cases)
    assert [cell.id, "cold"] == [again.id, again.facts["boot"]]
    assert asked[0] | {"command": ""} == asked[1] | {"command": ""}


def test_case_that_asks_for_a_booted_guest_gets_one(project: Path, first: RunResult) -> None:
    """The others start from memory as ever; both guests leave their evidence, and the cell has all cases."""
    done = harness(project, "run", "--profile", "boots", "--cell", CELL, expect=ExitCode.FAILED)
    directory = newest(project) / "cells" / CELL
    run = results.read(newest(project) / "result.json")
    (cell,) = run.cells

    assert {
        "test_is_from_memory": Outcome.PASSED,
        "test_is_booted": Outcome.FAILED,
        "test_passes": Outcome.XPASSED,
    } == outcomes(cell.cases)
    # It looked at a guest that nobody had used, so its second statement is what fails.
    assert "test -e /run/seen" in next(case.details for case in cell.cases if "booted" in case.nodeid)
    assert "memory" == cell.facts["boot"]
    assert 2 == sum(item.phase is Phase.BOOT for item in cell.phases)
    for name in (
        "machine/console.log",
        "booted/machine/console.log",
        "booted/machine/journal.txt",
        "booted/pytest.log",
    ):
        assert (directory / name).stat().st_size > 0, name
    assert ["passes"] == [item.state for item in run.expectations]
    assert "boots/*::test_passes where cgroup==unified: passes in 1 case, and can be removed" in done.out
    assert "It never works. https://example.org/1" in done.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is not complete JSON text"),
        ('{"command": "x", "cells": [', "it is not complete JSON text"),
        ('{"command": "x", "cells": [], "suites": []}', "the key `builder` is missing"),
        ('{"command": "x", "cells": [], "suites": [], "builder": "host", "more": 1}', "the key `more` is not known"),
        ('{"command": "x", "cells": [], "suites": 5, "builder": "host"}', "`suites` must be a valid array"),
        ("[]", "the file must be an object"),
    ],
)
def test_request_that_is_broken_is_named(project: Path, tmp_path: Path, content: str, said: str) -> None:
    """A request.json that was cut off or changed ends with its path, one sentence and what to do; exit 2."""
    (tmp_path / "request.json").write_text(content, encoding="utf-8")
    done = harness(project, "run", "--resume", str(tmp_path), expect=ExitCode.USAGE)
    message = " ".join(done.out.split())

    assert f"{tmp_path / 'request.json'} does not say what was asked for: {said}" in message
    assert "Begin a new run" in message
    assert "pydantic" not in message


def test_run_that_was_killed_goes_on(project: Path, first: RunResult) -> None:
    """After kill -9 of the harness in its second cell: `--resume` repeats no finished cell and ends as if nothing was."""
    deadline = Deadline.after(400, "killed run")
    before = newest(project)
    words = ("run", "-j", "1", "--", "-k", "passes")
    with (project / "output").open("wb") as output, proc.start(argv(project, *words), output=output) as process:
        poll(lambda: True if newest(project) != before else None, deadline)
        directory = newest(project)
        cells = directory / "cells"
        done = poll(lambda: next(iter(cells.glob("*/result.json")), None), deadline)
        other = ({CELL, OTHER} - {done.parent.name}).pop()
        record = cells / other / "machine" / "machine.json"
        poll(lambda: True if record.exists() and json.loads(record.read_bytes())["pid"] else None, deadline)
        orphan = json.loads(record.read_bytes())["pid"]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(deadline)
    finished_at = done.stat().st_mtime_ns
    harness(project, "run", "--resume", directory.name, expect=ExitCode.OK)
    result = results.read(directory / "result.json")

    assert finished_at == done.stat().st_mtime_ns
    assert [OTHER, CELL] == [cell.id for cell in result.cells]
    assert all(Outcome.PASSED == outcomes(cell.cases)["test_passes"] for cell in result.cells)
    assert not Path(f"/proc/{orphan}").exists()
    assert not result.interrupted


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--resume", "20000101-1"), ExitCode.USAGE, "There is no run 20000101-1: "),
        (("--resume", "x", "--failed", "y"), ExitCode.USAGE, "take no other cells"),
        (("--failed", "x", "--suites", "demo"), ExitCode.USAGE, "take no other cells"),
        (("--cell", CELL, "--case", "pod/test_x.py::test_y"), ExitCode.USAGE, "in no suite that runs; these do: demo"),
        (("--cell", "x", "--select", "go==1"), ExitCode.USAGE, "exclude each other"),
        (("--cell", CELL, "--shard", "3/2"), ExitCode.USAGE, "`3/2` is not a shard"),
        (("--cell", CELL, "--memory", "500"), ExitCode.USAGE, "needs 1 cores and 1280 MiB"),
    ],
)
def test_wish_that_cannot_be_fulfilled_is_said(project: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """Runs, shards and sizes that do not exist end with a sentence before anything is booted."""
    assert said in harness(project, "run", *words, expect=code).out
