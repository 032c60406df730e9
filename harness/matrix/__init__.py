"""The matrix: which cells there are, which are meant, and what is known about them.

`load` reads matrix.yaml, `expand` makes its cells, and `choose` picks those that a user asked for. Everything but
`load` is a pure function.
"""

from harness.matrix.expansion import Choice, Expansion, choose, expand, find
from harness.matrix.loading import load, make_schema
from harness.matrix.models import CiRun, Defaults, Expectation, Matrix, Profile, Suites
from harness.matrix.value_types import Select, Sentence

__all__ = [
    "Choice", "CiRun", "Defaults", "Expansion", "Expectation", "Matrix", "Profile", "Select", "Sentence", "Suites",
    "choose", "expand", "find", "load", "make_schema",
]  # fmt: skip
