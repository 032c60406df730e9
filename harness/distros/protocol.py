"""What a distro has to say so that the harness can make its disks and boot them: `Distro`.

An image is immutable; a machine writes to an overlay on it. Nothing outside of a distro's folder asks which distro
a guest has: whatever is different is a question of this protocol.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness import store as stores
from harness.model import CgroupMode
from harness.store import Artifact, Store
from harness.tools import Toolset
from harness.wait import Deadline

__all__ = [
    "DISK", "FACTS", "INITRD", "KERNEL", "KIND", "PACKAGES", "SSH_KEY", "UPGRADE", "VERSIONS", "BootOptions", "Distro", "DistroOption",
    "Image", "ImageSpec", "RunningGuest", "digest_files", "write_facts",
]  # fmt: skip

KIND = "image"
"""What the store calls an image."""

FACTS = "facts.json"
DISK = "disk.qcow2"
KERNEL = "vmlinuz"
INITRD = "initrd"
PACKAGES = "packages"
VERSIONS = "versions"
"""Where a tree of packages has the version of each."""

UPGRADE = "upgrade.sh"
"""The script in an upgrade that does it; it is run in the guest, as root, in a copy of the upgrade's directory."""

SSH_KEY = "ssh-ed25519 MACHINE harness"
"""What stands in a file that QEMU hands to a guest where the machine's own public key belongs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """A bootable disk that is asked for.

    Attributes:
        distro: Guest operating system; names the folder in harness/distros that makes it and that of its files.
        channel: Its release stream: "bookworm".
        files: Directory with the distro's image.yaml and what belongs to it: `images/debian`.
        release: Exact release in the channel; None for what the channel has now, see `Distro.pin`.
        options: Values of the distro's own options by name, see `Distro.options`; sorted.
    """

    distro: str
    channel: str
    files: Path
    release: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The image for people: "debian/bookworm", "flatcar/stable@3815.2.5"."""
        return f"{self.distro}/{self.channel}" + (f"@{self.release}" if self.release else "")

    def get_option(self, name: str) -> str | None:
        """Return the value of one of the distro's own options, or None where it was not given."""
        return dict(self.options).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A bootable disk with what QEMU needs to start it.

    Attributes:
        directory: Where all of it is; a distro may have further files there.
        key: Hash of what it was made from.
        disk: A qcow2 file: the root file system without a partition table, or a whole disk.
        kernel: The guest's Linux kernel.
        initrd: The harness's own initrd for that kernel, or None where the kernel has one in it.
        packages: File with the name and version of each package in it, one per line.
        systemd: Full version of its systemd: "252.39-1~deb12u1".
        kernel_version: Release of the kernel, as `uname -r` says it.
        release: Exact release of the distro, or empty where it has none.
        facts: All that its maker wrote down about it.
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
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootOptions:
    """What a machine needs besides the image's files to boot it.

    Attributes:
        root: Words of the kernel's command line about the disk; empty for a root file system without partitions.
        arguments: Further words of it.
        fw_cfg: What QEMU hands to the guest's firmware by name, with `SSH_KEY` where the machine's own key belongs.
    """

    root: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    fw_cfg: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistroOption:
    """An option of a distro's own, which verbs that make images take.

    Attributes:
        name: Its name; `--NAME` on the command line, HARNESS_NAME in the environment.
        metavar: What its value is, for people.
        file: Whether its value is the path of a file, which must be there.
    """

    name: str
    metavar: str
    help: str
    file: bool = False


class RunningGuest(Protocol):
    """What a distro needs of a guest that runs; `harness.machine.Machine` has it."""

    def run(self, command: str, *, deadline: Deadline, expect: tuple[int, ...] | None = (0,)) -> Any:
        """Run a command as root; raises where its status is not one of `expect`."""

    def copy_in(self, source: Path, target: str, *, deadline: Deadline) -> None:
        """Copy a file, or the content of a directory, to a path in the guest."""


class Distro(ABC):
    """A guest operating system; the package harness.distros.NAME has one as `DISTRO`.

    Attributes:
        title: What people call it: "Debian".
        options: Options of its own.
        tools: What its maker runs on this computer.
    """

    title: str
    options: tuple[DistroOption, ...] = ()

    @property
    def tools(self) -> Toolset:
        """What its maker runs on this computer."""
        return Toolset(purpose=f"images of {self.title}")

    @abstractmethod
    def collect_inputs(self, spec: ImageSpec) -> Mapping[str, Any]:
        """Return everything that the image depends on, as plain JSON values.

        Raises:
            UsageError: There is no such channel.
            ConfigError: The distro's image.yaml is wrong.
        """

    @abstractmethod
    def build(self, spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:
        """Fill a directory with DISK, KERNEL, INITRD (if it has one), PACKAGES and FACTS, and return provenance.

        Raises:
            InfrastructureError: A tool is missing or failed; the message names the log.
        """

    def pin(self, spec: ImageSpec, store: Store, deadline: Deadline) -> ImageSpec:  # noqa: ARG002 - for those that ask
        """Return the same with the exact release that its channel has now, where releases have numbers.

        Raises:
            UsageError: There is no such channel or release.
            InfrastructureError: It cannot be asked.
        """
        return spec

    def make_boot_options(self, image: Image, *, overlaid: bool) -> BootOptions:  # noqa: ARG002 - for those that differ
        """Return what a machine needs to boot an image; `overlaid` if archives are laid over it (`image.overlay`)."""
        return BootOptions()

    def explain_impossible(self, image: Image, mode: CgroupMode) -> str:  # noqa: ARG002 - for those that know
        """Return why the image's kernel cannot be in a cgroup mode, in whole sentences; empty where it can."""
        return ""

    def install(self, guest: RunningGuest, image: Image, trees: Sequence[Path], *, deadline: Deadline) -> None:  # noqa: ARG002
        """Put trees that stand for the guest's root into a guest that runs, and what suites want of every guest.

        Raises:
            InfrastructureError: The guest does not take it, or is lost.
        """
        for tree in trees:
            guest.copy_in(tree, "/", deadline=deadline)

    def make_packages(
        self,
        spec: ImageSpec,  # noqa: ARG002 - for those that have packages
        image: Image,  # noqa: ARG002
        names: tuple[str, ...],  # noqa: ARG002
        without: tuple[str, ...],  # noqa: ARG002
        store: Store,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> Artifact | None:
        """Return the files of packages that are wanted in a guest, as a tree that stands for the guest's root.

        Args:
            spec: The guest's image as it was asked for.
            image: The image itself, which says what is there.
            names: The packages, by Debian's names; NAME@RELEASE is that release's, alone.
            without: Paths that are left out, dpkg's path-exclude patterns.
            store: Where it is kept.
            deadline: For the archive, some seconds.

        Returns:
            None where there is nothing to bring: no package is wanted, or the distro has none.

        Raises:
            UsageError: The release does not have one of them.
            InfrastructureError: The archive cannot be reached, or has moved on too far since the image was made.
        """
        return None

    def make_upgrade(
        self,
        spec: ImageSpec,  # noqa: ARG002 - for those that have packages
        image: Image,  # noqa: ARG002
        systemd: str,  # noqa: ARG002
        store: Store,  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
    ) -> Artifact | None:
        """Return what brings a guest that runs to another systemd of the distro, with `UPGRADE` in it.

        Returns:
            None where the distro has no packages.

        Raises:
            UsageError: No channel of the distro has this major version.
            InfrastructureError: The archive cannot be reached, or has moved on too far since the image was made.
        """
        return None


def digest_files(paths: Sequence[Path], below: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its path below a directory: what inputs say about a maker's data files."""
    return {str(path.relative_to(below)): stores.hash_file(path) for path in sorted(paths) if path.is_file()}


def write_facts(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write what an image is: `systemd`, `kernel_version`, and whatever its distro wants to find in `Image.facts`."""
    (directory / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
