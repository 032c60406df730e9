"""Programs of this computer that the harness runs, and Debian's package that has each."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PACKAGES", "TOOLSETS", "Toolset", "find_package"]

PACKAGES: Mapping[str, str] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "dpkg-query": "dpkg",
    "mkfs.ext4": "e2fsprogs",
    "newuidmap": "uidmap",
    "dpkg-source": "dpkg-dev",
    "pip3": "python3-pip",
    "gpg": "gnupg",
    "mcopy": "mtools",
}
"""By the executable's name, where the package has another one. On other distributions it has most often the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolset:
    """Programs that are wanted for one purpose.

    Attributes:
        purpose: What for: "guests".
        names: The executables.
        essential: Whether no guest runs without them.
    """

    purpose: str
    names: tuple[str, ...] = ()
    essential: bool = False


TOOLSETS = (
    Toolset(purpose="guests", names=("qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen"), essential=True),
    Toolset(purpose="sources", names=("dpkg-source", "git")),
    Toolset(purpose="toolchains", names=("pip3",)),
)
"""What every guest and build wants; what a distro's images want, the distro says."""


def find_package(tool: str) -> str:
    """Return the name of the Debian package that has an executable."""
    return PACKAGES.get(tool, tool)
