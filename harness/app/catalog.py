"""The catalog of the project that the settings point at, for verbs that need no more of it."""

from harness import catalog
from harness.app.settings import Settings, show_path
from harness.catalog import Catalog
from harness.errors import ConfigError

__all__ = ["load_catalog"]


def load_catalog(settings: Settings) -> Catalog:
    """Return what the project knows; raises ConfigError if there is no matrix file, or a file is wrong."""
    if not settings.matrix.exists():
        raise ConfigError(
            f"{show_path(settings.matrix)}: the file does not exist.",
            hint="Go to the project's directory, or name the file with --matrix or HARNESS_MATRIX.",
        )
    return catalog.load(settings.root)
