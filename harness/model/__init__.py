"""The words of the harness as types: cells, modes, outcomes, verdicts, versions."""

from harness.model.axes import (
    AXES,
    AXES_BY_NAME,
    BARE_NUMBER,
    DISTRO_OWN,
    OUTER_AXES,
    REVISION,
    Axis,
    AxisField,
    CgroupMode,
)
from harness.model.cell import Cell, format_axes, format_id_part, parse_axes, parse_cell_id
from harness.model.outcome import (
    Event,
    Outcome,
    Phase,
    State,
    Statement,
    Verdict,
    count_runs,
    find_worst,
    fold_outcomes,
)
from harness.model.versions import (
    RELEASE,
    VersionRange,
    compare_versions,
    find_systemd_version,
    make_version_key,
    parse_major_version,
)

__all__ = [
    "AXES", "AXES_BY_NAME", "BARE_NUMBER", "DISTRO_OWN", "OUTER_AXES", "RELEASE", "REVISION", "Axis", "AxisField", "Cell",
    "CgroupMode", "Event", "Outcome", "Phase", "State", "Statement", "Verdict", "VersionRange", "compare_versions", "count_runs",
    "find_systemd_version", "find_worst", "fold_outcomes", "format_axes", "format_id_part", "make_version_key", "parse_axes",
    "parse_cell_id", "parse_major_version",
]  # fmt: skip
