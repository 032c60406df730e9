"""Files that are laid over an image before its PID 1 starts: another systemd, without another image.

They are a tar archive that a machine has as a read-only disk, and the harness's initrd unpacks over the root
disk (see harness/distros/init.sh). No file system has to be made, mounted or merged, the guest can write to all of it, and the
disk itself is an overlay that is thrown away with the machine.
"""

import tarfile
from collections.abc import Iterable
from pathlib import Path

from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["ARCHIVE", "KIND", "make_archive", "make_arguments"]

KIND = "overlay"
ARCHIVE = "overlay.tar"

RECIPE = 1
"""Raised when archives are made differently."""

BORN = 946_684_800
"""Time of change of everything in it, seconds since 1970: older than an image, whose systemd looks for a newer /usr."""


def make_archive(tree: Artifact, store: Store, deadline: Deadline) -> Path:
    """Return the archive of an artifact whose directory stands for the guest's root; it belongs to root there.

    Raises:
        InfrastructureError: The store cannot keep it.
    """

    def fill(files: Path) -> dict[str, str]:
        with tarfile.open(files / ARCHIVE, "w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted(tree.path.rglob("*")):
                archive.add(path, str(path.relative_to(tree.path)), recursive=False, filter=_normalize)
        return {"title": f"{tree.kind} {tree.key[:12]} to be laid over an image"}

    return store.obtain(KIND, {"recipe": RECIPE, "kind": tree.kind, "key": tree.key}, fill, deadline).path / ARCHIVE


def _normalize(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = BORN
    return member


def make_arguments(archives: Iterable[Path]) -> tuple[str, ...]:
    """Return the kernel command line that makes the initrd unpack these archives, which are the machine's further disks in order."""
    return tuple(f"harness.overlay=/dev/vd{chr(ord('b') + number)}" for number, _ in enumerate(archives))
