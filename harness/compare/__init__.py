"""Two runs next to each other: what changed, what else differs, and which axis the regressions follow.

`open_side` reads a run, a JUnit file of any tool, or a baseline; all after that are pure functions.
"""

from harness.compare.baseline import SUFFIX, carry_history, find_baseline, load_baseline, write_baseline
from harness.compare.causes import Difference, Following, find_differences, find_rules
from harness.compare.changes import (
    REGRESSIONS,
    CaseChange,
    CellChange,
    ChangeKind,
    Comparison,
    change_of,
    compare,
    group_changes,
)  # fmt: skip
from harness.compare.loading import Places, open_all, open_part, open_side
from harness.compare.outcomes import CellOutcomes, RunOutcomes, drop_axes, find_suite, join
from harness.compare.rules import AxisRule, separate
from harness.compare.runs import load_run

__all__ = [
    "REGRESSIONS", "SUFFIX", "AxisRule", "CaseChange", "CellChange", "CellOutcomes", "ChangeKind", "Comparison", "Difference",
    "Following", "Places", "RunOutcomes", "carry_history", "change_of", "compare", "drop_axes", "find_baseline", "find_differences",
    "find_rules", "find_suite", "group_changes", "join", "load_baseline", "load_run", "open_all", "open_part",
    "open_side", "separate", "write_baseline",
]  # fmt: skip
