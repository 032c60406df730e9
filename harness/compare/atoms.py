"""The single comparisons that a rule over cells can be made of, in the language of --select.

Each says what it says there: the fields' own functions answer, so that a rule that is pasted picks the same cells.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from harness.matrix import FIELDS
from harness.matrix.selectors import Selector, find_values
from harness.model import AXES, Cell, compare_versions, make_version_key

__all__ = ["Atom", "format_atoms", "make_atoms"]

ORDER = tuple(
    name
    for axis in sorted(AXES, key=lambda axis: axis.is_place)
    for name in (axis.name, *(field.name for field in axis.fields[1:] if field.version))
)
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


def make_atoms(cells: Sequence[Cell]) -> list[Atom]:
    """Return every comparison with a value that one of the cells has; bit N of a mask is the cell N."""
    return [atom for name in ORDER for atom in _make_atoms(name, FIELDS[name], cells)]


def format_atoms(atoms: Sequence[Atom]) -> str:
    """Return the conjunction of some comparisons as text; several `!=` of a field become one `not in`."""
    parts: list[str] = []
    for field in dict.fromkeys(atom.field for atom in atoms):
        own = sorted((atom for atom in atoms if atom.field == field), key=_rank_lower_bound)
        unequal = [atom.values[0] for atom in own if atom.sign == "!="]
        parts += [_format_atom(atom) for atom in own if atom.sign != "!="]
        if len(unequal) == 1:
            parts.append(f"{field}!={_quote(unequal[0])}")
        elif unequal:
            parts.append(f"{field} not in ({', '.join(map(_quote, sorted(unequal)))})")
    return " and ".join(parts)


def _rank_lower_bound(atom: Atom) -> tuple[bool, tuple[str, ...]]:
    return atom.sign != ">=", atom.values


def _format_atom(atom: Atom) -> str:
    if atom.sign == "in":
        return f"{atom.field} in ({', '.join(map(_quote, atom.values))})"
    return f"{atom.field}{atom.sign}{_quote(atom.values[0])}"


def _quote(value: str) -> str:
    if value and PLAIN.issuperset(value) and value not in {"and", "or", "not", "in"}:
        return value
    return f"'{value}'" if "'" not in value else f'"{value}"'


def _make_atoms(name: str, selector: Selector, cells: Sequence[Cell]) -> Iterator[Atom]:
    parts: dict[Hashable, int] = {}
    for index, cell in enumerate(cells):
        part = selector.key(cell)
        parts[part] = parts.get(part, 0) | 1 << index
    whole = (1 << len(cells)) - 1

    def holding(value: str) -> int:
        return sum(mask for part, mask in parts.items() if selector.equal(part, value))

    if selector.version is not None:
        versions = {part: version for part in parts if (version := selector.version(part)) is not None}
        bounds = sorted(set(versions.values()), key=make_version_key)
        for bound in bounds[1:]:
            for sign in (">=", "<"):
                mask = sum(parts[part] for part, version in versions.items() if compare_versions(version, sign, bound))
                at = sum(parts[part] for part, version in versions.items() if version == bound)
                yield Atom(field=name, sign=sign, values=(bound,), mask=mask, at=at)
    for value in sorted({value for part in parts for value in find_values(selector, part)}):
        mask = holding(value)
        if mask not in {0, whole}:
            yield Atom(field=name, sign="==", values=(value,), mask=mask, at=mask)
            yield Atom(field=name, sign="!=", values=(value,), mask=whole & ~mask, at=mask)
