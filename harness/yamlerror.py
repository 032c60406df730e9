"""What pydantic finds wrong in a file that people write, as sentences for those people.

Pydantic speaks of inputs, tuples and unions; here each finding becomes one sentence in the words of
YAML, with the path of the value that it is about. Regular expressions are checked here, when they are read; `matching` uses them.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import groupby
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

__all__ = ["Path", "Position", "Problem", "TextError", "check_pattern", "check_replacement", "list_problems"]

LONGEST_PATTERN = 2000
"""Characters of a regular expression at most."""

Path = tuple[str | int, ...]
"""Keys and indexes that lead to a value in a file."""
Position = tuple[int, int]
"""Line and column, both from 1."""

KINDS = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list, `[a, b]`",
    "tuple_type": "must be a list, `[a, b]`",
    "dict_type": "must be a mapping, `key: value`",
    "mapping_type": "must be a mapping, `key: value`",
    "model_type": "must be a mapping, `key: value`",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}
"""Pydantic's kinds of errors whose own words are about Python."""

NEAR = 0.7
"""Likeness, from 0 to 1, from which a known key is taken for the one that was meant: `suits` for `suites`."""


class TextError(ValueError):
    """Something inside a text is wrong; a validator raises it to say where.

    Attributes:
        offset: Index of the character, from 0.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


def check_pattern(text: str) -> str:
    """Return a regular expression; raises TextError if it is none, or larger than Python can take."""
    if len(text) > LONGEST_PATTERN:
        raise TextError(f"a regular expression has {LONGEST_PATTERN} characters at most")
    try:
        with warnings.catch_warnings():
            # What a later Python may read otherwise (`[[a]`), this one reads.
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(text)
    except re.error as error:
        raise TextError(f"this is not a regular expression: {error.msg}", error.pos or 0) from error
    except (OverflowError, RecursionError, MemoryError, ValueError) as error:
        raise TextError(
            "this is not a regular expression: a number in it is too large, or it is nested too deeply"
        ) from error
    return text


def check_replacement(pattern: str, text: str) -> str:
    """Return what replaces the matches of a checked pattern; raises TextError if it names a group that there is not."""
    try:
        # The empty alternative matches, and so the text is read.
        re.compile(f"{pattern}|").sub(text, "", count=1)
    except (re.error, IndexError) as error:
        raise TextError(f"this cannot replace what `{pattern[:80]}` matches: {error}") from error
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: The value that it is about.
        offset: Index of a character in that value, or None.
        text: The sentence, without its place.
    """

    path: Path
    offset: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    path: Path
    union: Path | None  # where a choice between types begins, if this is about one of the choices
    details: ErrorDetails


def list_problems(
    error: ValidationError, positions: Mapping[Path, Position], model: type[BaseModel]
) -> Iterator[Problem]:
    """Yield the problems of a file, in pydantic's order; the choices of a union are one problem."""
    problem = partial(_make_problem, model=model)
    # A list whose items are wrong is "too short" for pydantic; what is wrong with the items says it all.
    about = [item for item in error.errors(include_url=False) if item["type"] != "too_short" or not item["input"]]
    found = [_locate(item, positions) for item in about]
    for union, members in groupby(found, key=lambda item: item.union):
        group = list(members)
        if union is None:
            yield from map(problem, group)
            continue
        # The choice that went furthest into the file is the one that was meant.
        depth = max(len(item.path) for item in group)
        deepest = [item for item in group if len(item.path) == depth]
        if depth > len(union):
            yield from map(problem, deepest)
        else:
            yield _merge_choice(deepest)


def _locate(details: ErrorDetails, positions: Mapping[Path, Position]) -> _Found:
    path: Path = ()
    union: Path | None = None
    steps = details["loc"][:-1] if details["type"] == "missing" else details["loc"]
    for step in steps:
        if (*path, step) in positions:
            path = (*path, step)
        elif step != "[key]" and union is None:
            union = path  # the step is pydantic's name of one choice, not a key of the file
    return _Found(path=path, union=union, details=details)


def _merge_choice(group: list[_Found]) -> Problem:
    parts = [_describe_error(item.details) for item in group]
    text = " or ".join([parts[0], *(part.removeprefix("must be ") for part in parts[1:])])
    return Problem(
        path=group[0].path,
        offset=None,
        text=f"{_format_path(group[0].path)} {text}{_describe_input(group[0].details)}.",
    )


def _make_problem(found: _Found, model: type[BaseModel]) -> Problem:
    details = found.details
    kind, path = details["type"], found.path
    if kind == "extra_forbidden":
        return Problem(
            path=path, offset=None, text=f"the key {_format_path(path)} is not known here{_suggest_keys(path, model)}."
        )
    if kind == "missing":
        inside = f" in {_format_path(path)}" if path else ""
        return Problem(path=path, offset=None, text=f"the key `{details['loc'][-1]}` is missing{inside}.")
    if kind == "value_error":
        cause = details.get("ctx", {}).get("error")
        offset = cause.offset if isinstance(cause, TextError) else None
        return Problem(path=path, offset=offset, text=f"{_format_path(path)}: {str(cause).rstrip('.')}.")
    return Problem(
        path=path, offset=None, text=f"{_format_path(path)} {_describe_error(details)}{_describe_input(details)}."
    )


def _suggest_keys(path: Path, model: type[BaseModel]) -> str:
    """Return what could have been meant by the last step of a path that leads to an unknown key."""
    keys = list(dict.fromkeys(key for one in _find_models(model, path[:-1]) for key in one.model_fields))
    near = get_close_matches(str(path[-1]), keys, n=1, cutoff=NEAR)
    return f"; the nearest is `{near[0]}`" if near else f"; known: {', '.join(keys)}"


def _find_models(kind: Any, path: Path) -> Iterator[type[BaseModel]]:
    """Yield the models that the value at a path may be, where the whole is of this kind."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not path:
            yield kind
        elif path[0] in kind.model_fields:
            yield from _find_models(kind.model_fields[str(path[0])].annotation, path[1:])
        return
    here = get_origin(kind) in {Annotated, Union, UnionType}  # others are mappings and lists: a step further in
    for part in get_args(kind) if here or path else ():
        yield from _find_models(part, path if here else path[1:])


def _describe_error(details: ErrorDetails) -> str:
    known = KINDS.get(details["type"])
    if known:
        return known
    return details["msg"].rstrip(".").replace("Input should be", "must be").replace("Input should", "must")


def _describe_input(details: ErrorDetails) -> str:
    value: Any = details["input"]
    if details["type"] in {"too_short", "string_too_short"}:
        return ""
    if value is None:
        return ", not empty"
    if isinstance(value, bool):
        return f", not {str(value).lower()}; quotes make it text"
    if isinstance(value, str | int):
        return f", not `{value}`"
    return ", not a list" if isinstance(value, list) else ", not a mapping"


def _format_path(path: Path) -> str:
    return f"`{'.'.join(str(step) for step in path)}`" if path else "the file"
