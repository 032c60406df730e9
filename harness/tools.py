"""The tools of this computer that the harness runs, Debian's package that has each, and what it is wanted for."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["GUESTS", "IMAGES", "TOOLS", "UNPRIVILEGED", "Tool"]

GUESTS = "guests"
IMAGES = "images of Debian"
SOURCES = "sources"
TOOLCHAINS = "toolchains"
FLATCAR = "Flatcar"

UNPRIVILEGED = "newuidmap"
"""What mmdebstrap wants of a user who is not root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: Debian's package that has it, and what the harness does with it."""

    package: str
    purpose: str


TOOLS: Mapping[str, Tool] = {
    "qemu-system-x86_64": Tool(package="qemu-system-x86", purpose=GUESTS),
    "qemu-img": Tool(package="qemu-utils", purpose=GUESTS),
    "ssh": Tool(package="openssh-client", purpose=GUESTS),
    "ssh-keygen": Tool(package="openssh-client", purpose=GUESTS),
    "apt-get": Tool(package="apt", purpose=IMAGES),
    "dpkg-deb": Tool(package="dpkg", purpose=IMAGES),
    "dpkg-query": Tool(package="dpkg", purpose=IMAGES),
    "mkfs.ext4": Tool(package="e2fsprogs", purpose=IMAGES),
    "mmdebstrap": Tool(package="mmdebstrap", purpose=IMAGES),
    "newuidmap": Tool(package="uidmap", purpose=IMAGES),
    "dpkg-source": Tool(package="dpkg-dev", purpose=SOURCES),
    "git": Tool(package="git", purpose=SOURCES),
    "pip3": Tool(package="python3-pip", purpose=TOOLCHAINS),
    "gpg": Tool(package="gnupg", purpose=FLATCAR),
    "mcopy": Tool(package="mtools", purpose=FLATCAR),
}
"""By the executable's name; where it is no Debian, the package has most often the same name."""
