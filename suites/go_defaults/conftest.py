"""The program that the cases run; they need no container runtime."""

import pytest

from suites.conftest import CellAxes
from suites.go.conftest import leftovers, runtime
from suites.go_defaults.guest_program import Program
from suites.lib.guest import Guest

__all__ = ["leftovers", "program", "runtime"]


@pytest.fixture(scope="session")
def program(cell: CellAxes, guest: Guest) -> Program:
    """The program, in cells that have a Go."""
    if cell.go is None:
        pytest.skip("needs a runtime that is built with Go, which then builds a program too; this cell has none")
    return Program(guest)
