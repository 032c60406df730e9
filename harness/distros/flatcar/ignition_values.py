"""The values of Ignition's documents as types that check themselves; see `harness.distros.flatcar.ignition`."""

import posixpath
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["DropInName", "LineText", "Mode", "NameText", "PathText", "UnitText", "check_unique"]

LONGEST = 2048
"""Most bytes of a line in a unit, for Ignition's own reader of units (go-systemd)."""

DROP_IN = re.compile(r"[A-Za-z0-9:_.@\\-]+\.conf\Z")
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
"""useradd(8): how a user or a group may be called."""


def _check_path(text: str) -> str:
    if not text.startswith("/") or text == "/" or posixpath.normpath(text) != text or text.startswith("//"):
        raise ValueError(f"`{text}` is no absolute path in its shortest spelling")
    if "\0" in text:
        raise ValueError("a path has no NUL in it")
    return text


def _require_match(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.match(text):
            raise ValueError(f"`{text}` is no {what}")
        return text

    return AfterValidator(check)


def _check_line(text: str) -> str:
    if not text.strip() or any(not character.isprintable() for character in text):
        raise ValueError("this has to be one line of text")
    return text


def _check_unit_text(text: str) -> str:
    """Refuse what go-systemd cannot read: a heading or an assignment that does not end, or a line that is too long."""
    continued = False
    for line in text.split("\n"):
        if len(line.encode()) >= LONGEST:
            raise ValueError(f"a line of a unit has less than {LONGEST} bytes")
        bare = line.strip()
        if "\0" in line or "\r" in line:
            raise ValueError("a unit is text with \\n at the end of its lines")
        if not continued and bare and not bare.startswith(("#", ";")):
            if bare.startswith("["):
                if not re.fullmatch(r"\[[^\[\]]+\]", bare):
                    raise ValueError(f"`{bare}` is no heading of a section")
            elif not re.match(r"[^=\s][^=]*=", bare):
                raise ValueError(f"`{bare}` is no assignment")
        continued = line.endswith("\\") and not bare.startswith(("#", ";"))
    if continued or (text and not text.endswith("\n")):
        raise ValueError("a unit ends with a whole line")
    first = next((line for line in map(str.strip, text.split("\n")) if line and line[0] not in "#;"), "[")
    if not first.startswith("["):
        raise ValueError(f"`{first}` stands before the first section")
    return text


def check_unique(names: Iterable[str], what: str) -> None:
    """Raise ValueError where a name is there twice; `what` is what they are."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} `{name}` is there twice")
        seen.add(name)


PathText = Annotated[str, AfterValidator(_check_path)]
NameText = Annotated[str, _require_match(NAME, "name of a user or a group")]
LineText = Annotated[str, AfterValidator(_check_line)]
UnitText = Annotated[str, AfterValidator(_check_unit_text)]
Mode = Annotated[int, Field(ge=0, le=0o777)]
"""Permissions; what is more than them, versions before 3.4 ignore."""
DropInName = Annotated[str, _require_match(DROP_IN, "drop-in of a unit (NAME.conf)")]
