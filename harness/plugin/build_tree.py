"""The build tree of the cases that are asked where the runtime is built."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import build
from harness.cell_file import BuildTree
from harness.errors import DeadlineError
from harness.plugin.backend import FOREVER
from harness.wait import Deadline

__all__ = ["NO_TREE", "Tree", "TreeResult"]

NO_TREE = "needs a runtime that is built from source with Go; this cell's is not"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeResult:
    """A command in the build tree that has ended.

    Attributes:
        code: Exit status.
        out: What it said, on both outputs.
    """

    code: int
    out: str


class Tree:
    """The runtime's source, and the Go that builds it.

    Attributes:
        deadline: End of the running case.
    """

    def __init__(self, described: BuildTree) -> None:
        self._described = described
        self.deadline = Deadline.after(FOREVER, "case")

    @property
    def go_version(self) -> str:
        """Exact version of Go: "1.27.3"."""
        return self._described.go

    @property
    def tags(self) -> tuple[str, ...]:
        """Go build tags that the runtime is built with."""
        return self._described.tags

    @property
    def scratch(self) -> str:
        """A directory for anything, as commands see it; it is gone with the last case."""
        return self._described.scratch

    @property
    def goroot(self) -> str:
        """Top directory of Go, as commands see it."""
        return self._described.goroot

    def run(self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None) -> TreeResult:
        """Run a command, in the source's top directory if no other is named, with more environment.

        Raises:
            TimeoutError: The case has used up its time.
            InfrastructureError: Docker does not answer.
        """
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory) / "output"
            output.touch()
            try:
                code = build.run_in_tree(self._described, argv, output, self.deadline, cwd=cwd, env=env)
            except DeadlineError:
                end = "\n".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
                limit = f"The case took longer than {self.deadline.seconds:.0f} s, in `{' '.join(argv)}`.\n{end}"
                raise TimeoutError(limit) from None
            return TreeResult(code=code, out=output.read_text(encoding="utf-8", errors="replace"))
