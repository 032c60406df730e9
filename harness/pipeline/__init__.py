"""`evaluate(plan)`: the one place where build, image, machine and suite meet."""

from harness.pipeline.evaluation import INTERRUPTED, evaluate
from harness.pipeline.guest import ready
from harness.pipeline.needs import Need, needs
from harness.pipeline.workplace import BUDGETS, Workplace

__all__ = ["BUDGETS", "INTERRUPTED", "Need", "Workplace", "evaluate", "needs", "ready"]
