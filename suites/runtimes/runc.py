"""runc, from which the other OCI runtimes have their command line."""

from suites.lib.guest import Guest
from suites.lib.oci import LACKS, OciEngine

__all__ = ["LACKS", "connect"]


def connect(guest: Guest) -> OciEngine:
    """Return the engine, in this guest."""
    return OciEngine(guest, "runc", LACKS)
