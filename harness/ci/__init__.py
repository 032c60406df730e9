"""CI files made from the matrix, and what CI jobs need besides `harness run`: balanced shards, and their merging.

What a CI system wants to read is one file of knowledge, systems/NAME.yaml; what its jobs do are scripts below ci/
of the project, which run on a laptop as well. `render` makes the files, `compare` finds those that have drifted.
"""

from harness.ci.durations import DURATIONS, merged, of_runs, read, text
from harness.ci.merging import Merged, Shard, collect, merge
from harness.ci.rendering import Drift, DriftState, Pipeline, Rendered, System, compare, render, systems

__all__ = [
    "DURATIONS",
    "Drift",
    "DriftState",
    "Merged",
    "Pipeline",
    "Rendered",
    "Shard",
    "System",
    "collect",
    "compare",
    "merge",
    "merged",
    "of_runs",
    "read",
    "render",
    "systems",
    "text",
]
