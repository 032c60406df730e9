"""How components are built: each module in this folder is a recipe, and has what `spec.Recipe` says."""

import pkgutil
from importlib import import_module
from typing import cast

from harness.build.spec import Recipe
from harness.errors import ConfigError

__all__ = ["find_recipe", "list_names"]


def list_names() -> tuple[str, ...]:
    """Return the names of all recipes."""
    return tuple(module.name for module in pkgutil.iter_modules(__path__))


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name; raises ConfigError if there is none; the message names those that exist."""
    if name not in list_names():
        raise ConfigError(f"There is no recipe `{name}`; known are {', '.join(list_names())}.")
    return cast("Recipe", import_module(f"{__name__}.{name}"))
