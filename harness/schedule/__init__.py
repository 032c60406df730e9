"""Runs the cells of a run next to each other over the slots of the computer.

What several cells need (builds, images) is made once, before them, as a task of its own.
"""

from harness.schedule.expectations import KnownFailure, review_expectations
from harness.schedule.history import DurationHistory
from harness.schedule.runner import run_cells
from harness.schedule.scheduler import Slots
from harness.schedule.shards import select_shard

__all__ = ["DurationHistory", "KnownFailure", "Slots", "review_expectations", "run_cells", "select_shard"]
