"""Where the log of the harness goes; modules log with the standard library, below the name `harness`."""

import logging
from pathlib import Path

from harness.credentials import redact
from harness.text import show

__all__ = ["add_file", "add_stderr"]


def add_file(path: Path) -> logging.Handler:
    """Send everything to `path` as well; the caller removes the handler from the `harness` logger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = "%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s"
    return _add_handler(logging.FileHandler(path, encoding="utf-8"), "DEBUG", form)


def add_stderr(level: str) -> None:
    """Send what has at least this level to stderr, from now on."""
    _add_handler(logging.StreamHandler(), level, "%(levelname)s: %(message)s")


class _Formatter(logging.Formatter):
    """Formats records so that neither secrets of addresses nor a terminal's controls are in them."""

    def format(self, record: logging.LogRecord) -> str:
        return show(redact(super().format(record)))


def _add_handler(handler: logging.Handler, level: str, form: str) -> logging.Handler:
    handler.setLevel(level)
    handler.setFormatter(_Formatter(form))
    root = logging.getLogger("harness")
    root.addHandler(handler)
    root.setLevel(min(handler.level, root.level or handler.level))
    return handler
