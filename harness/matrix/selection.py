"""Which cells are meant: `systemd>=252 and cgroup==legacy`.

What each field is, which values it knows, and how an expression becomes a fast function of a cell.
Versions compare as versions, and `==` holds for a version that begins with the value: `go==1.21` holds
for 1.21.13, `runtime==runc` for every version of runc. A cell that does not have the field (nspawn has no
`go`) equals only `none`, and is neither smaller nor larger than anything.
"""

import operator
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.catalog import Catalog
from harness.errors import UsageError
from harness.matrix import grammar, names
from harness.matrix.grammar import And, Comparison, Expression, Not, Or, Word
from harness.model import Cell, CgroupMode, compare_versions
from harness.yamlfile import TextError

__all__ = ["FIELDS", "Selection", "parse_selection", "selection"]

NONE = "none"
"""The value of a field that a cell does not have."""

Holds = Callable[[Cell], bool]


@dataclass(frozen=True, slots=True)
class Selection:
    """An expression that is known to be right.

    Attributes:
        text: As it was written.
        holds: Whether a cell is meant.
    """

    text: str
    holds: Holds = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What an expression can ask of a cell.

    Attributes:
        about: What it is and how its values are written, for `harness matrix fields`.
        key: The part of the cell that decides; equal keys have equal answers.
        equal: Whether such a part equals a value as written.
        version: The version in such a part, or None where there is none; None for fields without order.
        check: Raises TextError for a value that no cell can have.
    """

    about: str
    key: Callable[[Cell], Hashable]
    equal: Callable[[Any, str], bool]
    version: Callable[[Any], str | None] | None = None
    check: Callable[[str, Catalog], object] = lambda _text, _catalog: None


def parse_selection(text: str, catalog: Catalog) -> Selection:
    """The selection that a text is.

    Args:
        text: The expression.
        catalog: Which distros, runtimes and so on there are.

    Raises:
        TextError: It is no expression, or names something that there is not; the offset says where.
    """
    tree = grammar.parse(text)
    _check(tree, catalog)
    return Selection(text, _compiled(tree))


def selection(text: str, catalog: Catalog) -> Selection:
    """The selection that a user asked for on the command line.

    Raises:
        UsageError: As `parse_selection`; the message shows the expression with a mark below the place.
    """
    try:
        return parse_selection(text, catalog)
    except TextError as error:
        shown = "".join(" " if char.isspace() else char for char in text)
        raise UsageError(
            f"The expression is wrong at column {error.offset + 1}: {error}.\n  {shown}\n  {' ' * error.offset}^",
            hint="`harness matrix fields` prints the fields; for instance: systemd>=252 and cgroup==legacy.",
        ) from error


def _check(tree: Expression, catalog: Catalog) -> None:
    match tree:
        case And(parts) | Or(parts):
            for part in parts:
                _check(part, catalog)
        case Not(part):
            _check(part, catalog)
        case Comparison(name, sign, values):
            _check_comparison(name, sign, values, catalog)


def _check_comparison(name: Word, sign: str, values: tuple[Word, ...], catalog: Catalog) -> None:
    if name.text not in FIELDS:
        raise TextError(names.unknown("field", name.text, FIELDS), name.offset)
    asked = FIELDS[name.text]
    if sign not in grammar.EQUALITY:
        if asked.version is None:
            raise TextError(f"`{name.text}` has no order; compare it with {', '.join(grammar.EQUALITY)}", name.offset)
        if names.RELEASE.match(values[0].text) is None:
            raise TextError(f"`{values[0].text}` is no version, so nothing is {sign} it", values[0].offset)
    for value in values:
        try:
            asked.check(value.text, catalog)
        except TextError as error:
            raise TextError(str(error), value.offset + error.offset) from error


def _compiled(tree: Expression) -> Holds:
    match tree:
        case And((one, two)):
            left, right = _compiled(one), _compiled(two)
            return lambda cell: left(cell) and right(cell)
        case And(parts):
            all_of = tuple(_compiled(part) for part in parts)
            return lambda cell: all(part(cell) for part in all_of)
        case Or(parts):
            any_of = tuple(_compiled(part) for part in parts)
            return lambda cell: any(part(cell) for part in any_of)
        case Not(part):
            inner = _compiled(part)
            return lambda cell: not inner(cell)
        case Comparison(name, sign, values):
            return _comparison(FIELDS[name.text], sign, tuple(value.text for value in values))


def _comparison(asked: Field, sign: str, values: tuple[str, ...]) -> Holds:
    key, answers = asked.key, dict[Hashable, bool]()

    def holds(cell: Cell) -> bool:
        # A matrix has many cells but few values of a field: each answer is worked out once.
        part = key(cell)
        try:
            return answers[part]
        except KeyError:
            return answers.setdefault(part, _answer(asked, part, sign, values))

    return holds


def _answer(asked: Field, part: Hashable, sign: str, values: tuple[str, ...]) -> bool:
    if sign in grammar.EQUALITY:
        found = any(asked.equal(part, value) for value in values)
        return found == (sign in {"==", "in"})
    assert asked.version is not None  # _check_comparison
    version = asked.version(part)
    return version is not None and compare_versions(version, sign, values[0])


def _text_equal(part: str | None, value: str) -> bool:
    return value == (NONE if part is None else part)


def _version_equal(part: str | None, value: str) -> bool:
    if part is None or value == NONE:
        return part is None and value == NONE
    return part == value or compare_versions(part, "==", value)


def _systemd_equal(part: tuple[str, bool], value: str) -> bool:
    revision, built = part
    if value == names.DISTRO_IMAGE:
        return not built
    if names.RELEASE.match(revision) and names.RELEASE.match(value):
        return compare_versions(revision, "==", value)
    return revision == value


def _systemd_version(part: tuple[str, bool]) -> str | None:
    return part[0] if names.RELEASE.match(part[0]) else None


def _distro_equal(part: tuple[str, str, str | None], value: str) -> bool:
    # Checked names only come here, so that splitting needs no catalog.
    match = names.DISTRO.match(value)
    assert match is not None
    distro, channel, release = part
    return (
        match["distro"] == distro
        and match["channel"] in {None, channel}
        and (match["release"] is None or _version_equal(release, match["release"]))
    )


def _runtime_equal(part: tuple[str, str | None, str | None], value: str) -> bool:
    match = names.RUNTIME.match(value)
    assert match is not None
    runtime, version, flavor = part
    return (
        match["runtime"] == runtime
        and match["flavor"] in {None, flavor}
        and (match["version"] is None or _version_equal(version, match["version"]))
    )


def _check_channel(text: str, catalog: Catalog) -> None:
    channels = [channel for distro in catalog.distros.values() for channel in distro.channels]
    if text not in channels:
        raise TextError(names.unknown("channel", text, channels))


def _check_flavor(text: str, catalog: Catalog) -> None:
    flavors = [flavor for runtime in catalog.runtimes.values() for flavor in runtime.flavors]
    if text not in {*flavors, NONE}:
        raise TextError(names.unknown("flavor", text, flavors))


def _check_cgroup(text: str, _catalog: Catalog) -> None:
    modes = [mode.value for mode in CgroupMode]
    if text not in modes:
        raise TextError(names.unknown("cgroup mode", text, modes))


def _check_go(text: str, _catalog: Catalog) -> None:
    if text != NONE and names.RELEASE.match(text) is None:
        raise TextError(f"`{text}` is no version of Go, for instance 1.21")


RUNTIME_VERSION = Field(
    about="version of the runtime: 1.1.5",
    key=operator.attrgetter("runtime_version"),
    equal=_version_equal,
    version=lambda part: part if part and names.RELEASE.match(part) else None,
)

FIELDS: Mapping[str, Field] = {
    "distro": Field(
        about="debian, debian/bookworm, flatcar/edge@2079.99.0",
        key=operator.attrgetter("distro", "channel", "release"),
        equal=_distro_equal,
        check=names.known_distro,
    ),
    "channel": Field(
        about="release stream: bookworm", key=operator.attrgetter("channel"), equal=_text_equal, check=_check_channel
    ),
    "release": Field(
        about="exact release in the channel: 2079.99.0; `none` where none was asked for",
        key=operator.attrgetter("release"),
        equal=_version_equal,
        version=lambda part: part,
    ),
    "systemd": Field(
        about="version or revision of systemd: 252, v252; `distro` for what the image carries",
        key=operator.attrgetter("systemd", "systemd_built"),
        equal=_systemd_equal,
        version=_systemd_version,
    ),
    "go": Field(
        about="version of Go: 1.21; `none` for a runtime that is not built",
        key=operator.attrgetter("go"),
        equal=_version_equal,
        version=lambda part: part,
        check=_check_go,
    ),
    "cgroup": Field(
        about="cgroup mode: legacy, hybrid, unified",
        key=operator.attrgetter("cgroup"),
        equal=_text_equal,
        check=_check_cgroup,
    ),
    "runtime": Field(
        about="nspawn, runc, runc@1.1.5, rkt/host, rkt@1.30.0/host",
        key=operator.attrgetter("runtime", "runtime_version", "flavor"),
        equal=_runtime_equal,
        check=names.known_runtime,
    ),
    "runtime_version": RUNTIME_VERSION,
    "version": RUNTIME_VERSION,
    "flavor": Field(
        about="stage1 flavor of rkt: host; `none` for other runtimes",
        key=operator.attrgetter("flavor"),
        equal=_text_equal,
        check=_check_flavor,
    ),
    "cell": Field(
        about="the cell's identifier; `*` is any text",
        key=operator.attrgetter("id"),
        equal=lambda part, value: names.glob(value).match(part) is not None,
    ),
}
"""What an expression can ask for, by the name of the field."""
