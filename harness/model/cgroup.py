"""The cgroup modes that a guest boots in."""

from enum import StrEnum

__all__ = ["CgroupMode"]


class CgroupMode(StrEnum):
    """How systemd lays out the cgroup tree; systemd's own three words."""

    LEGACY = "legacy"
    """cgroup v1 controllers, and `name=systemd` as a v1 hierarchy."""
    HYBRID = "hybrid"
    """cgroup v1 controllers, with a v2 hierarchy for systemd at /sys/fs/cgroup/unified."""
    UNIFIED = "unified"
    """One cgroup v2 hierarchy."""
