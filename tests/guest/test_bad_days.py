"""Bad days inside of a guest: whole runs whose guest loses its network, fills its disk, or has its clock set."""

import shutil
import sys
from pathlib import Path

import pytest

from harness import proc, results
from harness.errors import ExitCode
from harness.image import Image
from harness.model import Outcome, Phase, State
from harness.results import CaseResult, CellResult
from harness.wait import Deadline
from tests import ROOT

LOST = "debian-bookworm+systemd-252+legacy+nspawn"
FULL = "debian-bookworm+systemd-252+unified+nspawn"

NOTICED = 150.0
"""Seconds in which a run ends whose guest cannot be reached any more, its start included; ssh's own are a third of it."""

SUITE = """\
name: bad
description: A suite of the harness's own tests; it says nothing about a runtime.
timeout: 60
"""

CASES = '''\
"""Each cell has a bad day of its own, between a case before it and a case after it."""

import pytest


def test_before(host):
    assert host.run("true").rc == 0


@pytest.mark.needs(cgroup="legacy")
def test_network(host):
    host.run("(sleep 2; ip link set eth0 down) >/dev/null 2>&1 </dev/null &")
    assert host.run("sleep 599").rc == 0


@pytest.mark.needs(cgroup="unified")
def test_clock(host):
    assert host.run("date --set '+400 days'").rc == 0
    assert host.run("sleep 1").rc == 0
    assert host.run("date --set '-800 days'").rc == 0
    assert host.run("sleep 1").rc == 0


@pytest.mark.needs(cgroup="unified")
def test_disk(host):
    host.run("fallocate -l 99G /root/most; cat /dev/zero >/root/rest")
    done = host.run("cp /etc/passwd /root/more")
    assert done.rc == 0, done.stderr


def test_after(host):
    assert host.run("true").rc == 0
'''


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, bookworm: Image) -> Path:
    """The directory of a run in which each cell has a bad day."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "images", root / "images")
    (root / "suites" / "bad").mkdir(parents=True)
    shutil.copy(ROOT / "suites" / "pytest.ini", root / "suites")
    (root / "suites" / "bad" / "suite.yaml").write_text(SUITE, encoding="utf-8")
    (root / "suites" / "bad" / "test_bad.py").write_text(CASES, encoding="utf-8")
    (root / "matrix.yaml").write_text(
        "version: 1\n"
        "axes: {distro: [debian/bookworm], systemd: [distro], go: ['1.27'], cgroup: [legacy, unified], runtime: [nspawn]}\n"
        "defaults: {suites: [bad]}\n",
        encoding="utf-8",
    )
    argv = [sys.executable, "-m", "harness", "--matrix", str(root / "matrix.yaml"), "run"]
    proc.run(argv, deadline=Deadline.after(800, "run"), expect=(ExitCode.INFRASTRUCTURE,), output=root / "output")
    (directory,) = (root / "runs").iterdir()
    return directory


@pytest.fixture(scope="module")
def cells(directory: Path) -> dict[str, CellResult]:
    """The cells of that run."""
    return {cell.id: cell for cell in results.read(directory / "result.json").cells}


def case_of(cell: CellResult, name: str) -> CaseResult:
    """Return the case of a name."""
    return next(case for case in cell.cases if case.nodeid.endswith(f"::{name}"))


def test_guest_that_loses_its_network_is_an_error_soon(cells: dict[str, CellResult]) -> None:
    """The case in which ssh falls silent is an error that names cell, phase and file, in minutes; no later case runs."""
    cell = cells[LOST]
    lost, after = case_of(cell, "test_network"), case_of(cell, "test_after")

    assert Outcome.PASSED == case_of(cell, "test_before").outcome
    assert [Outcome.ERROR, Outcome.ERROR] == [lost.outcome, after.outcome]
    assert f"The guest {LOST} cannot be reached by ssh" in lost.message
    assert "in the case" in lost.message
    assert "machine/console.log" in lost.message
    assert after.message.startswith("Not run, because the guest is gone")
    assert lost.seconds < NOTICED
    assert sum(phase.seconds for phase in cell.phases) < NOTICED + 240


def test_full_disk_is_the_cases_own_failure(cells: dict[str, CellResult]) -> None:
    """A guest whose disk is full says so in the case that writes; the cases after it and the evidence are as ever."""
    cell = cells[FULL]
    full = case_of(cell, "test_disk")

    assert Outcome.FAILED == full.outcome
    assert "No space left on device" in f"{full.message}\n{full.details}"
    assert Outcome.PASSED == case_of(cell, "test_after").outcome
    assert cell.error is None


def test_clock_that_jumps_is_no_time_that_passed(cells: dict[str, CellResult]) -> None:
    """A guest's clock may jump by years, there and back: no deadline is near, and no case seems to take longer."""
    jumped = case_of(cells[FULL], "test_clock")

    assert Outcome.PASSED == jumped.outcome, jumped.message
    assert 2 < jumped.seconds < NOTICED


def test_other_cells_go_on_with_all_their_evidence(cells: dict[str, CellResult], directory: Path) -> None:
    """A lost guest stops no other cell, and what could be collected is there."""
    assert {LOST, FULL} == set(cells)
    assert all(State.FAILED != phase.state for phase in cells[FULL].phases)
    assert Phase.SUITES in {phase.phase for phase in cells[LOST].phases}
    assert (directory / "cells" / FULL / "plan.json").exists()
    assert "Linux version" in (directory / "cells" / FULL / "machine" / "journal.txt").read_text(encoding="utf-8")
    assert "Linux version" in (directory / "cells" / LOST / "machine" / "console.log").read_text(encoding="utf-8")
