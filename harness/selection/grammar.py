"""The grammar of the language that selects cells: text to tree.

    expression = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation   = "not" negation | "(" expression ")" | condition
    condition  = FIELD ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) VALUE
               | FIELD [ "not" ] "in" "(" VALUE { "," VALUE } ")"

A value is a word (`debian/bookworm`, `v252`, `1.21`) or quoted text. What fields and values mean is in
`harness.selection.fields`.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from harness.yamlfile import TextError

__all__ = ["EQUALITY", "And", "Condition", "Expression", "Not", "Or", "Word", "parse"]

EQUALITY = ("==", "!=", "in", "not in")
"""Operators that every field has; the others are for fields that are versions."""
SIGNS = ("==", "!=", "<=", ">=", "<", ">")
KEYWORDS = ("and", "or", "not", "in")
DEPTH = 50
"""Deepest nesting of parentheses and `not`: more is no expression of a person."""

TOKEN = re.compile(
    r"""\s*(?:(?P<sign>==|!=|<=|>=|<|>)
          |(?P<mark>[(),])
          |(?P<quoted>"[^"]*"|'[^']*')
          |(?P<word>[A-Za-z0-9_.@/~+*?:^-]+)
          |(?P<end>\Z)
          |(?P<other>\S))""",
    re.VERBOSE,
)

MEANT = {"=": "==", "&": "and", "|": "or", "!": "not"}
"""What other languages write, and what it is here."""


@dataclass(frozen=True, slots=True)
class Word:
    """A field or value in an expression.

    Attributes:
        text: It, without quotes.
        offset: Index of its first character in the expression.
    """

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A field compared with values; `sign` is one of ==, !=, <, <=, >, >=, "in" and "not in"."""

    field: Word
    sign: str
    values: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds where its part does not."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """Holds where all of its parts do."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Holds where one of its parts does."""

    parts: "tuple[Expression, ...]"


Expression = Condition | Not | And | Or


def parse(text: str) -> Expression:
    """Return the tree of an expression; raises TextError, which says what was expected and where, if it is none."""
    return _Parser(text).parse_whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def _split_tokens(text: str) -> Iterator[_Token]:
    position = 0
    while True:
        match = TOKEN.match(text, position)
        assert match is not None  # the last two alternatives leave nothing out
        kind = match.lastgroup or ""
        token = _Token(kind, match[kind], match.start(kind))
        if kind == "other":
            meant = MEANT.get(token.text)
            hint = f"; write `{meant}`" if meant else ""
            what = "quoted text that does not end" if token.text in "'\"" else f"`{token.text}`"
            raise TextError(f"{what} is not a part of an expression{hint}", token.offset)
        yield token
        if kind == "end":
            return
        position = match.end()


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.tokens = deque(_split_tokens(text))
        self.depth = 0

    def parse_whole(self) -> Expression:
        tree = self.parse_expression()
        if self.next.kind != "end":
            raise self.make_error("`and`, `or` or the end")
        return tree

    @property
    def next(self) -> _Token:
        return self.tokens[0]

    def take(self) -> _Token:
        return self.tokens.popleft()

    def accept(self, text: str) -> bool:
        """Take the next token if it is this keyword, sign or mark."""
        found = self.next.kind != "quoted" and self.next.text == text
        if found:
            self.take()
        return found

    def parse_expression(self) -> Expression:
        parts = [self.parse_conjunction()]
        while self.accept("or"):
            parts.append(self.parse_conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def parse_conjunction(self) -> Expression:
        parts = [self.parse_negation()]
        while self.accept("and"):
            parts.append(self.parse_negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def parse_negation(self) -> Expression:
        self.depth += 1
        if self.depth > DEPTH:
            raise TextError(f"`not` and parentheses are nested deeper than {DEPTH}", self.next.offset)
        tree: Expression
        if self.accept("not"):
            tree = Not(self.parse_negation())
        elif self.accept("("):
            tree = self.parse_expression()
            if not self.accept(")"):
                raise self.make_error("`and`, `or` or `)`")
        else:
            tree = self.parse_condition()
        self.depth -= 1
        return tree

    def parse_condition(self) -> Condition:
        if self.next.kind != "word" or self.next.text in KEYWORDS:
            raise self.make_error("a field, for instance `distro`")
        token = self.take()
        field = Word(token.text, token.offset)
        if self.next.kind == "sign":
            return Condition(field, self.take().text, (self.parse_value(),))
        negated = self.accept("not")
        if self.accept("in"):
            return Condition(field, "not in" if negated else "in", self.parse_values())
        raise self.make_error("`in`" if negated else f"one of {' '.join(SIGNS)}, `in` and `not in`")

    def parse_values(self) -> tuple[Word, ...]:
        if not self.accept("("):
            raise self.make_error("`(` and a list of values")
        values = [self.parse_value()]
        while self.accept(","):
            values.append(self.parse_value())
        if not self.accept(")"):
            raise self.make_error("`,` or `)`")
        return tuple(values)

    def parse_value(self) -> Word:
        if self.next.kind == "quoted":
            token = self.take()
            return Word(token.text[1:-1], token.offset + 1)
        if self.next.kind != "word" or self.next.text in KEYWORDS:
            raise self.make_error("a value")
        token = self.take()
        return Word(token.text, token.offset)

    def make_error(self, what: str) -> TextError:
        found = f"`{self.next.text}`" if self.next.text else "the end"
        return TextError(f"expected {what}, but found {found}", self.next.offset)
