"""Bootable disks in the store: the one way from what is asked for (`ImageSpec`) to what came out (`Image`).

How a distro's disks are made, its folder in harness/distros knows.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import distros
from harness.distros.protocol import DISK, FACTS, INITRD, KERNEL, KIND, PACKAGES, Image, ImageSpec
from harness.store import Store
from harness.wait import Deadline

__all__ = ["KIND", "Image", "ImageSpec", "collect_inputs", "find", "list_kernels", "load", "make", "pin"]


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

    Args:
        spec: What is asked for.
        store: Where it is kept.
        deadline: For the building, or for waiting for another process that builds the same.
        log: File to which the output of the building's commands is appended.

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
