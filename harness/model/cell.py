"""One point of the matrix."""

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Cell", "CgroupMode"]


class CgroupMode(StrEnum):
    """How systemd lays out the cgroup tree; systemd's own three words."""

    LEGACY = "legacy"
    """cgroup v1 controllers, and `name=systemd` as a v1 hierarchy."""
    HYBRID = "hybrid"
    """cgroup v1 controllers, with a v2 hierarchy for systemd at /sys/fs/cgroup/unified."""
    UNIFIED = "unified"
    """One cgroup v2 hierarchy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the matrix.

    Attributes:
        distro: Guest operating system: "debian", "flatcar".
        channel: Its release stream: "bookworm", "stable".
        release: Exact release in the channel, where one was asked for: "2079.99.0".
        systemd: Version or revision of systemd: "252" as the image carries it, "v252" built from that revision.
        systemd_built: Whether systemd is built from a revision and laid over the image.
        go: Go version that builds the runtime, or None where the runtime is no Go program.
        cgroup: cgroup mode that the guest boots in.
        runtime: The container runtime under test: "runc".
        runtime_version: Its version, or None where it comes with the image (nspawn).
        flavor: rkt's stage1 flavor, or None.
    """

    distro: str
    channel: str
    release: str | None = None
    systemd: str
    systemd_built: bool = False
    go: str | None = None
    cgroup: CgroupMode
    runtime: str
    runtime_version: str | None = None
    flavor: str | None = None

    @property
    def id(self) -> str:
        """Stable, readable name, safe as a file name: `debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5`."""
        parts = [
            "-".join(filter(None, (self.distro, self.channel, self.release))),
            f"systemd-{self.systemd}",
            f"go-{self.go}" if self.go else None,
            self.cgroup.value,
            "-".join(filter(None, (self.runtime, self.runtime_version, self.flavor))),
        ]
        return "+".join(re.sub(r"[^A-Za-z0-9._~-]", "_", part) for part in parts if part)
