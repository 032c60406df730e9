"""One point of the matrix, with its identifier: `debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5`, and back.

An id is safe as the name of a file. Its parts are in the order of the axes. In a part, `-` stands between the fields;
what must not stand in a value is written as `@` and two hexadecimal digits: every character but letters, digits, dots,
`_`, `~` and `-`, and `-` where it could be read as the end of a field. An upgrade is written `systemd-252-to-254`.

A version may have `-` in it, and a flavor may follow it. The last of several words behind the name of a runtime is its
flavor, unless it looks like the end of a version: `runc-1.0.0-rc93` has none, `rkt-1.30.0-host` has. A channel may have
`-` in it too, and ends where a word begins with a digit: `debian-bookworm-backports`, `flatcar-edge-2079.99.0`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from string import digits
from typing import Any

from harness.model.axes import AXES, OUTER_AXES, Axis, CgroupMode

__all__ = ["Cell", "format_axes", "format_id_part", "format_id_parts", "parse_axes", "parse_cell_id", "parse_id_fields"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the matrix.

    Attributes:
        distro: Guest operating system: "debian", "flatcar".
        channel: Its release stream: "bookworm", "stable".
        release: Exact release in the channel, where one was asked for: "2079.99.0".
        systemd: Version or revision of systemd: "252" as the image carries it, "v252" built from that revision.
        upgrade: What the running guest's systemd is upgraded to: "254" by the distro's packages, "v254" by a build that is
            laid over it; or None where it stays.
        systemd_built: Whether systemd is built from a revision and laid over the image.
        go: Go version that builds the runtime, or None where the runtime is no Go program.
        cgroup: cgroup mode that the guest boots in.
        runtime: The container runtime under test: "runc".
        runtime_version: Its version, "distro" for that of the distro's package, or None for a runtime that is never built.
        flavor: rkt's stage1 flavor, or None.
    """

    distro: str
    channel: str
    release: str | None = None
    systemd: str
    upgrade: str | None = None
    systemd_built: bool = False
    go: str | None = None
    cgroup: CgroupMode
    runtime: str
    runtime_version: str | None = None
    flavor: str | None = None

    @property
    def id(self) -> str:
        """Stable, readable name, safe as a file name: `debian-bookworm+systemd-252+go-1.27+legacy+runc-1.1.5`."""
        return "+".join(format_id_parts(self))


def parse_cell_id(text: str) -> Cell:
    """Return the cell that has an identifier; the inverse of `Cell.id`.

    A systemd whose name is a bare number comes with the image, and every other one is built; a cell for which that is
    not so has an id too, but not one that leads back to it.

    Raises:
        ValueError: It is the identifier of no cell.
    """
    return Cell(**parse_id_fields(text))


def format_axes(cell: Cell) -> dict[str, str | None]:
    """Return a cell's place on each axis, as results have it: `{"distro": "debian/bookworm", ...}`."""
    return {axis.name: axis.format(cell) for axis in AXES}


def parse_axes(axes: Mapping[str, str | None]) -> Cell:
    """Return the cell at a place; the inverse of `format_axes`, with the same rule for systemd as `parse_cell_id`.

    Raises:
        ValueError: A value is missing, or is none of its axis.
    """
    return Cell(**{name: value for axis in AXES for name, value in axis.parse(axes.get(axis.name)).items()})


UNSAFE = re.compile(r"[^A-Za-z0-9._~-]")
END_OF_VERSION = re.compile(r"[0-9].*|g[0-9a-f]{4,}|(?:alpha|beta|rc|pre|dev)[0-9.]*")

FIELDS = {axis.name: axis.written_fields for axis in OUTER_AXES}
GETTERS = {axis.name: attrgetter(*(field.name for field in FIELDS[axis.name])) for axis in OUTER_AXES}


def format_id_parts(cell: object) -> Iterator[str]:
    """Yield the parts of a cell's id, one for each axis that the cell has."""
    for axis in OUTER_AXES:
        part = format_id_part(axis, cell)
        if part is not None:
            yield part


def format_id_part(axis: Axis, cell: object) -> str | None:
    """Return the part of a cell's id for an axis, axes within it included; None where the cell has no value there."""
    values = GETTERS[axis.name](cell)
    return _format_part(axis.name, values if isinstance(values, tuple) else (values,))


@lru_cache(maxsize=4096)  # A matrix has many cells, but few values of each axis.
def _format_part(name: str, values: tuple[str | None, ...]) -> str | None:
    if values[0] is None:
        return None
    prefix = next(axis.prefix for axis in OUTER_AXES if axis.name == name)
    fields = FIELDS[name]
    marked = fields[-1].id_mark
    if marked:
        # What the mark begins with stands in no value before it, so that its first place in a part is where it was put.
        begin = marked.rstrip("-")
        first = _escape(values[0])
        last = "" if values[-1] is None else marked + _escape(values[-1])
        return prefix + first.replace(begin, begin.replace("-", _encode_hexadecimal("-"))) + last
    place = next((place for place, field in enumerate(fields) if field.version), len(fields))
    heads = [_escape(str(value), dash=True) for value in values[:place]]
    rest = _format_version(values[place:]) if place < len(fields) else None
    if 1 < place < len(fields):  # the last of several names before a version
        heads[-1] = re.sub("-+(?=[0-9])", lambda found: _encode_hexadecimal(found[0]), _escape(str(values[place - 1])))
        rest = _encode_hexadecimal(rest[0]) + rest[1:] if rest and not rest[0].isdigit() else rest
    return prefix + "-".join([*heads, *([rest] if rest is not None else [])])


def _format_version(values: Sequence[str | None]) -> str | None:
    """Return the text of a version and of the field that may follow it, or None where there is neither."""
    version = _escape(values[0]) if values[0] is not None else None
    if len(values) == 1 or values[1] is None:
        if len(values) > 1 and version is not None and END_OF_VERSION.fullmatch(version.rpartition("-")[2]) is None:
            version = version.replace("-", _encode_hexadecimal("-"))
        return version
    last = _escape(values[1], dash=True)
    if END_OF_VERSION.fullmatch(last) is not None:
        last = _encode_hexadecimal(last[0]) + last[1:]
    return f"{version or ''}-{last}"


def parse_id_fields(text: str) -> dict[str, Any]:
    """Return the fields of the cell that has an id; raises ValueError if it is the id of no cell."""
    parts = text.split("+")
    needed = sum(not axis.optional for axis in OUTER_AXES)
    found: dict[str, Any] = {}
    for axis in OUTER_AXES:
        spare = len(parts) > needed
        if axis.optional and not (spare and parts[0].startswith(axis.prefix)):
            values: list[str | None] = [None] * len(FIELDS[axis.name])
        else:
            values = _parse_part(axis, parts.pop(0) if parts else "")
            needed -= not axis.optional
        found |= {field.name: field.parse(value) for field, value in zip(FIELDS[axis.name], values, strict=True)}
        if axis.built:
            found[axis.built] = axis.is_built(found[axis.fields[0].name])
    if parts:
        raise ValueError(f"`{text}` has more parts than a cell has axes")
    return found


def _parse_part(axis: Axis, text: str) -> list[str | None]:
    """Return the values of the fields that a part of an id names."""
    if not text.startswith(axis.prefix):
        raise ValueError(f"`{text}` does not begin with {axis.prefix}")
    fields = FIELDS[axis.name]
    if fields[-1].id_mark:
        first, mark, last = text.removeprefix(axis.prefix).partition(fields[-1].id_mark)
        return [_unescape(first), _unescape(last) if mark else None]
    place = next((place for place, field in enumerate(fields) if field.version), len(fields))
    words: Sequence[str] = text.removeprefix(axis.prefix).split("-")
    after = len(fields) - place - 1
    if 1 < place < len(fields):
        ends = (index for index, word in enumerate(words) if index >= place and word[:1] in {*digits, "@"})
        count = next(ends, len(words))
        words = [*words[: place - 1], "-".join(words[place - 1 : count]), *words[count:]]
    heads, rest = words[:place], words[place:]
    values: list[str | None] = [_unescape(word) for word in heads] + [None] * (place - len(heads))
    if after > 0 and len(rest) > 1 and END_OF_VERSION.fullmatch(rest[-1]) is None:
        values += ["-".join(map(_unescape, rest[:-1])) or None, _unescape(rest[-1])]
    elif after >= 0:
        values += ["-".join(map(_unescape, rest)) if rest else None, *([None] * after)]
    elif rest:
        raise ValueError(f"`{text}` has more fields than {axis.name}")
    return values


def _escape(text: str, *, dash: bool = False) -> str:
    safe = UNSAFE.sub(lambda found: _encode_hexadecimal(found[0]), text)
    return safe.replace("-", _encode_hexadecimal("-")) if dash else safe


def _encode_hexadecimal(text: str) -> str:
    return "".join(f"@{byte:02x}" for byte in text.encode())


def _unescape(text: str) -> str:
    found = re.sub("(?:@[0-9a-f]{2})+", lambda match: bytes.fromhex(match[0].replace("@", "")).decode(), text)
    if UNSAFE.search(text.replace("@", "")):
        raise ValueError(f"`{text}` is no part of an id")
    return found
