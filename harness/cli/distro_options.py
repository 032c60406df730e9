"""Options that distros declare for themselves, on every verb that makes images."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.credentials import remember_credentials
from harness.distros import DistroOption, list_options

__all__ = ["take_distro_options"]

PARAMETER = "distro_options"
"""The parameter of a verb that gets the values by name."""


def take_distro_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return the verb with an option for each of the distros' own, in place of its parameter `distro_options`."""
    options = list_options()

    @wraps(verb)
    def run(*args: Any, **kwargs: Any) -> None:
        given = {option.name: kwargs.pop(option.name) for option in options}
        return verb(*args, **kwargs, **{PARAMETER: _collect_values(given)})

    signature = inspect.signature(verb)
    parameters = [each for each in signature.parameters.values() if each.name != PARAMETER]
    further = [
        inspect.Parameter(
            option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_make_annotation(option)
        )
        for option in options
    ]
    run.__signature__ = signature.replace(parameters=[*parameters, *further])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*parameters, *further)}
    return run


def _collect_values(given: Mapping[str, str | Path | None]) -> dict[str, str]:
    """Return what was given; a path as it is found from everywhere."""
    return {
        name: remember_credentials(str(value.absolute() if isinstance(value, Path) else value))
        for name, value in given.items()
        if value is not None
    }


def _make_annotation(option: DistroOption) -> Any:
    variable = f"HARNESS_{option.name.upper()}"
    about: dict[str, Any] = {"envvar": variable, "metavar": option.metavar, "help": option.help}
    if option.file:
        return Annotated[Path | None, typer.Option(f"--{option.name}", exists=True, dir_okay=False, **about)]
    return Annotated[str | None, typer.Option(f"--{option.name}", **about)]
