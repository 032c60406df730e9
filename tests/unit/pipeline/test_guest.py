"""A guest whose boot is lost, with a QEMU that never answers; and how a runtime proves what it is."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from harness.accel import make_tcg
from harness.errors import CancelledError, DeadlineError, InfrastructureError, UsageError
from harness.image import Image
from harness.machine import Machine
from harness.pipeline import CellTask, RunContext, guest
from harness.pipeline.context import Evaluation
from harness.plan import Plan
from harness.proc import CommandError, Done
from harness.qemu import MachineSpec
from harness.store import Artifact
from harness.wait import Cancellation, Deadline


@pytest.fixture
def begun(planned: Plan, work: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """An evaluation where QEMU notes that it was started, and then does nothing."""
    (tmp_path / "bin").mkdir()
    qemu = f'case "$*" in *"-machine none"*) exit 0 ;; esac; echo >> {tmp_path}/starts; exec sleep 60'
    for name, script in (("qemu-system-x86_64", qemu), ("qemu-img", "exit 0")):
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
        start(begun, Deadline.after(6, "boot of x"))

    assert (tmp_path / "starts").read_text() == "\n\n"
    assert begun.facts["boot_retry"].startswith("The boot of x did not end within 2 s.")
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


@pytest.mark.parametrize(
    ("version", "said", "holds"),
    [
        ("1.8.1-1+deb12u1", "crun version 1.8.1", True),
        ("0.17+dfsg-1+deb11u2", "crun version 0.17", True),
        ("1.0.0~rc93+ds1-5+deb11u5", "runc version 1.0.0~rc93+ds1", True),
        ("1:1.21-1", "crun version 1.21", True),
        ("1.21-1", "crun version 1.2", False),
        ("1.2-1", "crun version 1.21", False),
        ("1.2-1", "crun version 1.2.1", False),
        ("1.2-1", "crun version 0.1.2", False),
        ("1.8.1-1", "", False),
    ],
)
def test_a_packaged_runtime_says_the_version_of_its_package(
    begun: Evaluation, tmp_path: Path, version: str, said: str, *, holds: bool
) -> None:
    """The package's number as a whole is in what it says; all of it is a fact, and another one breaks the cell."""
    plan = replace(begun.plan, packages=("crun", "crun-helper"), command=("crun", "--version"))
    it = replace(begun, task=CellTask(plan=plan))
    tree = Artifact(
        kind="packages", key="0", path=tmp_path, seconds=0, cached=True, said={"versions": {"crun": version}}
    )
    running = cast("Machine", FakeMachine(said))
    if holds:
        guest._prove_runtime(it, running, tree)
        assert {"runtime": said, "runtime_package": f"crun {version}"} == it.facts
    else:
        with pytest.raises(InfrastructureError, match="another crun than its package's"):
            guest._prove_runtime(it, running, tree)


def test_a_runtime_of_the_image_says_what_it_is(begun: Evaluation) -> None:
    """There is no package, so nothing else is asked."""
    guest._prove_runtime(begun, cast("Machine", FakeMachine("systemd 252\n+PAM")), None)
    assert {"runtime": "systemd 252"} == begun.facts


def test_a_runtime_that_says_its_version_and_fails_breaks_no_guest(begun: Evaluation) -> None:
    """A case says so; only a runtime that says nothing, as one that is not there, breaks the cell."""
    guest._prove_runtime(begun, cast("Machine", FakeMachine("systemd 232\n", code=1)), None)
    assert {"runtime": "systemd 232"} == begun.facts
    with pytest.raises(CommandError):
        guest._prove_runtime(begun, cast("Machine", FakeMachine("", code=127)), None)


def test_a_distro_without_packages_has_no_runtime_from_them(
    begun: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell ends with a sentence that says so, before anything boots."""
    made = Image(
        directory=tmp_path, key="0" * 64, disk=tmp_path, kernel=tmp_path, initrd=None, packages=tmp_path,
        systemd="252", kernel_version="6.1",
    )  # fmt: skip
    flatcar = replace(begun.plan.image, distro="flatcar", channel="stable")
    for name, answer in (("pin", flatcar), ("find", made), ("make", made)):
        monkeypatch.setattr(f"harness.image.{name}", lambda *_, answer=answer: answer)
    it = replace(begun, task=CellTask(plan=replace(begun.plan, packages=("crun",))))

    with pytest.raises(UsageError, match="nspawn comes from packages, and Flatcar has none"):
        guest._make_image(it, None)


@dataclass(frozen=True)
class FakeMachine:
    """A guest in which every command says the same."""

    out: str
    code: int = 0
    name: str = "fake"

    def run(self, command: list[str], *, deadline: Deadline, expect: None) -> Done:  # noqa: ARG002
        """Return what it says."""
        return Done(argv=tuple(command), code=self.code, out=self.out)
