"""What this computer can do, what it lacks, and the command that fixes it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness import accel, distros, image, proc
from harness.build import container
from harness.confinement import probe_confinement
from harness.distros.debian.apt import find_archive
from harness.errors import HarnessError
from harness.store import Store
from harness.text import pluralize
from harness.tools import TOOLSETS, find_package
from harness.wait import Deadline

__all__ = ["Diagnosis", "Health", "examine"]

GIB = 1024**3

ROOM = 10 * GIB
"""Bytes that a store wants: a few images, what is built, and saved guests."""

MEMORY = 3 * GIB
"""Bytes with which two guests run next to all else."""


class Health(StrEnum):
    """How something is."""

    OK = "ok"
    LIMITED = "limited"
    """Some things are slow or not possible."""
    MISSING = "missing"
    """No guest runs without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found about one thing.

    Attributes:
        what: The thing: "guests", "accelerator".
        says: Why, a whole sentence.
        mend: What to do about it; empty where there is nothing to do.
    """

    what: str
    state: Health
    says: str
    mend: str = ""


def examine(store: Store, deadline: Deadline) -> tuple[Diagnosis, ...]:
    """Look at this computer; nothing is changed but that the accelerator is remembered."""
    found = [_check_computer(), *_check_tools()]
    if proc.find(accel.QEMU):
        found += [_check_accelerator(store, deadline), _check_confinement(deadline)]
    return (*found, _archive(deadline), _check_docker(), _check_room(store))


def _check_computer() -> Diagnosis:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    says = f"It has {pluralize(os.cpu_count() or 1, 'processor')} and {memory / GIB:.1f} GiB of memory."
    if memory >= MEMORY:
        return Diagnosis(what="computer", state=Health.OK, says=says)
    mend = "`harness run -j 1` runs one guest at a time."
    return Diagnosis(what="computer", state=Health.LIMITED, says=says, mend=mend)


def _check_tools() -> Iterator[Diagnosis]:
    for tools in (*TOOLSETS, *(distro.tools for distro in distros.list_distros())):
        lacking = [name for name in tools.names if proc.find(name) is None]
        if not lacking:
            yield Diagnosis(what=tools.purpose, state=Health.OK, says=f"Installed: {', '.join(tools.names)}.")
            continue
        yield Diagnosis(
            what=tools.purpose,
            state=Health.MISSING if tools.essential else Health.LIMITED,
            says=f"Not installed: {', '.join(lacking)}.",
            mend=f"apt-get install {' '.join(dict.fromkeys(map(find_package, lacking)))}",
        )


def _check_accelerator(store: Store, deadline: Deadline) -> Diagnosis:
    kernel = next(image.list_kernels(store), None)
    if kernel is not None:
        chosen = accel.probe(kernel, store.root, deadline)
        return _check_accelerated(chosen.reason, limited=chosen.name == "tcg")
    obstacle = accel.find_obstacle()
    tried = f"{accel.DEVICE} answers; whether a kernel boots under KVM is tried with the first image."
    return _check_accelerated(obstacle or tried, limited=obstacle is not None)


def _check_accelerated(says: str, *, limited: bool) -> Diagnosis:
    return Diagnosis(what="accelerator", state=Health.LIMITED if limited else Health.OK, says=says)


def _check_confinement(deadline: Deadline) -> Diagnosis:
    found = probe_confinement(deadline)
    return Diagnosis(what="confinement", state=Health.OK if found.whole else Health.LIMITED, says=found.says)


def _archive(deadline: Deadline) -> Diagnosis:
    try:
        uri = find_archive(deadline)
    except HarnessError as error:
        deadline.check()
        return Diagnosis(what="archive", state=Health.MISSING, says=str(error), mend=error.hint or "")
    return Diagnosis(what="archive", state=Health.OK, says=f"Guest packages come from {uri}.")


def _check_docker() -> Diagnosis:
    try:
        container.ping()
    except HarnessError as error:
        return Diagnosis(what="builds", state=Health.LIMITED, says=str(error), mend=error.hint or "")
    return Diagnosis(what="builds", state=Health.OK, says="The Docker daemon answers.")


def _check_room(store: Store) -> Diagnosis:
    place = next(parent for parent in (store.root, *store.root.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    says = f"{free / GIB:.1f} GiB are free for {_shorten_home(store.root)}."
    if not os.access(place, os.W_OK):
        mend = "Name another directory with --store or HARNESS_STORE."
        return Diagnosis(what="store", state=Health.MISSING, says=f"This user cannot write to {place}.", mend=mend)
    if free < ROOM:
        return Diagnosis(what="store", state=Health.LIMITED, says=says, mend="`harness cache prune` frees some.")
    return Diagnosis(what="store", state=Health.OK, says=says)


def _shorten_home(path: Path) -> str:
    """Return a path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
