"""`evaluate(plan)`: the one place where build, image, machine and suite meet."""

from harness.pipeline.evaluation import BUDGETS, INTERRUPTED, Workplace, evaluate
from harness.pipeline.needs import Need, needs

__all__ = ["BUDGETS", "INTERRUPTED", "Need", "Workplace", "evaluate", "needs"]
