"""The release gate: a policy held against results and a baseline; `decide` is pure, and nothing here prints."""

from harness.gate.decision import Decision, GateInput, decide, list_suspects
from harness.gate.evidence import BASELINE, Suspect, SuspectTrial, find_confirmed, is_settled, list_looks
from harness.gate.first_bad import Cause, FirstBad, find_first_bads
from harness.gate.limits import Check, CheckLevel, Excuse, check_limits
from harness.gate.policy import Allowed, Policy, Requirement, list_requirements, load

__all__ = [
    "BASELINE", "Allowed", "Cause", "Check", "CheckLevel", "Decision", "Excuse", "FirstBad", "GateInput", "Policy", "Requirement", "Suspect", "SuspectTrial", "check_limits", "decide",
    "find_confirmed", "find_first_bads", "is_settled", "list_looks", "list_requirements", "list_suspects", "load",
]  # fmt: skip
