"""CI files made from the matrix, and what CI jobs need besides `harness run`: balanced shards, and their merging.

What a CI system wants to read is one file of knowledge, systems/NAME.yaml; what its jobs do are scripts below ci/
of the project, which run on a laptop as well. `render` makes the files, `compare` finds those that have drifted.
"""

from harness.ci.durations import DURATIONS, collect_durations, format_durations, merge_durations, read
from harness.ci.merging import Merged, Shard, collect, merge
from harness.ci.rendering import Drift, DriftState, Pipeline, Rendered, System, compare, list_systems, render

__all__ = [
    "DURATIONS", "Drift", "DriftState", "Merged", "Pipeline", "Rendered", "Shard", "System", "collect",
    "collect_durations", "compare", "format_durations", "list_systems", "merge", "merge_durations", "read", "render",
]  # fmt: skip
