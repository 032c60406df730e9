"""The suites in real guests: they pass on nspawn and on runc, or say which feature is lacking."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import catalog, matrix, pipeline
from harness.image import Image
from harness.model import Cell, CgroupMode, Outcome
from harness.pipeline import Workplace
from harness.plan import plan
from harness.store import Store
from harness.wait import Deadline

pytestmark = pytest.mark.guest

ROOT = Path(__file__).parents[1]
NSPAWN = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
RUNC = replace(NSPAWN, cgroup=CgroupMode.LEGACY, runtime="runc", runtime_version="1.1.5", go="1.27")


@pytest.mark.parametrize(
    ("cell", "suite", "least"),
    [
        pytest.param(NSPAWN, "networking", 46, id="nspawn-networking"),
        pytest.param(NSPAWN, "pod", 80, id="nspawn-pod"),
        pytest.param(RUNC, "appc", 60, id="runc-appc"),
        pytest.param(RUNC, "pod", 55, id="runc-pod"),
        pytest.param(NSPAWN, "appc", 60, id="nspawn-appc", marks=pytest.mark.longer),
        pytest.param(RUNC, "networking", 46, id="runc-networking", marks=pytest.mark.longer),
    ],
)
def test_suite_passes(
    cell: Cell, suite: str, least: int, store: Store, docker: None, bookworm: Image, tmp_path: Path
) -> None:
    """Most cases run; each of them passes, and the others say what they need."""
    known = catalog.load(ROOT)
    project = matrix.load(ROOT / "matrix.yaml", known)
    work = Workplace(store=store, emit=lambda _: None, deadline=Deadline.after(850, "cell"))
    result = pipeline.evaluate(plan(cell, project, known, (suite,)), work, tmp_path / "cell")
    good = {Outcome.PASSED, Outcome.SKIPPED}
    outcomes = [case.outcome for case in result.cases]

    assert result.error is None
    assert {case.nodeid: case.message for case in result.cases if case.outcome not in good} == {}
    assert outcomes.count(Outcome.PASSED) >= least
    assert all(case.message.startswith("needs ") for case in result.cases if case.outcome is Outcome.SKIPPED)
