"""Go as cases use it, on the source of the runtime."""

from collections.abc import Mapping
from typing import Protocol

import pytest

__all__ = ["Go", "GoResult", "RuntimeSource"]


class GoResult(Protocol):
    """A command in the build tree that has ended."""

    @property
    def code(self) -> int:
        """Exit status."""

    @property
    def out(self) -> str:
        """What it said, on both outputs."""


class RuntimeSource(Protocol):
    """The part of the harness's build tree that is used here."""

    @property
    def go_version(self) -> str:
        """Exact version of Go."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Go build tags that the runtime is built with."""

    @property
    def scratch(self) -> str:
        """A directory for anything."""

    @property
    def goroot(self) -> str:
        """Top directory of Go."""

    def run(self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None) -> GoResult:
        """Run a command, in the source's top directory if no other is named."""


class Go:
    """The cell's Go."""

    def __init__(self, tree: RuntimeSource) -> None:
        self.tree = tree

    @property
    def release(self) -> tuple[int, ...]:
        """The two numbers of its minor release: (1, 27)."""
        return tuple(int(part) for part in self.tree.go_version.split(".")[:2])

    @property
    def tags(self) -> tuple[str, ...]:
        """Arguments that name the runtime's own build tags."""
        return ("-tags", " ".join(self.tree.tags)) if self.tree.tags else ()

    def require(self, release: tuple[int, int], what: str) -> None:
        """Skip a case where this Go is older than the one that first had something."""
        if self.release < release:
            pytest.skip(f"needs {what}, which Go has since {'.'.join(map(str, release))}")

    def run(self, *words: str, cwd: str | None = None, env: Mapping[str, str] | None = None) -> GoResult:
        """Run `go` with words."""
        return self.tree.run(f"{self.tree.goroot}/bin/go", *words, cwd=cwd, env=env)

    def find_packages(self, pattern: str = "./...") -> list[str]:
        """Return the import paths of the source's packages that this Go sees here; none for what is not there."""
        done = self.run("list", *self.tags, pattern)
        return [
            line
            for line in done.out.splitlines()
            if done.code == 0 and not line.startswith("go: ") and "/vendor/" not in line
        ]
