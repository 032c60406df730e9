"""Runs the cells of a run side by side over the slots of the computer, and keeps the run's directory.

What several cells need (builds, images) is made once, before them, as a task of its own.
"""

from harness.schedule.board import Board, Slots, Task, lower_bound, makespan
from harness.schedule.directory import LAST, find, held, last, making, new_directory
from harness.schedule.expectations import Known, review
from harness.schedule.history import History
from harness.schedule.request import Request, read_request
from harness.schedule.run import RESULT, Job, run
from harness.schedule.shards import parse, shard

__all__ = [
    "LAST",
    "RESULT",
    "Board",
    "History",
    "Job",
    "Known",
    "Request",
    "Slots",
    "Task",
    "find",
    "held",
    "last",
    "lower_bound",
    "makespan",
    "making",
    "new_directory",
    "parse",
    "read_request",
    "review",
    "run",
    "shard",
]
