"""Which cells are meant: `systemd>=252 and cgroup==legacy`; how an expression becomes a fast function of a cell."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from harness.catalog import Catalog
from harness.errors import UsageError
from harness.model import RELEASE, Cell, compare_versions
from harness.selection import grammar, names
from harness.selection.fields import FIELDS, Selector
from harness.selection.grammar import And, Condition, Expression, Not, Or, Word
from harness.yamlfile import TextError

__all__ = ["Selection", "parse_option", "parse_selection"]

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


def parse_selection(text: str, catalog: Catalog) -> Selection:
    """Return the selection that a text is; raises TextError, whose offset says where, if it is no known one."""
    tree = grammar.parse(text)
    _check(tree, catalog)
    return Selection(text, _compile(tree))


def parse_option(text: str, catalog: Catalog) -> Selection:
    """Return the selection of a command line; raises UsageError with a mark below the wrong place."""
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
        case Condition(name, sign, values):
            _check_comparison(name, sign, values, catalog)


def _check_comparison(name: Word, sign: str, values: tuple[Word, ...], catalog: Catalog) -> None:
    if name.text not in FIELDS:
        raise TextError(names.describe_unknown("field", name.text, FIELDS), name.offset)
    asked = FIELDS[name.text]
    if sign not in grammar.EQUALITY:
        if asked.version is None:
            raise TextError(f"`{name.text}` has no order; compare it with {', '.join(grammar.EQUALITY)}", name.offset)
        if RELEASE.match(values[0].text) is None:
            raise TextError(f"`{values[0].text}` is no version, so nothing is {sign} it", values[0].offset)
    for value in values:
        try:
            asked.check(value.text, catalog)
        except TextError as error:
            raise TextError(str(error), value.offset + error.offset) from error


def _compile(tree: Expression) -> Holds:
    match tree:
        case And((one, two)):
            left, right = _compile(one), _compile(two)
            return lambda cell: left(cell) and right(cell)
        case And(parts):
            all_of = tuple(_compile(part) for part in parts)
            return lambda cell: all(part(cell) for part in all_of)
        case Or(parts):
            any_of = tuple(_compile(part) for part in parts)
            return lambda cell: any(part(cell) for part in any_of)
        case Not(part):
            inner = _compile(part)
            return lambda cell: not inner(cell)
        case Condition(name, sign, values):
            return _compile_comparison(FIELDS[name.text], sign, tuple(value.text for value in values))


def _compile_comparison(asked: Selector, sign: str, values: tuple[str, ...]) -> Holds:
    key, answers = asked.key, dict[Hashable, bool]()

    def holds(cell: Cell) -> bool:
        # A matrix has many cells but few values of a field: each answer is worked out once.
        part = key(cell)
        try:
            return answers[part]
        except KeyError:
            return answers.setdefault(part, _answer(asked, part, sign, values))

    return holds


def _answer(asked: Selector, part: Hashable, sign: str, values: tuple[str, ...]) -> bool:
    if sign in grammar.EQUALITY:
        found = any(asked.equal(part, value) for value in values)
        return found == (sign in {"==", "in"})
    assert asked.version is not None  # _check_comparison
    version = asked.version(part)
    return version is not None and compare_versions(version, sign, values[0])
