"""What an expression can ask of a cell: the fields of the axes, by name, with the checks that need the catalog.

A cell that does not have a field (nspawn has no `go`) equals only `none`, and is neither smaller nor larger than
anything. `==` holds for a version that begins with the value: `go==1.21` holds for 1.21.13.
"""

import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from harness.catalog import Catalog
from harness.model import AXES, DISTRO_OWN, RELEASE, Axis, AxisField, Cell, compare_versions
from harness.selection import names
from harness.yamlfile import TextError

__all__ = ["FIELDS", "NONE", "Selector", "find_values"]

NONE = "none"
"""The value of a field that a cell does not have."""

Check = Callable[[str, Catalog], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What an expression can ask of a cell.

    Attributes:
        about: What it is and how its values are written, for `harness matrix fields`.
        key: The part of the cell that decides; equal keys have equal answers.
        equal: Whether such a part equals a value as written.
        version: The version in such a part, or None where there is none; None for fields without order.
        check: Raises TextError for a value that no cell can have.
        axis: The axis whose values it compares, or None for a part of one.
    """

    about: str
    key: Callable[[Cell], Hashable]
    equal: Callable[[Any, str], bool]
    version: Callable[[Any], str | None] | None = None
    check: Check = lambda _text, _catalog: None
    axis: Axis | None = None


def find_values(selector: Selector, part: Hashable) -> Iterator[str]:
    """Yield how the part of a cell can be written as a value of a field, from the general to the exact."""
    axis = selector.axis
    if axis is None:
        yield NONE if part is None else str(part)
        return
    values = part if isinstance(part, tuple) else (part,)
    own = ["" if value is None else f"{field.mark}{value}" for field, value in zip(axis.fields, values, strict=False)]
    general = dict.fromkeys("".join(own[: count + 1]) for count in range(len(own)))
    inner = zip(axis.written_fields[len(own) :], values[len(own) :], strict=False)
    rest = dict.fromkeys(["", *(f"{field.mark}{value}" for field, value in inner if isinstance(value, str))])
    yield from (text + tail for tail, text in product(rest, general))


def _make_selectors() -> Iterator[tuple[str, Selector]]:
    for axis in AXES:
        first, *others = axis.fields
        if axis.built:
            yield (
                axis.name,
                Selector(
                    about=axis.about,
                    key=operator.attrgetter(first.name, axis.built),
                    equal=_is_built_equal,
                    version=lambda part: _find_release(part[0]),
                    check=CHECKS.get(axis.name, _pass),
                    axis=replace(axis, fields=(first,)),
                ),
            )
        elif len(axis.written_fields) > 1:
            key = operator.attrgetter(*(field.name for field in axis.written_fields))
            yield (
                axis.name,
                Selector(
                    about=axis.about, key=key, equal=_make_equal(axis), check=CHECKS.get(axis.name, _pass), axis=axis
                ),
            )
        else:
            yield axis.name, replace(_make_selector(first), about=axis.about or first.about)
        for field in others:
            yield field.name, _make_selector(field)
            if field.alias:
                yield field.alias, _make_selector(field)
    yield (
        "cell",
        Selector(
            about="the cell's identifier; `*` is any text",
            key=operator.attrgetter("id"),
            equal=lambda part, value: names.compile_glob(value).match(part) is not None,
        ),
    )


def _make_selector(field: AxisField) -> Selector:
    version = (_find_release if field.revision else _return) if field.version else None
    words = field.words

    def check_word(text: str, _catalog: Catalog) -> None:
        if words is not None and text not in set(words):
            raise TextError(names.describe_unknown(field.title or field.name, text, words))

    return Selector(
        about=field.about,
        key=operator.attrgetter(field.name),
        equal=_is_version_equal if field.version else _is_text_equal,
        version=version,
        check=check_word if words is not None else CHECKS.get(field.name, _pass),
    )


def _make_equal(axis: Axis) -> Callable[[Any, str], bool]:
    """Return the comparison of a value with some of its fields left out; only checked values get here."""
    pattern, fields = axis.compile(), axis.written_fields

    def is_equal(part: tuple[str | None, ...], value: str) -> bool:
        match = pattern.match(value)
        assert match is not None
        for field, own in zip(fields, part, strict=True):
            wanted = match[field.name]
            same = _is_version_equal(own, wanted or "") if field.version else own == wanted
            if wanted is not None and not same:
                return False
        return True

    return is_equal


def _is_text_equal(part: str | None, value: str) -> bool:
    return value == (NONE if part is None else part)


def _is_version_equal(part: str | None, value: str) -> bool:
    if part is None or value == NONE:
        return part is None and value == NONE
    return part == value or compare_versions(part, "==", value)


def _is_built_equal(part: tuple[str, bool], value: str) -> bool:
    revision, built = part
    if value == DISTRO_OWN:
        return not built
    if RELEASE.match(revision) and RELEASE.match(value):
        return compare_versions(revision, "==", value)
    return revision == value


def _find_release(part: str | None) -> str | None:
    return part if part and RELEASE.match(part) else None


def _return(part: str | None) -> str | None:
    return part


def _pass(_text: str, _catalog: Catalog) -> None:
    """Accept every value."""


def _check_channel(text: str, catalog: Catalog) -> None:
    channels = [channel for distro in catalog.distros.values() for channel in distro.channels]
    if text not in channels:
        raise TextError(names.describe_unknown("channel", text, channels))


def _check_flavor(text: str, catalog: Catalog) -> None:
    flavors = [flavor for runtime in catalog.runtimes.values() for flavor in runtime.flavors]
    if text not in {*flavors, NONE}:
        raise TextError(names.describe_unknown("flavor", text, flavors))


def _check_go(text: str, _catalog: Catalog) -> None:
    if text != NONE and RELEASE.match(text) is None:
        raise TextError(f"`{text}` is no version of Go, for instance 1.21")


CHECKS: Mapping[str, Check] = {
    "distro": names.check_distro,
    "channel": _check_channel,
    "go": _check_go,
    "runtime": names.check_runtime,
    "flavor": _check_flavor,
}
"""By field, what refuses a value of which the catalog knows that no cell can have it."""

FIELDS: Mapping[str, Selector] = dict(_make_selectors())
"""What an expression can ask for, by the name of the field."""
