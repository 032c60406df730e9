"""From a plan to a running guest that has proved what it is, with its runtime installed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import accel, build, distros, image, log, machine
from harness.accel import Accelerator
from harness.build import meson
from harness.errors import DeadlineError, UsageError
from harness.image import Image, overlay
from harness.machine import GuestLostError, Machine
from harness.model import Phase
from harness.pipeline.state import Evaluation
from harness.pipeline.workplace import BUDGETS, Workplace
from harness.plan import BuildRequest, Plan
from harness.qemu import MachineSpec
from harness.rundir import MACHINE
from harness.store import Artifact
from harness.wait import Deadline

__all__ = ["guest_of", "ready"]

logger = log.get(__name__)


@contextmanager
def ready(plan: Plan, work: Workplace, directory: Path) -> Iterator[Machine]:
    """The running guest of a cell, with its runtime installed; it is destroyed when the context ends.

    Args:
        plan: What is done.
        work: What all cells share.
        directory: Where the evidence goes.

    Raises:
        HarnessError: It could not be built, made or booted; or it was interrupted.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with guest_of(Evaluation(plan=plan, directory=directory, work=work)) as guest:
        yield guest


@contextmanager
def guest_of(it: Evaluation) -> Iterator[Machine]:
    """As `ready`, for an evaluation that has begun; what the guest proved is in its facts."""
    systemd = _build(it, it.plan.systemd)
    runtime = _build(it, it.plan.build)
    disk, brought = _image(it)
    accelerator = accel.probe(disk.kernel, it.work.store.root, it.work.deadline.within(60.0, "probe of KVM"))
    it.factor = accelerator.factor
    it.facts.update(accelerator=accelerator.name, accelerator_reason=accelerator.reason)
    with _boot(it, disk, accelerator, systemd) as guest:
        _prepare(it, guest, disk, systemd, (runtime, *brought))
        yield guest


def _build(it: Evaluation, request: BuildRequest | None) -> Artifact | None:
    if request is None:
        return None
    log = it.directory / f"build-{request.name}.log"
    with ExitStack() as stack:
        scratch = None
        if it.work.scratch_builds:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="build-", dir=it.directory)))
        with it.phase(Phase.BUILD, request.title) as progress:
            spec = request.resolve(it.work.store, progress.deadline)
            progress.text = spec.title
            artifact = build.build(spec, it.work.store, progress.deadline, log, scratch=scratch)
            progress.cached = artifact.cached
    # Most often the build was done before, as a task of its own or in another run; its log belongs to this cell too.
    kept = artifact.path.with_name(build.LOG)
    if kept.exists():
        shutil.copyfile(kept, log)
    return artifact


def _image(it: Evaluation) -> tuple[Image, tuple[Artifact | None, ...]]:
    """The image, and the packages that each suite wants beside it."""
    with it.phase(Phase.IMAGE, it.plan.image.title) as progress:
        spec = image.pin(it.plan.image, it.work.store, progress.deadline)
        progress.cached = image.find(spec, it.work.store) is not None
        made = image.make(spec, it.work.store, progress.deadline, it.directory / "image.log")
        distro, mode = distros.find(spec.distro), it.plan.cell.cgroup
        obstacle = distro.explain_impossible(made, mode)
        if obstacle:
            raise UsageError(f"The cell {it.plan.cell.id} cannot be in {mode} mode. {obstacle}")
        progress.text = f"{spec.title}: systemd {made.systemd}, kernel {made.kernel_version}"
        found = tuple(
            distro.make_packages(spec, made, file.packages, file.without, it.work.store, progress.deadline)
            for file in it.plan.suites.values()
        )
    return made, found


@contextmanager
def _boot(it: Evaluation, disk: Image, accelerator: Accelerator, systemd: Artifact | None) -> Iterator[Machine]:
    overlays: tuple[Path, ...] = ()
    if systemd is not None:
        overlays = (overlay.make_archive(systemd, it.work.store, it.work.deadline.within(60.0, "overlay")),)
    spec = machine.specify(
        disk,
        name=it.plan.cell.id,
        arguments=it.plan.arguments,
        accelerator=accelerator,
        cores=it.plan.cpus,
        memory=it.plan.memory,
        overlays=overlays,
        options=distros.find(it.plan.image.distro).make_boot_options(disk, overlaid=bool(overlays)),
    )
    place = it.directory / MACHINE
    machine.clean(place)
    with ExitStack() as stack:
        with it.phase(Phase.BOOT, f"under {accelerator.name}") as progress:
            guest = stack.enter_context(_started(it, spec, place, progress.deadline))
            it.facts["boot"] = guest.record.origin
            progress.text = f"{guest.record.origin}, under {accelerator.name}. {guest.record.note}".rstrip(" .")
        yield guest


@contextmanager
def _started(it: Evaluation, spec: MachineSpec, place: Path, deadline: Deadline) -> Iterator[Machine]:
    """A guest that is up; a boot that is lost is tried again once, which the facts and the directory then show.

    Under emulation a kernel that patches its own code while another processor runs it can hang or stumble (seen
    once in some hundred boots), which says nothing about the cell. What is really broken is so twice.
    """
    with ExitStack() as stack:
        try:
            first = deadline.within(deadline.seconds / 3, deadline.what)
            guest = stack.enter_context(machine.start(spec, place, first, store=it.work.store, fresh=it.fresh))
        except (GuestLostError, DeadlineError) as error:
            deadline.check()
            logger.warning("%s: the boot is tried again: %s", it.plan.cell.id, str(error).splitlines()[0])
            it.facts["boot_retry"] = str(error).splitlines()[0]
            lost = place.with_name("machine-lost")
            shutil.rmtree(lost, ignore_errors=True)
            place.rename(lost)
            guest = stack.enter_context(machine.start(spec, place, deadline, store=it.work.store, fresh=it.fresh))
        yield guest


def _prepare(
    it: Evaluation, guest: Machine, disk: Image, systemd: Artifact | None, trees: tuple[Artifact | None, ...]
) -> None:
    """Put the runtime and the suites' packages into the guest, and let the guest prove what it is before any case runs."""
    cell = it.plan.cell
    deadline = it.work.deadline.within(BUDGETS[Phase.BOOT] * it.factor, f"preparation of {cell.id}")
    revision = None
    if systemd is not None:
        revision = systemd.said[meson.STAMP]
        it.facts.update(systemd_revision=revision, systemd_artifact=systemd.said[meson.CONTENT])
    found = machine.prove(
        guest, systemd=cell.systemd, cgroup=cell.cgroup, deadline=deadline, revision=revision, release=disk.release
    )
    it.facts.update(systemd=found.systemd, kernel=found.kernel, cgroup=found.cgroup.value)
    if disk.release:
        it.facts["release"] = disk.release
    distro = distros.find(it.plan.image.distro)
    distro.install(guest, disk, [tree.path for tree in trees if tree is not None], deadline=deadline)
    said = guest.run([*it.plan.command], deadline=deadline).out.splitlines()
    it.facts["runtime"] = said[0] if said else ""
