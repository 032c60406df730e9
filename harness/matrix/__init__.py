"""The matrix: which cells there are, which are meant, and what is known about them.

`load` reads matrix.yaml, `expand` makes its cells, `choose` picks those that a user asked for, and
`judge` says what known failures make of an outcome. Everything but `load` is a pure function.
"""

from harness.matrix.expansion import Choice, Expansion, choose, expand, find
from harness.matrix.expectations import Judgement, judge, list_expired
from harness.matrix.loading import load, make_schema
from harness.matrix.models import Defaults, Expectation, Matrix, Profile

__all__ = [
    "Choice",
    "Defaults",
    "Expansion",
    "Expectation",
    "Judgement",
    "Matrix",
    "Profile",
    "choose",
    "expand",
    "find",
    "judge",
    "list_expired",
    "load",
    "make_schema",
]
