"""The plans of cells that a user named."""

from collections.abc import Mapping, Sequence

from harness.app.project import Project
from harness.matrix import find
from harness.plan import Plan, make_plans, replace_image_options

__all__ = ["plan_cells"]


def plan_cells(
    project: Project, cells: Sequence[str], suites: tuple[str, ...], distro_options: Mapping[str, str] | None = None
) -> list[Plan]:
    """Return the plans of some cells by their identifiers; raise UsageError for a cell that does not exist."""
    plans = make_plans([find(project.expansion, name) for name in cells], project.matrix, project.catalog, suites)
    return [replace_image_options(each, distro_options) for each in plans] if distro_options else plans
