"""Bootable disks in the store: the one way from what is asked for (`ImageSpec`) to what came out (`Image`).

How a distro's disks are made, its folder in harness/distros knows.

An overlay is what is laid over an image before its PID 1 starts: another systemd, without another image.
It is a tar archive that a machine has as a read-only disk, and the harness's initrd unpacks over the root
disk (see harness/distros/init.sh). No file system has to be made, mounted or merged, the guest can write to all of it, and the
disk itself is an overlay that is thrown away with the machine.
"""

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import distros
from harness.distros.protocol import DISK, FACTS, INITRD, KERNEL, KIND, PACKAGES, Image, ImageSpec
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = [
    "ARCHIVE", "KIND", "Image", "ImageSpec", "collect_inputs", "find", "list_kernels", "load", "make", "make_overlay",
    "make_overlay_arguments", "pin",
]  # fmt: skip


def collect_inputs(spec: ImageSpec) -> Mapping[str, Any]:
    """Return everything that an image's content depends on, as plain JSON values.

    Raises:
        UsageError: Nobody makes images of this distro, or it has no such channel.
        ConfigError: The distro's image.yaml is wrong.
    """
    return {"distro": spec.distro, "channel": spec.channel, **distros.find(spec.distro).collect_inputs(spec)}


def pin(spec: ImageSpec, store: Store, deadline: Deadline) -> ImageSpec:
    """Return the same with the exact release that its channel has now; see `Distro.pin`."""
    return distros.find(spec.distro).pin(spec, store, deadline)


def find(spec: ImageSpec, store: Store) -> Image | None:
    """Return the image if it is in the store; raises as `collect_inputs` does."""
    artifact = store.find(KIND, collect_inputs(spec))
    return load(artifact.path) if artifact else None


def make(spec: ImageSpec, store: Store, deadline: Deadline, log: Path) -> Image:
    """Return the image; it is built now if it is not in the store.

    The deadline is also for waiting for another process that builds the same.

    Raises:
        InfrastructureError: A tool is missing or failed; the message names the log.
        UsageError: As `collect_inputs` does.
    """
    distro = distros.find(spec.distro)

    def fill(directory: Path) -> Mapping[str, Any]:
        title = " ".join(filter(None, (spec.distro, spec.channel, spec.release)))
        return {"title": title, **distro.build(spec, directory, store, deadline, log)}

    return load(store.obtain(KIND, collect_inputs(spec), fill, deadline).path)


def list_kernels(store: Store) -> Iterator[Path]:
    """Yield the kernels of the images in the store, that of the newest image first."""
    found = store.root.glob(f"{KIND}/*/files/{KERNEL}")
    return iter(sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True))


def load(directory: Path) -> Image:
    """Return the image in a directory that a distro filled and the store published."""
    facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
    initrd = directory / INITRD
    return Image(
        directory=directory,
        key=directory.parent.name,
        disk=directory / DISK,
        kernel=directory / KERNEL,
        initrd=initrd if initrd.exists() else None,
        packages=directory / PACKAGES,
        systemd=facts["systemd"],
        kernel_version=facts["kernel_version"],
        release=facts.get("release", ""),
        facts=facts,
    )


OVERLAY = "overlay"
ARCHIVE = "overlay.tar"

RECIPE = 1
"""Raised when archives are made differently."""

BORN = 946_684_800
"""Time of change of everything in it, seconds since 1970: older than an image, whose systemd looks for a newer /usr."""


def make_overlay(tree: Artifact, store: Store, deadline: Deadline) -> Path:
    """Return the archive of an artifact whose directory stands for the guest's root; it belongs to root there.

    Raises:
        InfrastructureError: The store cannot keep it.
    """

    def fill(files: Path) -> dict[str, str]:
        with tarfile.open(files / ARCHIVE, "w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted(tree.path.rglob("*")):
                archive.add(path, str(path.relative_to(tree.path)), recursive=False, filter=_normalize)
        return {"title": f"{tree.kind} {tree.key[:12]} to be laid over an image"}

    return store.obtain(OVERLAY, {"recipe": RECIPE, "kind": tree.kind, "key": tree.key}, fill, deadline).path / ARCHIVE


def _normalize(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = BORN
    return member


def make_overlay_arguments(archives: Iterable[Path]) -> tuple[str, ...]:
    """Return the kernel command line that makes the initrd unpack these archives, which are the machine's further disks in order."""
    return tuple(f"harness.overlay=/dev/vd{chr(ord('b') + number)}" for number, _ in enumerate(archives))
