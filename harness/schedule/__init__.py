"""Runs the cells of a run next to each other over the slots of the computer.

What several cells need (builds, images) is made once, before them, as a task of its own.
"""

from harness.schedule.durations import DurationHistory, select_shard
from harness.schedule.runner import run_cells
from harness.schedule.scheduler import Slots

__all__ = ["DurationHistory", "Slots", "run_cells", "select_shard"]
