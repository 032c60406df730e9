"""Two runs beside each other: what changed, what else differs, and which axis the regressions follow.

`open_side` reads a run, a JUnit file of any tool, or a baseline; all after that are pure functions.
"""

from harness.compare.changes import CaseChange, CellChange, Change, Comparison, change_of, compare, group_changes
from harness.compare.differences import Difference, find_differences
from harness.compare.following import Following, find_rules
from harness.compare.opening import Places, open_all, open_side
from harness.compare.rules import Rule, separate
from harness.compare.runs import load_run
from harness.compare.side import CellSide, Side, drop_axes, find_suite, join

__all__ = [
    "CaseChange",
    "CellChange",
    "CellSide",
    "Change",
    "Comparison",
    "Difference",
    "Following",
    "Places",
    "Rule",
    "Side",
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
