"""Baselines of the project: where they are."""

from pathlib import Path

from harness.app.settings import Settings, show_path
from harness.compare import Places

__all__ = ["BASELINES", "make_places"]

BASELINES = Path("ci", "baselines")
"""Where baselines are, next to the matrix."""


def make_places(settings: Settings) -> Places:
    """Return where runs and baselines are looked for; baselines as messages name them."""
    return Places(runs=settings.runs, baselines=Path(show_path(settings.root / BASELINES)))
