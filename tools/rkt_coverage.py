"""Which of rkt's own functional tests our cases cover: `python -m tools.rkt_coverage` writes docs/reference/coverage.md.

What is known is suites/coverage.yaml; here it is held against the suites, and made a page.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness import yamlfile
from harness.yamlfile import FileModel
from tools.generated_page import ROOT, write_page

__all__ = ["DATA", "PAGE", "SUITES", "Coverage", "find_missing", "format_page", "list_cases", "read"]

SUITES = ROOT / "suites"
DATA = SUITES / "coverage.yaml"
PAGE = ROOT / "docs" / "reference" / "coverage.md"

KNOWN = {"read": "", "name": " ¹", "fork": " ²"}
"""What stands behind a file's name, by how its purpose is known."""

HEAD = """\
# What rkt's own tests checked, and what checks it here

Made by `python -m tools.rkt_coverage` from `suites/coverage.yaml`; do not edit it. A test of the harness says when it is old,
and when a case that it names is gone.

rkt's functional tests start `rkt` for each behaviour; the cases here ask any runtime for the same behaviour, in a guest with a known
systemd and cgroup mode. Of {files} test files, with {functions} functions that are known by name and {behaviours} behaviours, {covered} behaviours have cases; the other {rest} have a reason.

"""

FOOT = """\

¹ What it checks is inferred from its name and from issues; its text was not read. ² Seen in a listing of a fork only, and not among what is
stored of rkt's own repository. Functions are those whose names are known; a file may have more.
"""


class Behaviour(FileModel):
    """Something that a test file checks: with our cases for it, or the reason why there is none."""

    checks: str
    cases: tuple[str, ...] = ()
    reason: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.cases) == bool(self.reason):
            raise ValueError("a behaviour has either cases or a reason why it has none")
        return self


class Row(FileModel):
    """Test files of rkt that belong together, how it is known what they check, and their functions as far as known."""

    files: Annotated[tuple[str, ...], Field(min_length=1)]
    known: Literal["read", "name", "fork"]
    functions: tuple[str, ...] = ()
    behaviours: Annotated[tuple[Behaviour, ...], Field(min_length=1)]


class Area(FileModel):
    """A part of the page."""

    title: str
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]


class Coverage(FileModel):
    """suites/coverage.yaml."""

    areas: tuple[Area, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows."""
        return tuple(row for area in self.areas for row in area.rows)

    @property
    def behaviours(self) -> tuple[Behaviour, ...]:
        """All behaviours."""
        return tuple(behaviour for row in self.rows for behaviour in row.behaviours)


def read(path: Path = DATA) -> Coverage:
    """Read what is known; raises ConfigError where the file is wrong."""
    return yamlfile.load(path, Coverage)


def list_cases(suites: Path = SUITES) -> frozenset[str]:
    """Node ids of all cases that the suites have, without parameters, as they are written: nothing is imported."""
    return frozenset(case for case, _ in find_functions(suites))


def find_functions(suites: Path = SUITES, suite: str = "*") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the node id and the function of each case of a suite, or of all."""
    for path in sorted(suites.glob(f"{suite}/test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for name, function in _tests(module, _find_bases(module, suites)):
            yield f"{path.relative_to(suites)}::{name}", function


def _tests(body: ast.Module | ast.ClassDef, bases: Mapping[str, ast.ClassDef]) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            inherited = [bases[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in bases]
            for part in (node, *inherited):
                yield from ((f"{node.name}::{name}", function) for name, function in _tests(part, bases))


def _find_bases(module: ast.Module, suites: Path) -> dict[str, ast.ClassDef]:
    """Return the classes that a module imports from the suites: what a class of its own may inherit cases from."""
    found: dict[str, ast.ClassDef] = {}
    for line in (node for node in module.body if isinstance(node, ast.ImportFrom)):
        path = suites.parent.joinpath(*(line.module or "").split(".")).with_suffix(".py")
        if path.is_file() and path.is_relative_to(suites):
            classes = [
                node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)
            ]
            found |= {node.name: node for node in classes if node.name in {alias.name for alias in line.names}}
    return found


def find_missing(coverage: Coverage, existing: frozenset[str]) -> list[str]:
    """Cases that are named and do not exist."""
    return sorted({case for behaviour in coverage.behaviours for case in behaviour.cases} - existing)


def format_page(coverage: Coverage) -> str:
    """Format the page, as Markdown."""
    covered = sum(bool(behaviour.cases) for behaviour in coverage.behaviours)
    parts = [
        HEAD.format(
            files=sum(len(row.files) for row in coverage.rows),
            functions=sum(len(row.functions) for row in coverage.rows),
            behaviours=len(coverage.behaviours),
            covered=covered,
            rest=len(coverage.behaviours) - covered,
        )
    ]
    for area in coverage.areas:
        parts += [f"## {area.title}\n\n", "| rkt's test | checks | here |\n|---|---|---|\n", *_lines(area), "\n"]
    return "".join(parts).rstrip("\n") + "\n" + FOOT


def _lines(area: Area) -> Iterator[str]:
    for row in area.rows:
        name = "<br>".join(f"`{file}`" for file in row.files) + KNOWN[row.known]
        name += "".join(f"<br>{function}" for function in row.functions)
        for behaviour in row.behaviours:
            here = "<br>".join(f"`{case}`" for case in behaviour.cases) or f"none: {behaviour.reason}"
            yield f"| {name} | {behaviour.checks} | {here} |\n"
            name = ""


def main() -> int:
    """Write the page, unless a case that is named does not exist."""
    coverage = read()
    gone = find_missing(coverage, list_cases())
    problems = [f"{DATA.relative_to(ROOT)} names {case}, which does not exist." for case in gone]
    return write_page(PAGE, problems, lambda: format_page(coverage))


if __name__ == "__main__":
    raise SystemExit(main())
