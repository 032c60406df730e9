"""A guest whose boot is lost; its QEMU is a program that never answers."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from harness.accel import make_tcg
from harness.errors import CancelledError, DeadlineError
from harness.pipeline import CellTask, RunContext, guest
from harness.pipeline.context import Evaluation
from harness.plan import Plan
from harness.qemu import MachineSpec
from harness.wait import Cancellation, Deadline


@pytest.fixture
def begun(planned: Plan, work: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """An evaluation where QEMU notes that it was started, and then does nothing."""
    (tmp_path / "bin").mkdir()
    for name, script in (("qemu-system-x86_64", f"echo >> {tmp_path}/starts; exec sleep 60"), ("qemu-img", "exit 0")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return Evaluation(task=CellTask(plan=planned), context=replace(work, fresh=True), directory=tmp_path, factor=10)


def start(it: Evaluation, deadline: Deadline) -> None:
    """Start its guest, and end it at once."""
    spec = MachineSpec(
        name="cell", disk=Path("/d"), kernel=Path("/k"), initrd=None, accelerator=make_tcg("There is no KVM.")
    )
    with ExitStack() as stack:
        stack.enter_context(guest._start(it, spec, it.directory / "machine", deadline))


@pytest.mark.slow
def test_a_boot_that_is_lost_is_tried_once_more(begun: Evaluation, tmp_path: Path) -> None:
    """The first one has a third of the time; its evidence is kept, and the facts say that there was one."""
    (tmp_path / "machine-lost").mkdir()
    (tmp_path / "machine-lost" / "older").touch()

    with pytest.raises(DeadlineError):
        start(begun, Deadline.after(3, "boot of x"))

    assert (tmp_path / "starts").read_text() == "\n\n"
    assert begun.facts["boot_retry"].startswith("The boot of x did not end within 1 s.")
    for place in ("machine-lost", "machine"):
        assert (tmp_path / place / "machine.json").exists()
    assert not (tmp_path / "machine-lost" / "older").exists()


def test_a_boot_is_not_tried_again_in_a_run_that_ends(begun: Evaluation, tmp_path: Path) -> None:
    """After an interruption nothing begins."""
    cancelled = Cancellation()
    cancelled.set()
    with pytest.raises(CancelledError):
        start(begun, Deadline.after(3, "boot of x", cancelled=cancelled))
    assert ({}, False) == (begun.facts, (tmp_path / "machine-lost").exists())
