"""Flatcar's releases: which there are, and a verified one on this computer.

`resolve` makes a release of a user's words, `obtain` gets it: `harness.flatcar` knows nothing about booting it.
"""

from harness.flatcar.hosts import address, exactly, resolve
from harness.flatcar.obtaining import Fetched, obtain
from harness.flatcar.releases import FILES, Index, Release, known, refresh
from harness.flatcar.trust import TrustError
from harness.flatcar.versions import Channel, Version

__all__ = [
    "FILES",
    "Channel",
    "Fetched",
    "Index",
    "Release",
    "TrustError",
    "Version",
    "address",
    "exactly",
    "known",
    "obtain",
    "refresh",
    "resolve",
]
