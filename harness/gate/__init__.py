"""The release gate: a policy held against results and a baseline; `decide` is pure, and nothing here prints."""

from harness.gate.decision import Check, CheckLevel, Decision, GateInput, decide, list_suspects
from harness.gate.evidence import Suspect, SuspectTrial, find_confirmed, is_settled, list_looks
from harness.gate.first_bad import FirstBad, find_first_bads
from harness.gate.policy import Policy, Requirement, list_requirements, load

__all__ = [
    "Check", "CheckLevel", "Decision", "FirstBad", "GateInput", "Policy", "Requirement", "Suspect", "SuspectTrial", "decide",
    "find_confirmed", "find_first_bads", "is_settled", "list_looks", "list_requirements", "list_suspects", "load",
]  # fmt: skip
