"""Which cases the suites have: pytest says it, and nothing else guesses."""

import hashlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from harness import suite
from harness.app.project import Project
from harness.app.settings import Settings
from harness.catalog import Catalog
from harness.errors import UsageError

__all__ = ["check_cases", "list_cases"]

SECONDS = 120.0
"""For pytest to collect the suites; it takes one."""


def list_cases(catalog: Catalog, settings: Settings, suites: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the node ids of the cases of some suites, or of all; raise UsageError where pytest cannot collect them."""
    names = list(catalog.suites if suites is None else suites)
    deadline = settings.make_deadline(SECONDS, "collection of the suites")
    return suite.collect_cases(catalog.root / "suites", names, deadline)


def check_cases(cases: Sequence[str], project: Project, settings: Settings) -> None:
    """Raise UsageError for a case that no suite has: a guest would be booted for it, and say nothing.

    Cases are node ids, also of a file or a class, or without parameters.
    """
    root = project.catalog.root / "suites"
    paths = {case: case.partition("::")[0] for case in cases}
    for path in paths.values():
        project.catalog.get_suite(path.partition("/")[0])
        if not (root / path).exists():
            raise UsageError(
                f"The suites have no `{path}`.",
                hint="A case is named as cgroup/test_places.py::test_x; `harness matrix cases` prints all.",
            )
    for case, path in paths.items():
        name = path.partition("/")[0]
        known = _collect(project, settings, name, _digest(root, name))
        if not any(suite.is_named(nodeid, case) for nodeid in known):
            wanted = case.partition("::")[2] or path
            near = get_close_matches(case, known, n=3)
            raise UsageError(
                f"There is no case `{wanted}` in suites/{path}.",
                hint=f"Near it are {', '.join(near)}." if near else "`harness matrix cases` prints all.",
            )


_collected: dict[tuple[Path, str, str], tuple[str, ...]] = {}


def _collect(project: Project, settings: Settings, name: str, digest: str) -> tuple[str, ...]:
    """Return the cases of a suite; pytest is asked once for each content of it."""
    key = (project.catalog.root, name, digest)
    if key not in _collected:
        _collected[key] = list_cases(project.catalog, settings, [name])
    return _collected[key]


def _digest(root: Path, name: str) -> str:
    """Return a digest of the code that decides which cases a suite has."""
    digest = hashlib.sha256()
    for path in sorted([*root.glob("*.*"), *(root / name).rglob("*.py"), *(root / "lib").rglob("*.py")]):
        if path.is_file():
            digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()
