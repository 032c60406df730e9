"""What upgrades broke of rkt (docs/reference/rkt-2019.md), on minirkt, the test double: red as it says, and green with the fix."""

from pathlib import Path

import pytest

from harness import matrix, pipeline
from harness.model import Cell, Outcome
from harness.pipeline import CellTask, RunContext
from harness.plan import make_plan
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT
from tests.helpers import minirkt
from tools.rkt_breakages import Breakage, read

SYSTEMD = {"bullseye": "247", "bookworm": "252", "trixie": "257"}
"""Of the images."""

ALWAYS = "cgroups of controllers"
"""The row that is tried with each change of the project; each row starts two guests."""

ROWS = [
    pytest.param(row, kind, id=f"{row.name}-{kind}", marks=() if row.name == ALWAYS else pytest.mark.longer)
    for row in read() if row.shown is not None for kind in ("red", "green")
]  # fmt: skip


@pytest.mark.parametrize(("row", "kind"), ROWS)
def test_breakage_is_red_as_found_and_green_with_the_fix(
    row: Breakage, kind: str, store: Store, tmp_path: Path
) -> None:
    """The one case, in a cell of its own, built by a catalog that calls the double `rkt`."""
    shown = row.shown
    assert shown
    double = shown.red if kind == "red" else shown.green
    known = minirkt.catalog_with_it(ROOT, tmp_path / "knowledge", double)
    project = matrix.load(ROOT / "matrix-rkt.yaml", known)
    defaults = project.defaults.model_copy(update={"builder": "host"})
    cell = Cell(
        distro="debian", channel=shown.channel, systemd=SYSTEMD[shown.channel], cgroup=shown.mode, go="1.27",
        runtime="rkt", runtime_version="1.30.0", flavor="host",
    )  # fmt: skip
    work = RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(880, "cell"))
    suite = shown.case.partition("/")[0]
    planned = make_plan(cell, project.model_copy(update={"defaults": defaults}), known, (suite,))
    result = pipeline.evaluate(CellTask(plan=planned, cases=(shown.case,)), work, tmp_path / "cell")

    assert result.error is None
    assert result.facts["runtime"].partition(" (")[0].endswith(f"{double.split()[0]}+minirkt")
    assert [(case.nodeid, case.outcome) for case in result.cases] == [
        (shown.case, Outcome.FAILED if kind == "red" else Outcome.PASSED)
    ], [case.message for case in result.cases]
