"""The content-addressed store: a directory for each artifact, named by the hash of its inputs.

An artifact is made in a temporary sibling directory and published by rename, under a lock for its
key, so that two harness processes on one store build it once and nobody sees half of it. The
manifest next to the files says what they were made from, and what they have to be.

On disk: `<root>/<kind>/<key>/` with `files/`, `manifest.json` and the mark of its last use; next to
it `<key>.lock`, and `<key>.part` while it is being made or removed.
"""

from harness.store.artifacts import Artifact, Store
from harness.store.locks import hold_lock, try_lock
from harness.store.manifest import hash_file, make_key
from harness.store.marker import claim
from harness.store.trees import take_privileges
from harness.store.upkeep import Damaged, Pruned, Stored, Verified, list_artifacts, prune, verify

__all__ = [
    "Artifact", "Damaged", "Pruned", "Store", "Stored", "Verified", "claim", "hash_file", "hold_lock", "list_artifacts",
    "make_key", "prune", "take_privileges", "try_lock", "verify",
]  # fmt: skip
