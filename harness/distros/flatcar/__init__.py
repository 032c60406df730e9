"""Flatcar Container Linux: its verified releases, booted as they are and provisioned by Ignition.

`resolve` makes a release of a user's words, `obtain` gets it; `DISTRO` is how it is booted.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.distros.flatcar import disk, installing
from harness.distros.flatcar.hosts import complete, make_address, resolve
from harness.distros.flatcar.release_store import Fetched, obtain
from harness.distros.flatcar.releases import FILES, Index, Release, load_index, refresh
from harness.distros.flatcar.trust import TrustError
from harness.distros.flatcar.versions import Channel, Version
from harness.distros.protocol import BootOptions, Distro, DistroOption, Image, ImageSpec, RunningGuest
from harness.model import CgroupMode
from harness.store import Store
from harness.tools import Toolset
from harness.wait import Deadline

__all__ = [
    "DISTRO", "FILES", "Channel", "Fetched", "Flatcar", "Index", "Release", "TrustError", "Version", "complete",
    "load_index", "make_address", "obtain", "refresh", "resolve",
]  # fmt: skip

FW_CFG = "opt/org.flatcar-linux/config"
"""Name under which Ignition finds its document."""

LATE_OVERLAY = "init=/etc/harness/init.sh"
"""Makes its initramfs start images/flatcar/tree/etc/harness/init.sh, which lays archives over /usr, in place of systemd."""


class Flatcar(Distro):
    """Flatcar's releases."""

    title = "Flatcar"
    options = (
        DistroOption(
            name="mirror",
            metavar="URL|DIR",
            help="In place of the host of Flatcar's releases; {channel} in it is the channel.",
        ),
        DistroOption(
            name="key",
            metavar="FILE",
            help="Trust the one key in this file for Flatcar's releases, and not its own.",
            file=True,
        ),
    )

    @property
    def tools(self) -> Toolset:
        """What verifies a release and looks into it."""
        return Toolset(purpose="Flatcar", names=("gpg", "mcopy"))

    def collect_inputs(self, spec: ImageSpec) -> Mapping[str, Any]:
        """Return what an image depends on; see `disk.collect_inputs`."""
        return disk.collect_inputs(spec)

    def build(self, spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:
        """Fill a directory with a verified release; see `disk.build`."""
        return disk.build(spec, directory, store, deadline, log)

    def pin(self, spec: ImageSpec, store: Store, deadline: Deadline) -> ImageSpec:
        """Return the same with the exact release; see `disk.pin`."""
        return disk.pin(spec, store, deadline)

    def make_boot_options(self, image: Image, *, overlaid: bool) -> BootOptions:
        """Return what GRUB would say to the kernel, and the document for Ignition."""
        return BootOptions(
            root=tuple(image.facts["arguments"]),
            arguments=(LATE_OVERLAY,) if overlaid else (),
            fw_cfg={FW_CFG: (image.directory / disk.IGNITION).read_text(encoding="utf-8")},
        )

    def explain_impossible(self, image: Image, mode: CgroupMode) -> str:
        """Return what its kernel was built without that the mode needs."""
        return "" if mode is CgroupMode.UNIFIED else str(image.facts.get("no_cgroup_v1", ""))

    def install(self, guest: RunningGuest, image: Image, trees: Sequence[Path], *, deadline: Deadline) -> None:
        """Bring a busybox, and put trees into the guest, over its read-only /usr too."""
        installing.install_busybox(guest, image.directory / disk.BUSYBOX, deadline=deadline)
        for tree in trees:
            installing.install_tree(guest, tree, deadline=deadline)


DISTRO = Flatcar()
