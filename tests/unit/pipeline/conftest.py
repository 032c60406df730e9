"""A cell and its plan, with nothing built for it."""

from pathlib import Path

import pytest

from harness import catalog, matrix
from harness.model import Cell, CgroupMode
from harness.pipeline import RunContext
from harness.plan import Plan, make_plan
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

CELL = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")


@pytest.fixture(scope="session")
def planned() -> Plan:
    known = catalog.load(ROOT)
    return make_plan(CELL, matrix.load(ROOT / "matrix.yaml", known), known, ("cgroup",))


@pytest.fixture
def work(tmp_path: Path) -> RunContext:
    store = Store(tmp_path / "store")
    return RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(60, "cell"))
