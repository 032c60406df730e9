"""The axes of the matrix: one table, from which ids, expressions, markers, comparisons and table heads are made.

To add an axis, add a row here, a field to `Cell`, and a key to the models of matrix.yaml (`harness.matrix.models`);
the field needs a default there, so that older files are read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = [
    "AXES", "AXES_BY_NAME", "BARE_NUMBER", "DISTRO_OWN", "NAME", "OUTER_AXES", "REVISION", "VERSION", "Axis", "AxisField",
    "CgroupMode",
]  # fmt: skip

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
VERSION = r"[A-Za-z0-9][A-Za-z0-9._~+-]*"
REVISION = r"[A-Za-z0-9][A-Za-z0-9._/~^-]*"

DISTRO_OWN = "distro"
"""Value of the systemd axis, and version of a runtime: what the distro itself has, and nobody builds."""

BARE_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]+)*\Z")
"""A version of systemd that an image carries; what is built is named by a revision, which is no bare number."""


class CgroupMode(StrEnum):
    """How systemd lays out the cgroup tree; systemd's own three words."""

    LEGACY = "legacy"
    """cgroup v1 controllers, and `name=systemd` as a v1 hierarchy."""
    HYBRID = "hybrid"
    """cgroup v1 controllers, with a v2 hierarchy for systemd at /sys/fs/cgroup/unified."""
    UNIFIED = "unified"
    """One cgroup v2 hierarchy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisField:
    """A field of a cell that an axis sets.

    Attributes:
        about: How its values are written, for `harness matrix fields`.
        mark: What is written before it: `@` for the version in `runc@1.1.5`.
        id_mark: What is written before it in an id, where that is not `-`; no other value there has its beginning in it.
        pattern: Regular expression of its values.
        version: Whether its values are versions, and so have an order.
        revision: Whether they may be commits and branches too, which have none.
        optional: Whether cells may lack it.
        words: Its values, where there are only these.
        title: Its name in sentences.
        alias: Another name of it in expressions.
    """

    name: str
    about: str = ""
    mark: str = ""
    id_mark: str = ""
    pattern: str = NAME
    version: bool = False
    revision: bool = False
    optional: bool = False
    words: type[StrEnum] | None = None
    title: str = ""
    alias: str = ""

    def parse(self, text: str | None) -> Any:
        """Return the value in a cell for a text; raise ValueError for what is none."""
        if text is None:
            if not self.optional:
                raise ValueError(f"there is no {self.name}")
            return None
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"`{text}` is no {self.name}")
        return text if self.words is None else self.words(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension of the matrix.

    Attributes:
        name: Its key in matrix.yaml and in results.
        fields: What it sets in a cell, as its values are written: `debian/bookworm`.
        about: How its values are written, for `harness matrix fields`; that of its first field if empty.
        built: Field that says whether the value is built from a revision, which shows in the value itself.
        prefix: What its part of an id begins with.
        within: The axis of which its value is a part in matrix.yaml, expressions and ids: the flavor of a runtime.
        is_place: Whether it says where something runs, and not what may cause a change.
        title: Its name in sentences.
        verb: The command that finds what lies between two of its values.
        brought_by: The axis that may change it too: most guests get another systemd by another distro.
    """

    name: str
    fields: tuple[AxisField, ...]
    about: str = ""
    built: str = ""
    prefix: str = ""
    within: str = ""
    is_place: bool = False
    title: str = ""
    verb: str = ""
    brought_by: str = ""

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields of a cell that it sets."""
        return (*(field.name for field in self.fields), *((self.built,) if self.built else ()))

    @property
    def optional(self) -> bool:
        """Whether a cell may lack it."""
        return self.fields[0].optional

    def format(self, cell: object) -> str | None:
        """Return a cell's value as results have it; None where the cell has none."""
        first, *others = ((field.mark, getattr(cell, field.name)) for field in self.fields)
        if first[1] is None:
            return None
        return str(first[1]) + "".join(f"{mark}{value}" for mark, value in others if value is not None)

    def parse(self, text: str | None) -> dict[str, Any]:
        """Return a cell's fields for a value in results; the inverse of `format`. Raises ValueError if it is none."""
        found = re.fullmatch(_make_pattern(self.fields), text) if text is not None else None
        if text is not None and found is None:
            raise ValueError(f"`{text}` is no {self.name}")
        texts = found.groupdict() if found is not None else {}
        values = {field.name: field.parse(texts.get(field.name)) for field in self.fields}
        if self.built:
            values[self.built] = self.is_built(values[self.fields[0].name])
        return values

    def is_built(self, value: str) -> bool:
        """Return whether a value of its first field is built from a revision: a bare number is what an image carries."""
        return bool(self.built) and BARE_NUMBER.match(value) is None

    @property
    def written_fields(self) -> tuple[AxisField, ...]:
        """Its fields and those of the axes within it, as matrix.yaml, expressions and ids have them in one text."""
        return (*self.fields, *(field for axis in AXES if axis.within == self.name for field in axis.fields))

    def compile(self) -> re.Pattern[str]:
        """Return the pattern of its values in matrix.yaml and expressions; all fields but the first may be left out."""
        return re.compile(_make_pattern(self.written_fields) + r"\Z")


def _make_pattern(fields: tuple[AxisField, ...]) -> str:
    first, *others = fields
    rest = "".join(f"(?:{re.escape(field.mark)}(?P<{field.name}>{field.pattern}))?" for field in others)
    return f"(?P<{first.name}>{first.pattern}){rest}"


AXES = (
    Axis(
        name="distro",
        is_place=True,
        about="debian, debian/bookworm, flatcar/edge@2079.99.0",
        fields=(
            AxisField(name="distro"),
            AxisField(name="channel", mark="/", about="release stream: bookworm"),
            AxisField(
                name="release",
                mark="@",
                pattern=VERSION,
                version=True,
                optional=True,
                about="exact release in the channel: 2079.99.0; `none` where none was asked for",
            ),
        ),
    ),
    Axis(
        name="systemd",
        about="version or revision of systemd: 252, v252; `distro` for what the image carries; 252->254 if it is upgraded",
        fields=(
            AxisField(
                name="systemd",
                pattern=REVISION,
                version=True,
                revision=True,
                about="version or revision of systemd that the guest boots with: 252, v252",
            ),
            AxisField(
                name="upgrade",
                mark="->",
                id_mark="-to-",
                pattern=REVISION,
                version=True,
                revision=True,
                optional=True,
                about="version or revision that the running guest's systemd is upgraded to: 254; `none` where it stays",
            ),
        ),
        built="systemd_built",
        prefix="systemd-",
        verb="bisect-systemd",
        brought_by="distro",
    ),
    Axis(
        name="go",
        fields=(
            AxisField(
                name="go",
                pattern=VERSION,
                version=True,
                optional=True,
                about="version of Go: 1.21; `none` for a runtime that is not built",
            ),
        ),
        prefix="go-",
        title="Go",
        verb="bisect-go",
    ),
    Axis(
        name="cgroup",
        fields=(
            AxisField(
                name="cgroup", words=CgroupMode, title="cgroup mode", about="cgroup mode: legacy, hybrid, unified"
            ),
        ),
    ),
    Axis(
        name="runtime",
        about="nspawn, runc, runc@1.1.5, runc@distro, rkt/host, rkt@1.30.0/host",
        fields=(
            AxisField(name="runtime"),
            AxisField(
                name="runtime_version",
                mark="@",
                pattern=VERSION,
                version=True,
                revision=True,
                optional=True,
                title="runtime version",
                alias="version",
                about="version of the runtime: 1.1.5; `distro` for that of the distro's package",
            ),
        ),
    ),
    Axis(
        name="flavor",
        fields=(
            AxisField(
                name="flavor",
                mark="/",
                optional=True,
                about="variant of a runtime: rkt's stage1 (host), runc's cgroup driver (cgroupfs); `none` where it has none",
            ),
        ),
        within="runtime",
    ),
)
"""The axes, in the order in which the matrix multiplies them."""

AXES_BY_NAME: Mapping[str, Axis] = {axis.name: axis for axis in AXES}

OUTER_AXES = tuple(axis for axis in AXES if not axis.within)
"""The axes that are keys of their own in matrix.yaml and parts of their own in an id."""
