"""The plans of cells that a user named."""

from collections.abc import Sequence
from pathlib import Path

from harness.app.project import Project
from harness.matrix import find
from harness.plan import Plan, make_plans, with_image_options

__all__ = ["plan_cells"]


def plan_cells(
    project: Project,
    cells: Sequence[str],
    suites: tuple[str, ...],
    source: tuple[str | None, Path | None] = (None, None),
) -> list[Plan]:
    """Return the plans of some cells by their identifiers; raise UsageError for a cell that does not exist.

    Args:
        project: The project.
        cells: The cells.
        suites: Names of the suites that run.
        source: Mirror and key for images, options of distros.
    """
    plans = make_plans([find(project.expansion, name) for name in cells], project.matrix, project.catalog, suites)
    options = {name: str(value) for name, value in zip(("mirror", "key"), source, strict=True) if value is not None}
    return [with_image_options(each, options) for each in plans] if options else plans
