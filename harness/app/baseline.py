"""Baselines as library calls: what a run found is saved as one, and one is promoted to another."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.app.settings import Settings, show_path
from harness.compare import (
    REGRESSIONS,
    ChangeKind,
    Comparison,
    Places,
    carry_history,
    compare,
    find_baseline,
    load_baseline,
    open_all,
    write_baseline,
)  # fmt: skip
from harness.errors import InfrastructureError, NothingRanError, UsageError
from harness.text import escape

__all__ = ["WORSE", "promote_baseline", "save_baseline"]

logger = logging.getLogger(__name__)

WORSE = (*REGRESSIONS, ChangeKind.NEW_FAILING, ChangeKind.BROKEN, ChangeKind.GONE, ChangeKind.FLAKY)
"""Changes that are shown where they keep a baseline from replacing another."""


def save_baseline(
    name: str, runs: Sequence[str], settings: Settings, *, replace: bool, pooled: bool = False
) -> tuple[Path, Mapping[str, int]]:
    """Save what a run found, or, if `pooled`, several runs of the same, and return the file with how many cells and cases are in it.

    Raises:
        UsageError: There is such a baseline already, or the run is not whole.
        NothingRanError: Nothing could be compared with it.
    """
    path = find_baseline(settings.baselines, name)
    if path.exists() and not replace:
        raise UsageError(
            f"There is a baseline {name} already: {show_path(path)}.",
            hint="Save it again with --replace, or `harness baseline promote` another that compares well with it.",
        )
    side, conflicts = open_all(runs, Places(runs=settings.runs, baselines=settings.baselines), pooled=pooled)
    if problems := (*conflicts, *side.problems):
        raise UsageError("\n".join(map(escape, problems)), hint="A baseline needs a complete run.")
    if not side.counts["ran"]:
        raise NothingRanError(f"Nothing ran in {side.name}, so nothing could be compared with it.")
    if path.exists():
        try:
            side = carry_history(side, load_baseline(path, name=name))
        except InfrastructureError as error:
            logger.warning("The history of the baseline is lost: %s", error)
    write_baseline(side, path)
    return path, side.counts


def promote_baseline(
    name: str,
    target: str,
    settings: Settings,
    *,
    accept: bool,
    judge: Callable[[Comparison, Settings], Sequence[object]],
) -> tuple[Path, Comparison | None, bool]:
    """Make a baseline replace another, unless `judge` has something against it that is not accepted.

    The other's history is carried on: since when cases fail, and which were fixed.

    Returns:
        The file of the other, what was different in it if there was one, and whether it was replaced.

    Raises:
        UsageError: There is no such baseline.
    """
    path, goal = (find_baseline(settings.baselines, each) for each in (name, target))
    if not path.is_file():
        raise UsageError(f"There is no baseline {name}: {show_path(path)} does not exist.")
    side = load_baseline(path, name=name)
    earlier = load_baseline(goal, name=target) if goal.is_file() else None
    found = compare(earlier, side) if earlier is not None else None
    replaced = accept or found is None or not judge(found, settings)
    if replaced:
        write_baseline(carry_history(side, earlier) if earlier is not None else side, goal)
    return goal, found, replaced
