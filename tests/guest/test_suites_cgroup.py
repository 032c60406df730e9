"""The suite cgroup in a real guest: it passes where it should, and fails where the guest is not what the cell says."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import accel, catalog, machine, matrix, pipeline, suite
from harness.cell_file import Limits
from harness.image import Image
from harness.machine import Machine
from harness.model import Cell, CgroupMode, Outcome
from harness.pipeline import CellTask, RunContext
from harness.plan import make_plan
from harness.results import CaseResult
from harness.store import Store
from harness.suite import SuiteSpec, read_report
from harness.wait import Deadline, poll
from tests import ROOT

CELL = Cell(distro="debian", channel="bookworm", systemd="252", cgroup=CgroupMode.UNIFIED, runtime="nspawn")

LEAKY = """
import pytest
pytest_plugins = ["suites.conftest"]

def test_tidy(runtime):
    with runtime.start("sleep", "60") as container:
        assert container.name in runtime.list()

def test_leaky(runtime, guest):
    assert runtime.run("true").code == 0
    guest.do("mkdir /sys/fs/cgroup/left-behind && mkdir /run/left && mount -t tmpfs x /run/left")

def test_tidy_again(runtime):
    assert runtime.run("true").code == 0
"""


@pytest.fixture(scope="module")
def guest(store: Store, bookworm: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Bookworm, booted unified."""
    deadline = Deadline.after(600, "guest of the suites")
    accelerator = accel.probe(bookworm.kernel, store.root, deadline)
    rule = catalog.load(ROOT).systemd.find_cgroup_rule(CELL.systemd, CELL.cgroup)
    assert rule.arguments is not None
    spec = machine.specify(bookworm, name="suites", arguments=rule.arguments, accelerator=accelerator)
    with machine.boot(spec, tmp_path_factory.mktemp("suites") / "machine", deadline) as booted:
        yield booted


def run(cell: Cell, guest: Machine, directory: Path, *arguments: str, root: Path = ROOT / "suites") -> list[CaseResult]:
    """Run a suite as `harness run` does; its cases."""
    spec = SuiteSpec(
        cell=cell, machine=guest.files.directory, root=root, directory=directory, arguments=arguments,
        suites={"cgroup": Limits(timeout=300, reruns=0)},
    )  # fmt: skip
    return list(suite.run(spec, Deadline.after(800, "suite")))


def failed(cases: list[CaseResult]) -> dict[str, str]:
    return {case.nodeid: case.message for case in cases if case.outcome not in {Outcome.PASSED, Outcome.SKIPPED}}


@pytest.mark.parametrize(
    ("mode", "runtime", "workers"),
    [
        (CgroupMode.LEGACY, "nspawn", 1),
        (CgroupMode.UNIFIED, "nspawn", 2),
        (CgroupMode.LEGACY, "runc", 2),
        (CgroupMode.UNIFIED, "runc", 1),
        (CgroupMode.UNIFIED, "crun", 1),
    ],
)
def test_suite_passes(
    mode: CgroupMode, runtime: str, workers: int, store: Store, docker: None, bookworm: Image, tmp_path: Path
) -> None:
    """Every case passes or says why it cannot, with independent cases side by side too, and no case runs twice."""
    known = catalog.load(ROOT)
    wanted = replace(CELL, cgroup=mode, runtime=runtime)
    if runtime == "runc":
        wanted = replace(wanted, runtime_version="1.1.5", go="1.27")
    project = matrix.load(ROOT / "matrix.yaml", known)
    work = RunContext(store=store, emit=lambda _: None, deadline=Deadline.after(850, "cell"), workers=workers)
    planned = replace(make_plan(wanted, project, known, ("cgroup",)), cpus=workers)
    result = pipeline.evaluate(CellTask(plan=planned), work, tmp_path / "cell")

    assert result.error is None
    assert (tmp_path / "cell" / "groups.json").exists() == (workers > 1)
    assert failed(list(result.cases)) == {}
    assert len({case.nodeid for case in result.cases}) == len(result.cases)
    assert sum(case.outcome is Outcome.PASSED for case in result.cases) >= 35
    assert all(case.message.startswith("needs ") for case in result.cases if case.outcome is Outcome.SKIPPED)


@pytest.mark.parametrize("mode", [CgroupMode.LEGACY, CgroupMode.HYBRID])
def test_unified_guest_fails_as_another_mode(guest: Machine, tmp_path: Path, mode: CgroupMode) -> None:
    """The suite is not vacuous: a guest booted unified but run as if legacy or hybrid fails, and is not skipped."""
    cases = run(replace(CELL, cgroup=mode), guest, tmp_path, "-k", "test_mounts or test_limit_is or limit_is_written")
    wrong = {nodeid.rpartition("::")[2] for nodeid in failed(cases)}

    assert wrong >= {
        "test_guest_is_in_the_mode_of_its_cell",
        "test_each_v1_controller_has_its_own_hierarchy",
        "test_systemd_has_a_v1_hierarchy_of_its_own",
        "test_memory_limit_is_written_v1",
        "test_cpu_limit_is_written_v1",
    }
    assert {case.outcome for case in cases if case.nodeid in failed(cases)} == {Outcome.FAILED}


def test_case_that_leaves_something_fails(guest: Machine, tmp_path: Path) -> None:
    """What a case leaves in the guest is its failure, named, and not that of the next case."""
    demo = tmp_path / "suites" / "cgroup"
    demo.mkdir(parents=True)
    (tmp_path / "suites" / "pytest.ini").write_text("[pytest]\n")
    (demo / "conftest.py").write_text("")
    (demo / "test_leaky.py").write_text(LEAKY)
    cases = run(CELL, guest, tmp_path / "out", "-p", "suites.conftest", root=tmp_path / "suites")
    guest.run("umount /run/left; rmdir /run/left /sys/fs/cgroup/left-behind", deadline=Deadline.after(60, "tidying"))

    assert [case.outcome for case in cases] == [Outcome.PASSED, Outcome.FAILED, Outcome.PASSED]
    assert cases[1].message.endswith("left in the guest: cgroup /sys/fs/cgroup/left-behind/, mount /run/left")


def test_killed_guest_makes_errors(guest: Machine, tmp_path: Path) -> None:
    """QEMU killed in the middle of a suite: nothing is called a failure of the runtime. The last test of the module."""
    pid = guest.record.pid
    assert pid is not None

    def kill() -> None:
        poll(lambda: list(read_report(tmp_path / "reportlog.jsonl"))[4:] or None, Deadline.after(300, "first cases"))
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    cases = run(CELL, guest, tmp_path)
    killer.join()
    outcomes = {case.outcome for case in cases}

    assert Outcome.ERROR in outcomes
    assert Outcome.FAILED not in outcomes
    assert any("QEMU is not running any more" in case.message for case in cases)
