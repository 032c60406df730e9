"""The rkt upgrade-regression harness: cells of a matrix, booted, tested, judged."""

from importlib.metadata import version

__all__ = ["read_version"]

DISTRIBUTION = "rkt-upgrade-harness"
"""Name under which Python knows the package."""


def read_version() -> str:
    """Return the harness's own version, as results have it."""
    return version(DISTRIBUTION)
