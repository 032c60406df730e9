"""The suites in real guests: they pass on nspawn, on runc and on crun, or say which feature is lacking."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, matrix, pipeline
from harness.image import Image
from harness.model import Cell, CgroupMode, Outcome
from harness.pipeline import CellTask, RunContext
from harness.plan import make_plan
from harness.results import CellResult
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

NSPAWN = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
RUNC = replace(NSPAWN, cgroup=CgroupMode.LEGACY, runtime="runc", runtime_version="1.1.5", go="1.27")
CRUN = replace(NSPAWN, runtime="crun")
UPGRADE = replace(NSPAWN, upgrade="254")

TOGETHER = (
    "kvm/test_pod.py::test_pod_reaches_the_guest",
    "networking/test_default.py::test_container_reaches_the_guest",
    "pod/test_apps.py::test_every_app_is_running",
)
"""Cases that need what their suites set up, and one that starts after them."""


@pytest.mark.parametrize(
    ("cell", "suite", "least"),
    [
        pytest.param(NSPAWN, "networking", 46, id="nspawn-networking"),
        pytest.param(NSPAWN, "pod", 80, id="nspawn-pod"),
        pytest.param(NSPAWN, "kvm", 21, id="nspawn-kvm"),
        # Where a command is, is asked of runc at each of the seven events; statistics are two more.
        pytest.param(NSPAWN, "lifecycle", 114, id="nspawn-lifecycle"),
        pytest.param(NSPAWN, "booted", 60, id="nspawn-booted", marks=pytest.mark.longer),
        pytest.param(NSPAWN, "inside", 9, id="nspawn-inside", marks=pytest.mark.longer),
        pytest.param(RUNC, "appc", 60, id="runc-appc"),
        pytest.param(RUNC, "pod", 55, id="runc-pod"),
        pytest.param(RUNC, "lifecycle", 100, id="runc-lifecycle", marks=pytest.mark.longer),
        pytest.param(NSPAWN, "appc", 60, id="nspawn-appc", marks=pytest.mark.longer),
        pytest.param(RUNC, "networking", 46, id="runc-networking", marks=pytest.mark.longer),
        pytest.param(RUNC, "kvm", 21, id="runc-kvm", marks=pytest.mark.longer),
        pytest.param(UPGRADE, "upgrade", 70, id="nspawn-upgrade", marks=pytest.mark.longer),
        pytest.param(CRUN, "appc", 60, id="crun-appc", marks=pytest.mark.longer),
        pytest.param(CRUN, "pod", 57, id="crun-pod", marks=pytest.mark.longer),
    ],
)
def test_suite_passes(
    cell: Cell, suite: str, least: int, store: Store, docker: None, bookworm: Image, tmp_path: Path
) -> None:
    """Most cases run; each of them passes or fails in a known way, and the others say what they need."""
    result = _evaluate(cell, (suite,), store, tmp_path)
    good = {Outcome.PASSED, Outcome.SKIPPED, Outcome.XFAILED}
    outcomes = [case.outcome for case in result.cases]

    assert result.error is None
    assert {case.nodeid: case.message for case in result.cases if case.outcome not in good} == {}
    assert outcomes.count(Outcome.PASSED) >= least
    assert all(case.message.startswith("needs ") for case in result.cases if case.outcome is Outcome.SKIPPED)


def test_suites_share_a_guest(store: Store, docker: None, bookworm: Image, tmp_path: Path) -> None:
    """What a suite sets up in the guest is gone when the next begins: no port is taken, and nothing seems to be left."""
    result = _evaluate(NSPAWN, ("kvm", "networking", "pod"), store, tmp_path, TOGETHER)

    assert result.error is None
    assert {case.nodeid: case.outcome for case in result.cases} == dict.fromkeys(TOGETHER, Outcome.PASSED)


def _evaluate(
    cell: Cell, suites: tuple[str, ...], store: Store, directory: Path, cases: tuple[str, ...] = ()
) -> CellResult:
    known = catalog.load(ROOT)
    project = matrix.load(ROOT / "matrix.yaml", known)
    work = RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(850, "cell"))
    task = CellTask(
        plan=make_plan(cell, project, known, suites), cases=cases, expectations=project.find_expectations(cell)
    )
    return pipeline.evaluate(task, work, directory / "cell")
