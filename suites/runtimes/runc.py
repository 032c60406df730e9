"""runc, from which the other OCI runtimes have their command line; its flavor `cgroupfs` is its own cgroup driver."""

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.oci import LACKS, SYSTEMD, OciEngine

__all__ = ["LACKS", "connect"]

OWN_DRIVER = {Feature.UNIT: "runc's own cgroup driver makes cgroups itself, and no unit"}


def connect(guest: Guest, flavor: str | None = None, /) -> OciEngine:
    """Return the engine, in this guest."""
    if flavor == "cgroupfs":
        return OciEngine(guest, "runc", LACKS | OWN_DRIVER, driver="")
    return OciEngine(guest, "runc", LACKS, driver=SYSTEMD)
