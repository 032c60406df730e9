"""Bootable disks: what is asked for (`ImageSpec`), what came out (`Image`), and the one way between them.

Each distro has a module in this package that knows how its disks are made. An image is immutable;
a machine writes to an overlay on it.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from harness import store as stores
from harness.errors import UsageError
from harness.store import Store
from harness.wait import Deadline

__all__ = [
    "SSH_KEY",
    "Image",
    "ImageSpec",
    "Maker",
    "file_digests",
    "find",
    "inputs",
    "kernels",
    "load",
    "make",
    "pinned",
]

KIND = "image"
"""What the store calls an image."""

FACTS = "facts.json"
DISK = "disk.qcow2"
KERNEL = "vmlinuz"
INITRD = "initrd"
PACKAGES = "packages"
IGNITION = "config.ign"
BUSYBOX = "busybox"

SSH_KEY = "ssh-ed25519 MACHINE harness"
"""What stands in an image's Ignition document where a machine's own public key belongs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """A bootable disk that is asked for.

    Attributes:
        distro: Guest operating system; names the module that makes it and the directory of its files.
        channel: Its release stream: "bookworm".
        files: Directory with the distro's image.yaml and what belongs to it: `images/debian`.
        release: Exact release in the channel; None for what the channel has now, see `pinned`.
        mirror: What stands in place of the host that has it; None for the distro's own.
        key: File with the public key that vouches for it; None for the distro's own.
    """

    distro: str
    channel: str
    files: Path
    release: str | None = None
    mirror: str | None = None
    key: Path | None = None

    @property
    def title(self) -> str:
        """The image for people: "debian/bookworm", "flatcar/stable@3815.2.5"."""
        return f"{self.distro}/{self.channel}" + (f"@{self.release}" if self.release else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A bootable disk with what QEMU needs to start it.

    Attributes:
        directory: Where all of it is.
        key: Hash of what it was made from.
        disk: A qcow2 file: the root file system without a partition table, or a whole disk.
        kernel: The guest's Linux kernel.
        initrd: The harness's own initrd for that kernel, or None where the kernel has one in it.
        packages: File with the name and version of each package in it, one per line.
        systemd: Full version of its systemd: "252.39-1~deb12u1".
        kernel_version: Release of the kernel, as `uname -r` says it.
        release: Exact release of the distro, or empty where it has none.
        arguments: What the kernel's command line says about the disk; empty for a root file system.
        ignition: Document that Ignition reads at the first boot, with `SSH_KEY` in it; empty where nothing reads it.
        busybox: A static busybox for guests that have none, or None.
        no_cgroup_v1: Why its kernel cannot boot in an old cgroup mode, whole sentences; empty where it can.
    """

    directory: Path
    key: str
    disk: Path
    kernel: Path
    initrd: Path | None
    packages: Path
    systemd: str
    kernel_version: str
    release: str = ""
    arguments: tuple[str, ...] = ()
    ignition: str = ""
    busybox: Path | None = None
    no_cgroup_v1: str = ""


class Maker(Protocol):
    """What a distro's module has."""

    def inputs(self, spec: ImageSpec) -> Mapping[str, Any]:
        """Everything that the image depends on, as plain JSON values."""

    def build(self, spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:
        """Fill a directory with DISK, KERNEL, INITRD or IGNITION, PACKAGES and FACTS, and return provenance."""


def inputs(spec: ImageSpec) -> Mapping[str, Any]:
    """Everything that an image's content depends on, as plain JSON values.

    Raises:
        UsageError: No module makes images of this distro, or the distro has no such channel.
        ConfigError: The distro's image.yaml is wrong.
    """
    return {"distro": spec.distro, "channel": spec.channel, **_maker(spec).inputs(spec)}


def pinned(spec: ImageSpec, store: Store, deadline: Deadline) -> ImageSpec:
    """The same with the exact release that its channel has now, where the distro's releases have numbers.

    Raises:
        UsageError: There is no such channel or release.
        InfrastructureError: It cannot be asked.
    """
    pin = getattr(_maker(spec), "pin", None)
    return cast("ImageSpec", pin(spec, store, deadline)) if pin is not None else spec


def find(spec: ImageSpec, store: Store) -> Image | None:
    """The image if it is in the store; raises as `inputs` does."""
    artifact = store.find(KIND, inputs(spec))
    return load(artifact.path) if artifact else None


def make(spec: ImageSpec, store: Store, deadline: Deadline, log: Path) -> Image:
    """The image; it is built now if it is not in the store.

    Args:
        spec: What is asked for.
        store: Where it is kept.
        deadline: For the building, or for waiting for another process that builds the same.
        log: File to which the output of the building's commands is appended.

    Raises:
        InfrastructureError: A tool is missing or failed; the message names the log.
        UsageError: As `inputs` does.
    """
    maker = _maker(spec)

    def fill(directory: Path) -> Mapping[str, Any]:
        title = " ".join(filter(None, (spec.distro, spec.channel, spec.release)))
        return {"title": title, **maker.build(spec, directory, store, deadline, log)}

    return load(store.obtain(KIND, inputs(spec), fill, deadline).path)


def kernels(store: Store) -> Iterator[Path]:
    """Kernels of the images in the store, that of the newest image first."""
    found = store.root.glob(f"{KIND}/*/files/{KERNEL}")
    return iter(sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True))


def load(directory: Path) -> Image:
    """The image in a directory that a maker filled and the store published."""
    facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
    initrd, document, busybox = directory / INITRD, directory / IGNITION, directory / BUSYBOX
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
        arguments=tuple(facts.get("arguments", ())),
        ignition=document.read_text(encoding="utf-8") if document.exists() else "",
        busybox=busybox if busybox.exists() else None,
        no_cgroup_v1=facts.get("no_cgroup_v1", ""),
    )


def _maker(spec: ImageSpec) -> Maker:
    try:
        return cast("Maker", importlib.import_module(f"{__name__}.{spec.distro}"))
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The harness cannot make images of {spec.distro}: there is no module harness.image.{spec.distro}."
        ) from error


def file_digests(paths: list[Path], below: Path) -> dict[str, str]:
    """SHA-256 of each file by its path below a directory: what a maker's `inputs` say about its data files."""
    return {str(path.relative_to(below)): stores.file_digest(path) for path in sorted(paths) if path.is_file()}
