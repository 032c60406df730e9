"""The project that the settings point at, read once for a verb."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from harness import matrix
from harness.app.catalog import load_catalog
from harness.app.settings import Settings, show_path
from harness.catalog import Catalog
from harness.errors import NothingRanError
from harness.matrix import Choice, Expansion, Matrix
from harness.model import Cell

__all__ = ["Project", "load_project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's files as values."""

    catalog: Catalog
    matrix: Matrix
    expansion: Expansion

    def choose(self, *, profile: str | None, select: Sequence[str]) -> Choice:
        """Return the cells and suites that `--profile` and `--select` ask for; see `harness.matrix.choose`."""
        return matrix.choose(self.expansion, self.matrix, self.catalog, profile=profile, select=select)

    def choose_excluded(self, *, profile: str | None, select: Sequence[str]) -> dict[Cell, str]:
        """Return the cells that are left out and would be chosen, each with the reason; raise NothingRanError for none."""
        reasons = dict(self.expansion.excluded)
        if not reasons:
            raise NothingRanError("No cell of the matrix is excluded.")
        only = Expansion(cells=tuple(reasons), excluded=())
        try:
            chosen = matrix.choose(only, self.matrix, self.catalog, profile=profile, select=select)
        except NothingRanError as error:
            raise NothingRanError("No cell that fits the selection is excluded.") from error
        return {cell: reasons[cell] for cell in chosen.cells}


def load_project(
    settings: Settings, *, list_cases: Callable[[Catalog, Settings], Sequence[str]] | None = None
) -> Project:
    """Return the project that the settings point at.

    `list_cases` asks for the cases of the suites, so that those that the matrix names are checked; see `app.cases`.

    Raises:
        ConfigError: There is no matrix file, or one of the project's files is wrong.
        UsageError: It has expectations, and pytest cannot collect the suites.
    """
    known = load_catalog(settings)
    cases = partial(list_cases, known, settings) if list_cases is not None else None
    wanted = matrix.load(settings.matrix, known, name=show_path(settings.matrix), cases=cases)
    return Project(catalog=known, matrix=wanted, expansion=matrix.expand(wanted, known))
