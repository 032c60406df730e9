"""Runs the cells of a run side by side over the slots of the computer, and keeps the run's directory.

What several cells need (builds, images) is made once, before them, as a task of its own.
"""

from harness.schedule.board import Board, Slots, Task, lower_bound, makespan
from harness.schedule.expectations import Known, review
from harness.schedule.history import History
from harness.schedule.run import Job, run
from harness.schedule.shards import shard

__all__ = [
    "Board",
    "History",
    "Job",
    "Known",
    "Slots",
    "Task",
    "lower_bound",
    "makespan",
    "review",
    "run",
    "shard",
]
