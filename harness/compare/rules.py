"""Which axis something follows: the smallest rule over cells that separates those with it from those without.

The rule is an expression for --select. It is searched for in order of size, counted in values that a person reads:
first one conjunction of at most `MOST` comparisons, then two conjunctions of at most two each, joined by `or`.
Any set of cells could be told apart by naming each; what needs more than this is no rule, and is said to be none.
An `Atom` is one comparison. The fields' own functions answer, so that a rule that is pasted picks the same cells.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.model import AXES, Cell, compare_versions, make_version_key
from harness.selection.fields import FIELDS, Selector, find_values
from harness.text import pluralize

__all__ = ["MOST", "Atom", "AxisRule", "find_rule_between", "make_atoms", "separate"]

MOST = 4
"""Values in the largest rule."""
ALTERNATIVES = 3
"""Other rules of the same size that are reported."""
STEPS = 100_000
"""Partial rules that are looked at before the search gives up."""
LARGEST = 1000
"""Conjunctions that are tried as halves of an `or`, those that hold for most first."""

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
        sign: `==`, `!=`, `>=`, `<`, or `in`.
        values: What it is compared with; more than one only for `in`.
        mask: The cells for which it holds, as bits.
        at: The cells that have one of the values, as bits; a comparison is only of interest together with such cells.
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


def _format_atoms(atoms: Sequence[Atom]) -> str:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisRule:
    """What separates some cells from others.

    Attributes:
        with_it: How many cells have it.
        without: How many do not.
        expression: For --select; None where no small rule separates them, or there is nothing to separate them from.
        others: Expressions of the same size that separate them as well: which of them is the cause these cells
            cannot tell.
        nearest: Where none separates them: the small one that holds for all that have it and for the fewest others.
        wrong: For how many of the others `nearest` holds.
    """

    with_it: int
    without: int
    expression: str | None = None
    others: tuple[str, ...] = ()
    nearest: str | None = None
    wrong: int = 0

    @property
    def text(self) -> str:
        """It as a sentence without its subject: "all 14 have systemd>=257 and cgroup==legacy, and none of 30 others"."""
        if self.with_it == 0:
            return "there are none"
        if self.without == 0:
            return f"{_format_all(self.with_it)} that can be compared, so no axis distinguishes them from others"
        if self.expression is not None:
            same = f" (so do {', '.join(self.others)}: these cells cannot tell which)" if self.others else ""
            return f"{_format_all(self.with_it)} {'have' if self.with_it > 1 else 'has'} {self.expression}, and none of {pluralize(self.without, 'other')}{same}"
        near = (
            f"; the nearest is {self.nearest}, which {self.wrong} of {pluralize(self.without, 'other')} have too"
            if self.nearest is not None
            else ""
        )
        return f"no rule of at most {MOST} values was found that separates the {self.with_it} from {pluralize(self.without, 'other')}{near}"


def _format_all(count: int) -> str:
    return f"all {count}" if count > 1 else "the only one"


def separate(with_it: Sequence[Cell], without: Sequence[Cell]) -> AxisRule:
    """Return the smallest rule that holds for each of some cells and for none of others."""
    good = (1 << len(with_it)) - 1
    bad = ((1 << len(without)) - 1) << len(with_it)
    return find_rule_between(make_atoms([*with_it, *without]), good, bad)


def find_rule_between(all_atoms: Sequence[Atom], good: int, bad: int) -> AxisRule:
    """Return the same for cells as bits, so that what can be said of the cells is worked out once for many questions.

    It has to hold for `good`, and must not for `bad`; of all other cells nothing is known.
    """
    with_it, without = good.bit_count(), bad.bit_count()
    if not with_it or not without:
        return AxisRule(with_it=with_it, without=without)
    atoms = [atom for atom in all_atoms if atom.at & (good | bad)]
    covering = _find_covering(atoms, good, bad)
    found = _find_conjunctions(covering, bad)
    if found:
        # Of several rules over the same fields the first is reported.
        told = [_format_atoms(item) for item in {_list_fields(item): item for item in reversed(found)}.values()]
        told = [text for item in found if (text := _format_atoms(item)) in told]
        return AxisRule(with_it=with_it, without=without, expression=told[0], others=tuple(told[1 : ALTERNATIVES + 1]))
    either = _find_disjunctions(atoms, good, bad)
    if either is not None:
        return AxisRule(with_it=with_it, without=without, expression=either)
    nearest, wrong = _find_nearest(covering, bad) or (None, 0)
    return AxisRule(with_it=with_it, without=without, nearest=nearest, wrong=wrong)


def _find_covering(atoms: Sequence[Atom], good: int, bad: int) -> list[Atom]:
    """Return comparisons that hold for all cells that have it and not for all others, and their values by field."""
    single = [atom for atom in atoms if atom.mask & good == good and atom.mask & bad != bad]
    lists: list[Atom] = []
    for field in dict.fromkeys(atom.field for atom in atoms):
        equal = [atom for atom in atoms if atom.field == field and atom.sign == "==" and atom.mask & good]
        # The narrowest values only: `runc@1.1.5`, where `runc` holds for it too.
        narrow = [one for one in equal if not any(other.mask | one.mask == one.mask for other in equal if other != one)]
        mask = 0
        for atom in narrow:
            mask |= atom.mask
        if 1 < len(narrow) <= MOST and mask & good == good and mask & bad != bad:
            values = tuple(atom.values[0] for atom in narrow)
            lists.append(Atom(field=field, sign="in", values=values, mask=mask, at=mask))
    return [*single, *lists]


def _find_conjunctions(atoms: Sequence[Atom], bad: int) -> list[tuple[Atom, ...]]:
    """Return all conjunctions of the least size that hold for none of `bad`, the preferred first."""
    order = {atom: index for index, atom in enumerate(atoms)}
    for size in range(1, MOST + 1):
        budget = [STEPS]
        found = {tuple(sorted(item, key=order.__getitem__)) for item in _find_exact(atoms, bad, size, budget)}
        if found:
            return sorted(found, key=lambda item: (len(_list_fields(item)), [order[atom] for atom in item]))
        if budget[0] <= 0:
            return []
    return []


def _list_fields(atoms: Sequence[Atom]) -> frozenset[str]:
    return frozenset(atom.field for atom in atoms)


def _find_exact(atoms: Sequence[Atom], left: int, size: int, budget: list[int]) -> Iterator[tuple[Atom, ...]]:
    """Yield conjunctions of at most `size` values after which none of `left` remains.

    One cell that must go is looked at, and each comparison that excludes it is tried: one of them is in every answer.
    """
    if not left:
        yield ()
        return
    lowest = left & -left
    for atom in atoms:
        if atom.mask & lowest or atom.cost > size:
            continue
        budget[0] -= 1
        if budget[0] <= 0:
            return
        for rest in _find_exact(atoms, left & atom.mask, size - atom.cost, budget):
            yield (atom, *rest)


def _find_disjunctions(atoms: Sequence[Atom], good: int, bad: int) -> str | None:
    """Return the smallest two conjunctions that together hold for all of `good` and for none of `bad`, or None."""
    pure: dict[int, tuple[Atom, ...]] = {}
    useful = [atom for atom in atoms if atom.mask & good and atom.mask & bad != bad]
    for size in (1, 2):
        for item in combinations(useful, size):
            mask = item[0].mask & item[-1].mask
            if mask & good and not mask & bad:
                pure.setdefault(mask & good, item)
    best: tuple[int, list[tuple[Atom, ...]]] | None = None
    masks = sorted(pure, key=lambda mask: (-mask.bit_count(), len(pure[mask])))[:LARGEST]
    for index, one in enumerate(masks):
        if 2 * one.bit_count() < good.bit_count():  # the larger of two halves has at least half
            break
        for other in masks[index + 1 :]:
            size = len(pure[one]) + len(pure[other])
            if one | other == good and (best is None or size < best[0]):
                best = (size, [pure[one], pure[other]])
    return " or ".join(map(_format_atoms, best[1])) if best else None


def _find_nearest(atoms: Sequence[Atom], bad: int) -> tuple[str, int] | None:
    """Return the conjunction of at most two comparisons that holds for the fewest of `bad`, and for how many."""
    pairs = [item for size in (1, 2) for item in combinations(atoms, size)]
    if not pairs:
        return None
    best = min(pairs, key=lambda item: ((item[0].mask & item[-1].mask & bad).bit_count(), len(item)))
    return _format_atoms(best), (best[0].mask & best[-1].mask & bad).bit_count()
