"""The single comparisons that a rule over cells can be made of, in the language of --select.

Each says what it says there: the fields' own functions answer, so that a rule that is pasted picks the same cells.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from harness.matrix import FIELDS
from harness.matrix.selection import NONE, Field
from harness.model import Cell, compare_versions, make_version_key

__all__ = ["Atom", "atoms_over", "written"]

ORDER = ("systemd", "go", "cgroup", "runtime", "runtime_version", "flavor", "distro", "release")
"""Fields in the order in which a rule over them is preferred, where several are as small: causes before places."""

PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@/~+*?:^-")
"""Characters of a word that needs no quotes, see `grammar.TOKEN`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One comparison.

    Attributes:
        field: Name of the field.
        sign: `==`, `!=`, `>=`, `<`, or `in`.
        values: What it is compared with; more than one only for `in`.
        mask: The cells for which it holds, as bits.
        at: The cells that have one of the values, as bits; a comparison is only of interest beside such cells.
    """

    field: str
    sign: str
    values: tuple[str, ...]
    mask: int
    at: int

    @property
    def cost(self) -> int:
        """How many values a person has to read."""
        return len(self.values)


def atoms_over(cells: Sequence[Cell]) -> list[Atom]:
    """Every comparison with a value that one of the cells has; bit N of a mask is the cell N."""
    return [atom for name in ORDER for atom in _of_field(name, FIELDS[name], cells)]


def written(atoms: Sequence[Atom]) -> str:
    """The conjunction of some comparisons as text; several `!=` of a field become one `not in`."""
    parts: list[str] = []
    for field in dict.fromkeys(atom.field for atom in atoms):
        own = sorted((atom for atom in atoms if atom.field == field), key=_lower_bound_first)
        unequal = [atom.values[0] for atom in own if atom.sign == "!="]
        parts += [_one(atom) for atom in own if atom.sign != "!="]
        if len(unequal) == 1:
            parts.append(f"{field}!={_word(unequal[0])}")
        elif unequal:
            parts.append(f"{field} not in ({', '.join(map(_word, sorted(unequal)))})")
    return " and ".join(parts)


def _lower_bound_first(atom: Atom) -> tuple[bool, tuple[str, ...]]:
    return atom.sign != ">=", atom.values


def _one(atom: Atom) -> str:
    if atom.sign == "in":
        return f"{atom.field} in ({', '.join(map(_word, atom.values))})"
    return f"{atom.field}{atom.sign}{_word(atom.values[0])}"


def _word(value: str) -> str:
    if value and PLAIN.issuperset(value) and value not in {"and", "or", "not", "in"}:
        return value
    return f"'{value}'" if "'" not in value else f'"{value}"'


def _of_field(name: str, field: Field, cells: Sequence[Cell]) -> Iterator[Atom]:
    parts: dict[Hashable, int] = {}
    for index, cell in enumerate(cells):
        part = field.key(cell)
        parts[part] = parts.get(part, 0) | 1 << index
    whole = (1 << len(cells)) - 1

    def holding(value: str) -> int:
        return sum(mask for part, mask in parts.items() if field.equal(part, value))

    if field.version is not None:
        versions = {part: version for part in parts if (version := field.version(part)) is not None}
        bounds = sorted(set(versions.values()), key=make_version_key)
        for bound in bounds[1:]:
            for sign in (">=", "<"):
                mask = sum(parts[part] for part, version in versions.items() if compare_versions(version, sign, bound))
                at = sum(parts[part] for part, version in versions.items() if version == bound)
                yield Atom(field=name, sign=sign, values=(bound,), mask=mask, at=at)
    for value in sorted({value for part in parts for value in _values(name, part)}):
        mask = holding(value)
        if mask not in {0, whole}:
            yield Atom(field=name, sign="==", values=(value,), mask=mask, at=mask)
            yield Atom(field=name, sign="!=", values=(value,), mask=whole & ~mask, at=mask)


def _values(name: str, part: Hashable) -> Iterator[str]:
    """How the part of a cell can be written as the value of a field, from the general to the exact."""
    if name == "systemd":
        assert isinstance(part, tuple)
        yield part[0]
    elif name == "distro":
        assert isinstance(part, tuple)
        distro, channel, release = part
        yield from (distro, f"{distro}/{channel}", *((f"{distro}/{channel}@{release}",) if release else ()))
    elif name == "runtime":
        assert isinstance(part, tuple)
        runtime, version, flavor = part
        exact = f"{runtime}@{version}" if version else runtime
        yield from dict.fromkeys((runtime, exact, *((f"{runtime}/{flavor}", f"{exact}/{flavor}") if flavor else ())))
    else:
        yield NONE if part is None else str(part)
