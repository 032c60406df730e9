"""Debian: disks by mmdebstrap, and packages for suites. Its archive is also where builds and sources come from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.distros.debian import disk
from harness.distros.debian.suite_packages import make_packages
from harness.distros.debian.upgrade import make_upgrade
from harness.distros.protocol import Distro, Image, ImageSpec
from harness.store import Artifact, Store
from harness.tools import Toolset
from harness.wait import Deadline

__all__ = ["DISTRO", "Debian"]

TOOLS = ("apt-get", "dpkg-deb", "dpkg-query", *disk.TOOLS)

UNPRIVILEGED = ("newuidmap",)
"""What mmdebstrap wants of a user who is not root."""


class Debian(Distro):
    """Debian's releases."""

    title = "Debian"

    @property
    def tools(self) -> Toolset:
        """What makes its disks; essential, as what is built is built in such trees."""
        names = (*TOOLS, *(UNPRIVILEGED if os.geteuid() else ()))
        return Toolset(purpose="images of Debian", names=names, essential=True)

    def collect_inputs(self, spec: ImageSpec) -> Mapping[str, Any]:
        """Return what an image depends on; see `disk.collect_inputs`."""
        return disk.collect_inputs(spec)

    def build(self, spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:  # noqa: ARG002
        """Fill a directory with an image; see `disk.build`."""
        return disk.build(spec, directory, deadline, log)

    def make_packages(
        self,
        spec: ImageSpec,
        image: Image,
        names: tuple[str, ...],
        without: tuple[str, ...],
        store: Store,
        deadline: Deadline,
    ) -> Artifact | None:
        """Return the files of packages of the guest's release and of what they depend on."""
        return make_packages(disk.find_release(spec), image, names, without, store, deadline)

    def make_upgrade(
        self, spec: ImageSpec, image: Image, systemd: str, store: Store, deadline: Deadline
    ) -> Artifact | None:
        """Return the packages of the first channel that has this systemd, with what they depend on."""
        return make_upgrade(spec, image, systemd, store, deadline)


DISTRO = Debian()
