"""The log of the harness in a file; modules log with the standard library, below the name `harness`."""

import logging
from pathlib import Path

__all__ = ["add_file"]


def add_file(path: Path, level: int = logging.DEBUG) -> logging.Handler:
    """Send everything to `path` as well; the caller removes the handler from the `harness` logger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s"))
    root = logging.getLogger("harness")
    root.addHandler(handler)
    root.setLevel(min(level, root.level or level))
    return handler
