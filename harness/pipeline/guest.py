"""From a plan to a running guest that has proved what it is, with its runtime installed.

What several cells share, builds and images, is made once before them: a `Prerequisite`.
"""

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import accel, build, distros, image, machine
from harness.accel import Accelerator
from harness.build.recipes import meson
from harness.cell_file import Upgrade
from harness.distros.protocol import UPGRADE, VERSIONS, ImageSpec
from harness.errors import DeadlineError, InfrastructureError, UsageError
from harness.image import Image
from harness.machine import GuestLostError, Machine
from harness.model import Event, Phase, State
from harness.pipeline.context import BUDGETS, CellTask, Evaluation, RunContext
from harness.plan import BuildRequest, Plan
from harness.proc import CommandError
from harness.qemu import MachineSpec
from harness.resolve import resolve_build
from harness.rundir import MACHINE
from harness.store import Artifact
from harness.wait import Deadline

__all__ = ["Prerequisite", "boot_cell", "list_prerequisites", "open_guest"]

UNUSED = ("/usr/share/*",)
"""What a runtime's packages have besides it: pages and completions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """One thing that cells wait for.

    Attributes:
        name: What it is; equal names are one thing: "build runc 1.1.5 with Go 1.27 by docker".
        phase: The phase of a cell that finds it in the store afterwards.
        obtain: Puts it into the store if it is not there; gets the deadline and the file for its log, and
            returns whether it had to be made.
    """

    name: str
    phase: Phase
    obtain: Callable[[RunContext, Deadline, Path], bool]

    def make(self, context: RunContext, log: Path) -> None:
        """Put it into the store, and report it if that takes work; raises as the engines do."""
        deadline = context.deadline.within(BUDGETS[self.phase], self.name)
        context.emit(Event(cell=self.name, phase=self.phase, state=State.RUNNING))
        state = State.FAILED
        try:
            state = State.DONE if self.obtain(context, deadline, log) else State.CACHED
        except BaseException:
            if deadline.cancelled.is_set():  # whatever went wrong then is a consequence
                state = State.INTERRUPTED
            raise
        finally:
            context.emit(Event(cell=self.name, phase=self.phase, state=state))


def list_prerequisites(plan: Plan) -> tuple[Prerequisite, ...]:
    """Return what the plan of a cell needs that other cells may need too."""
    if not plan.needs_guest():
        return ()
    prerequisites = [_make_image_prerequisite(spec) for spec in (plan.image, *plan.disks)]
    prerequisites += [
        _make_build_prerequisite(request)
        for request in (plan.systemd, plan.upgrade, plan.build if plan.needs_runtime() else None, *plan.programs)
        if request is not None
    ]
    return tuple(prerequisites)


def _make_image_prerequisite(spec: ImageSpec) -> Prerequisite:
    def obtain(context: RunContext, deadline: Deadline, log: Path) -> bool:
        exact = image.pin(spec, context.store, deadline)
        if image.find(exact, context.store) is not None:
            return False
        image.make(exact, context.store, deadline, log)
        return True

    return Prerequisite(name=f"image {spec.title}", phase=Phase.IMAGE, obtain=obtain)


def _make_build_prerequisite(request: BuildRequest) -> Prerequisite:
    def obtain(context: RunContext, deadline: Deadline, log: Path) -> bool:
        return not build.build(resolve_build(request, context.store, deadline), context.store, deadline, log).cached

    return Prerequisite(name=name_build(request), phase=Phase.BUILD, obtain=obtain)


def name_build(request: BuildRequest) -> str:
    """Return the name of the prerequisite that is a build."""
    return f"build {request.title} by {request.builder}"


logger = logging.getLogger(__name__)


@contextmanager
def boot_cell(plan: Plan, context: RunContext, directory: Path) -> Iterator[Machine]:
    """Yield the running guest of a cell, with its runtime installed; it is destroyed when the context ends.

    Raises:
        HarnessError: It could not be built, made or booted; or it was interrupted.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with open_guest(Evaluation(task=CellTask(plan=plan), context=context, directory=directory)) as guest:
        yield guest


@contextmanager
def open_guest(evaluation: Evaluation) -> Iterator[Machine]:
    """Yield as `boot_cell` does, for an evaluation that has begun; what the guest proved is in its facts."""
    systemd = _build(evaluation, evaluation.plan.systemd)
    newer = _build(evaluation, evaluation.plan.upgrade)
    wanted = evaluation.plan.needs_runtime(evaluation.task.cases)
    runtime = _build(evaluation, evaluation.plan.build if wanted else None)
    programs = [_build(evaluation, request) for request in evaluation.plan.programs]
    disk, others, packaged, brought = _make_image(evaluation, newer)
    accelerator = accel.probe(
        disk.kernel, evaluation.context.store.root, evaluation.context.deadline.within(60.0, "probe of KVM")
    )
    evaluation.factor = accelerator.factor
    evaluation.facts.update(accelerator=accelerator.name, accelerator_reason=accelerator.reason)
    with _boot(evaluation, disk, others, accelerator, systemd) as guest:
        _prepare(evaluation, guest, disk, systemd, (runtime, packaged, *brought, *programs))
        if wanted:
            _prove_runtime(evaluation, guest, packaged)
        yield guest


def _build(evaluation: Evaluation, request: BuildRequest | None) -> Artifact | None:
    if request is None:
        return None
    log = evaluation.directory / f"build-{'upgrade' if request is evaluation.plan.upgrade else request.name}.log"
    with ExitStack() as stack:
        scratch = None
        if evaluation.context.scratch_builds:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="build-", dir=evaluation.directory)))
        with evaluation.run_phase(Phase.BUILD, request.title) as progress:
            spec = resolve_build(request, evaluation.context.store, progress.deadline)
            progress.text = spec.title
            artifact = build.build(spec, evaluation.context.store, progress.deadline, log, scratch=scratch)
            progress.cached = artifact.cached
    # Most often the build was done before, as a task of its own or in another run; its log belongs to this cell too.
    kept = artifact.path.with_name(build.LOG)
    if kept.exists():
        shutil.copyfile(kept, log)
    return artifact


def _make_image(
    evaluation: Evaluation, newer: Artifact | None
) -> tuple[Image, tuple[Path, ...], Artifact | None, tuple[Artifact | None, ...]]:
    """Return the image, other disks, the runtime where it comes from packages, and the packages that each suite wants."""
    store = evaluation.context.store
    with evaluation.run_phase(Phase.IMAGE, evaluation.plan.image.title) as progress:
        spec = image.pin(evaluation.plan.image, store, progress.deadline)
        progress.cached = image.find(spec, store) is not None
        made = image.make(spec, store, progress.deadline, evaluation.directory / "image.log")
        distro, mode = distros.find(spec.distro), evaluation.plan.cell.cgroup
        obstacle = distro.explain_impossible(made, mode)
        if obstacle:
            raise UsageError(f"The cell {evaluation.plan.cell.id} cannot be in {mode} mode. {obstacle}")
        progress.text = f"{spec.title}: systemd {made.systemd}, kernel {made.kernel_version}"
        log = evaluation.directory / "disks.log"
        others = tuple(
            image.make(image.pin(other, store, progress.deadline), store, progress.deadline, log).disk
            for other in evaluation.plan.disks
        )
        wanted = [(file.packages, file.without) for file in evaluation.plan.suites.values()]
        runtime, *found = (
            distro.make_packages(spec, made, names, without, store, progress.deadline)
            for names, without in ((evaluation.plan.packages, UNUSED), *wanted)
        )
        if evaluation.plan.packages and runtime is None:
            raise UsageError(
                f"The cell {evaluation.plan.cell.id} cannot be: {evaluation.plan.cell.runtime} comes from packages, "
                f"and {distro.title} has none."
            )
        evaluation.upgrade = _make_upgrade(evaluation, made, newer, progress.deadline)
    return made, others, runtime, tuple(found)


LAY_OVER = "tar -c . | tar -x -C / && systemctl daemon-reexec"
"""Brings a build of systemd into force. tar makes each file again, and so can replace programs that run."""


def _make_upgrade(evaluation: Evaluation, disk: Image, built: Artifact | None, deadline: Deadline) -> Upgrade | None:
    """Return how the cell's guest gets another systemd while it runs: by packages of its distro, or what was built."""
    plan = evaluation.plan
    if plan.cell.upgrade is None:
        return None
    if built is not None:
        return Upgrade(to=plan.cell.upgrade, files=built.path, script=LAY_OVER)
    distro, store = distros.find(plan.image.distro), evaluation.context.store
    packages = distro.make_upgrade(plan.image, disk, plan.cell.upgrade, store, deadline)
    if packages is None:
        raise UsageError(f"The cell {plan.cell.id} cannot be: {distro.title} has no packages that upgrade a guest.")
    evaluation.facts["upgrade_package"] = packages.said["systemd"]
    return Upgrade(to=plan.cell.upgrade, files=packages.path, script=f"sh ./{UPGRADE}")


@contextmanager
def _boot(
    evaluation: Evaluation, disk: Image, others: tuple[Path, ...], accelerator: Accelerator, systemd: Artifact | None
) -> Iterator[Machine]:
    overlays: tuple[Path, ...] = ()
    if systemd is not None:
        overlays = (
            image.make_overlay(systemd, evaluation.context.store, evaluation.context.deadline.within(60.0, "overlay")),
        )
    spec = machine.specify(
        disk,
        name=evaluation.plan.cell.id,
        arguments=evaluation.plan.arguments,
        accelerator=accelerator,
        cores=evaluation.plan.cpus,
        memory=evaluation.plan.memory,
        overlays=overlays,
        disks=others,
        options=distros.find(evaluation.plan.image.distro).make_boot_options(disk, overlaid=bool(overlays)),
        network=evaluation.network,
    )
    place = evaluation.directory / MACHINE
    machine.clean(place)
    with ExitStack() as stack:
        with evaluation.run_phase(Phase.BOOT, f"under {accelerator.name}") as progress:
            guest = stack.enter_context(_start(evaluation, spec, place, progress.deadline))
            evaluation.facts["boot"] = guest.record.origin
            progress.text = f"{guest.record.origin}, under {accelerator.name}. {guest.record.note}".rstrip(" .")
        yield guest


@contextmanager
def _start(evaluation: Evaluation, spec: MachineSpec, place: Path, deadline: Deadline) -> Iterator[Machine]:
    """Yield a guest that is up; a boot that is lost is tried again once, which the facts and the directory then show.

    Under emulation a kernel that patches its own code while another processor runs it can hang or stumble (seen
    once in some hundred boots), which says nothing about the cell. What is really broken is so twice.
    """
    with ExitStack() as stack:
        try:
            first = deadline.within(deadline.seconds / 3, deadline.what)
            guest = stack.enter_context(
                machine.start(spec, place, first, store=evaluation.context.store, fresh=evaluation.fresh)
            )
        except (GuestLostError, DeadlineError) as error:
            deadline.check()
            logger.warning("%s: the boot is tried again: %s", evaluation.plan.cell.id, str(error).splitlines()[0])
            evaluation.facts["boot_retry"] = str(error).splitlines()[0]
            lost = place.with_name("machine-lost")
            shutil.rmtree(lost, ignore_errors=True)
            place.rename(lost)
            guest = stack.enter_context(
                machine.start(spec, place, deadline, store=evaluation.context.store, fresh=evaluation.fresh)
            )
        yield guest


def _prepare(
    evaluation: Evaluation, guest: Machine, disk: Image, systemd: Artifact | None, trees: tuple[Artifact | None, ...]
) -> None:
    """Put the runtime and the suites' packages into the guest, and let the guest prove what it is before any case runs."""
    cell = evaluation.plan.cell
    deadline = evaluation.context.deadline.within(BUDGETS[Phase.BOOT] * evaluation.factor, f"preparation of {cell.id}")
    revision = None
    if systemd is not None:
        revision = systemd.said[meson.STAMP]
        evaluation.facts.update(systemd_revision=revision, systemd_artifact=systemd.said[meson.CONTENT])
    found = machine.prove(
        guest, systemd=cell.systemd, cgroup=cell.cgroup, deadline=deadline, revision=revision, release=disk.release
    )
    evaluation.facts.update(systemd=found.systemd, kernel=found.kernel, cgroup=found.cgroup.value)
    if disk.release:
        evaluation.facts["release"] = disk.release
    distro = distros.find(evaluation.plan.image.distro)
    distro.install(guest, disk, [tree.path for tree in trees if tree is not None], deadline=deadline)


def _prove_runtime(evaluation: Evaluation, guest: Machine, packaged: Artifact | None) -> None:
    """Let the runtime say what it is; one from a package must say the version of that package."""
    deadline = evaluation.context.deadline.within(BUDGETS[Phase.BOOT] * evaluation.factor, "question for the runtime")
    # A runtime that prints its version and then fails has a case for that (systemd#4605); its guest is fine.
    done = guest.run([*evaluation.plan.command], deadline=deadline, expect=None)
    said = done.out.splitlines()
    if done.code != 0 and not said:
        raise CommandError(done)
    evaluation.facts["runtime"] = said[0] if said else ""
    if packaged is None:
        return
    name = evaluation.plan.packages[0]
    version = packaged.said[VERSIONS][name]
    evaluation.facts["runtime_package"] = f"{name} {version}"
    if not _is_said(version, evaluation.facts["runtime"]):
        raise InfrastructureError(
            f"The guest {guest.name} has another {name} than its package's {version}: it says "
            f"`{evaluation.facts['runtime']}`."
        )


def _is_said(version: str, text: str) -> bool:
    """Return whether a text has the number in a package's version (deb-version(7)): 1.0.0 of `1.0.0~rc93+ds1-5+deb11u5`."""
    number = re.match(r"(?:[0-9]+:)?([0-9]+(?:\.[0-9]+)*)", version)
    return number is not None and re.search(rf"(?<![0-9.]){re.escape(number[1])}(?![0-9]|\.[0-9])", text) is not None
