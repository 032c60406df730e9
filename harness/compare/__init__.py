"""Two runs beside each other: what changed, what else differs, and which axis the regressions follow.

`open_side` reads a run, a JUnit file of any tool, or a baseline; all after that are pure functions.
"""

from harness.compare.changes import CaseChange, CellChange, ChangeKind, Comparison, change_of, compare, group_changes
from harness.compare.differences import Difference, find_differences
from harness.compare.following import Following, find_rules
from harness.compare.opening import Places, open_all, open_side
from harness.compare.rules import AxisRule, separate
from harness.compare.runs import load_run
from harness.compare.side import CellOutcomes, RunOutcomes, drop_axes, find_suite, join

__all__ = [
    "AxisRule",
    "CaseChange",
    "CellChange",
    "CellOutcomes",
    "ChangeKind",
    "Comparison",
    "Difference",
    "Following",
    "Places",
    "RunOutcomes",
    "change_of",
    "compare",
    "drop_axes",
    "find_differences",
    "find_rules",
    "find_suite",
    "group_changes",
    "join",
    "load_run",
    "open_all",
    "open_side",
    "separate",
]
