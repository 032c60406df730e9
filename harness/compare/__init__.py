"""Two runs beside each other: what changed, what else differs, and which axis the regressions follow.

`open_side` reads a run, a JUnit file of any tool, or a baseline; all after that are pure functions.
"""

from harness.compare.changes import CaseChange, CellChange, Change, Comparison, change_of, compare, grouped
from harness.compare.differences import Difference, differences
from harness.compare.following import Following, rules_of
from harness.compare.opening import Places, open_all, open_side
from harness.compare.rules import Rule, separate
from harness.compare.runs import load_run
from harness.compare.side import CellSide, Side, across, join, suite_of

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
    "across",
    "change_of",
    "compare",
    "differences",
    "grouped",
    "join",
    "load_run",
    "open_all",
    "open_side",
    "rules_of",
    "separate",
    "suite_of",
]
