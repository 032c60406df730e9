"""Guest operating systems: each package in this folder is one, and has it as `DISTRO`; see `protocol.Distro`.

A distro's data are in images/NAME. A new one is that folder and one here; nothing else names it.
"""

import importlib
import pkgutil

from harness.distros.protocol import BootOptions, Distro, DistroOption, Image, ImageSpec
from harness.errors import UsageError

__all__ = ["BootOptions", "Distro", "DistroOption", "Image", "ImageSpec", "find", "list_distros", "list_options"]


def find(name: str) -> Distro:
    """Return the distro of a name; raises UsageError if there is no folder of that name."""
    if name not in _list_names():
        raise UsageError(
            f"The harness cannot make images of {name}: there is no folder harness/distros/{name}; "
            f"there are {', '.join(_list_names())}."
        )
    return _load(name)


def list_distros() -> tuple[Distro, ...]:
    """Return all distros, by name."""
    return tuple(_load(name) for name in _list_names())


def list_options() -> tuple[DistroOption, ...]:
    """Return the options of all distros; one that several have is one option."""
    return tuple({option.name: option for distro in list_distros() for option in distro.options}.values())


def _list_names() -> tuple[str, ...]:
    return tuple(found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)


def _load(name: str) -> Distro:
    distro: Distro = importlib.import_module(f"{__name__}.{name}").DISTRO
    return distro
