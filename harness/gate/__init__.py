"""The release gate: a policy held against results and a baseline; `decide` is pure, and nothing here prints."""

from harness.gate.decision import Check, CheckLevel, Decision, GateInput, decide
from harness.gate.first_bad import FirstBad, find_first_bads
from harness.gate.policy import Policy, Requirement, list_requirements, load

__all__ = [
    "Check", "CheckLevel", "Decision", "FirstBad", "GateInput", "Policy", "Requirement", "decide", "find_first_bads",
    "list_requirements", "load",
]  # fmt: skip
