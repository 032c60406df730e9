"""crun, which takes runc's command line."""

from suites.lib import oci
from suites.lib.features import Feature
from suites.lib.guest import Guest

__all__ = ["LACKS", "connect"]

LACKS = {**oci.LACKS, Feature.PAYLOAD: "crun's cgroup below the scope is `container`, and on v2 only"}

BELOW = r"""[ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] || echo /container"""
"""What crun(1) says about the annotation run.oci.systemd.subgroup, which the bundles here do not have."""


def connect(guest: Guest) -> oci.OciEngine:
    """Return the engine, in this guest."""
    return oci.OciEngine(guest, "crun", LACKS, below=guest.do(BELOW).strip())
