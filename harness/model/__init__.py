"""The words of the harness as types: cells, modes, outcomes, verdicts, versions."""

from harness.model.cell import Cell, CgroupMode
from harness.model.outcome import Outcome, Statement, Verdict
from harness.model.phases import Event, Phase, State
from harness.model.versions import VersionRange, compare_versions, make_version_key, parse_major_version

__all__ = [
    "Cell",
    "CgroupMode",
    "Event",
    "Outcome",
    "Phase",
    "State",
    "Statement",
    "Verdict",
    "VersionRange",
    "compare_versions",
    "make_version_key",
    "parse_major_version",
]
