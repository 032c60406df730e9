"""Adapters: each module or package in this folder speaks to the runtime of its name.

It has `LACKS`, what the runtime cannot do, by feature with the reason, and `connect(guest, flavor)`, which gives an
`Engine` (suites/lib/engine.py). A feature that is not in LACKS the runtime has, and its cases run.
"""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from suites.lib.engine import Engine
from suites.lib.features import Feature
from suites.lib.guest import Guest

__all__ = ["Adapter", "find_adapter", "list_names"]


class Adapter(Protocol):
    """What a module in this folder has."""

    LACKS: Mapping[Feature, str]

    def connect(self, guest: Guest, flavor: str | None = None, /) -> Engine:
        """Return the runtime as it is in a guest, in a flavor of the cell's."""


def list_names() -> tuple[str, ...]:
    """Return the names of the runtimes that have an adapter."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def find_adapter(name: str) -> Adapter:
    """Return the adapter of a runtime; raises LookupError where there is none."""
    if name not in list_names():
        raise LookupError(f"The runtime {name} has no adapter; suites/runtimes has {', '.join(list_names())}.")
    return cast("Adapter", import_module(f"{__name__}.{name}"))
