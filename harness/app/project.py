"""The project that the settings point at, read once for a verb."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness import catalog, matrix, suite
from harness.app.settings import Settings, show_path
from harness.app.sources import set_sources
from harness.build import Builder
from harness.catalog import Catalog
from harness.errors import ConfigError, UsageError
from harness.matrix import Choice, Expansion, Matrix

__all__ = ["SECONDS", "Project", "load"]

SECONDS = 120.0
"""For pytest to collect the suites; it takes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's files as values.

    Attributes:
        catalog: What it knows: distros, runtimes, suites, toolchains.
        matrix: What it tests together.
        expansion: All cells of its matrix.
    """

    catalog: Catalog
    matrix: Matrix
    expansion: Expansion

    def replace_builder(self, builder: str | None) -> "Project":
        """The project with another builder than the matrix names, or the same for None.

        Raises:
            UsageError: There is no such builder.
        """
        if builder is None:
            return self
        if builder not in set(Builder):
            raise UsageError(f"There is no builder `{builder}`; known are {', '.join(Builder)}.")
        defaults = self.matrix.defaults.model_copy(update={"builder": builder})
        return replace(self, matrix=self.matrix.model_copy(update={"defaults": defaults}))

    def replace_sources(self, words: Sequence[str]) -> "Project":
        """The project with what `--set` changes about its matrix; see `harness.cli.setting`."""
        return replace(self, matrix=set_sources(self.matrix, words, self.catalog))

    def choose(self, *, profile: str | None, select: Sequence[str]) -> Choice:
        """The cells and suites that `--profile` and `--select` ask for; see `harness.matrix.choose`."""
        return matrix.choose(self.expansion, self.matrix, self.catalog, profile=profile, select=select)


def load(settings: Settings, *, thorough: bool = False) -> Project:
    """Read the project.

    Args:
        settings: Where it is.
        thorough: Whether pytest is asked for the cases that the matrix names.

    Raises:
        ConfigError: There is no matrix file, or one of the project's files is wrong.
        UsageError: It has expectations, and pytest cannot collect the suites.
    """
    name = show_path(settings.matrix)
    if not settings.matrix.exists():
        raise ConfigError(
            f"{name}: the file does not exist.",
            hint="Go to the project's directory, or name the file with --matrix or HARNESS_MATRIX.",
        )
    known = catalog.load(settings.root)

    def cases() -> tuple[str, ...]:
        return suite.collected(
            known.root / "suites", known.suites, settings.make_deadline(SECONDS, "collection of the suites")
        )

    wanted = matrix.load(settings.matrix, known, name=name, cases=cases if thorough else None)
    return Project(catalog=known, matrix=wanted, expansion=matrix.expand(wanted, known))
