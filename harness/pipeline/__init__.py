"""`evaluate(task, context, directory)`: the one place where build, image, machine and suite meet."""

from harness.pipeline.context import BUDGETS, CellTask, RunContext
from harness.pipeline.evaluation import evaluate
from harness.pipeline.expectations import KnownFailure, judge, review_expectations
from harness.pipeline.guest import Prerequisite, boot_cell, list_prerequisites

__all__ = [
    "BUDGETS", "CellTask", "KnownFailure", "Prerequisite", "RunContext", "boot_cell", "evaluate", "judge",
    "list_prerequisites", "review_expectations",
]  # fmt: skip
