"""The matrix: which cells there are, which are meant, and what is known about them.

`load` reads matrix.yaml, `expand` makes its cells, and `choose` picks those that a user asked for. Everything but
`load` is a pure function.
"""

from harness.matrix.expansion import Choice, Expansion, choose, expand, find
from harness.matrix.loading import load, make_schema
from harness.matrix.models import Defaults, Expectation, Matrix, Profile

__all__ = [
    "Choice",
    "Defaults",
    "Expansion",
    "Expectation",
    "Matrix",
    "Profile",
    "choose",
    "expand",
    "find",
    "load",
    "make_schema",
]
