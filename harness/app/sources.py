"""`--set KEY=VALUE`: what a run changes about the matrix, for one time and without an edit.

The keys are `runtime.NAME.source` and `systemd.source`. The value is a directory, which is taken as it is now, or
the address of a git repository, with `#` and a tag, branch or commit where it is not the one of the cell's version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from harness import source
from harness.app.project import Project
from harness.build import Builder
from harness.catalog import Catalog, Source
from harness.errors import UsageError
from harness.matrix import Matrix

__all__ = ["change_project", "set_sources"]

SYSTEMD = "systemd.source"

ADDRESSES = ("://", "git@")
"""What distinguishes an address of a git repository from a path."""


def change_project(project: Project, *, builder: str | None = None, sets: Sequence[str] = ()) -> Project:
    """Return the project with a changed matrix; raises UsageError if there is no such builder, key or source."""
    changed = set_sources(project.matrix, sets, project.catalog)
    if builder is not None:
        if builder not in set(Builder):
            raise UsageError(f"There is no builder `{builder}`; known are {', '.join(Builder)}.")
        changed = changed.model_copy(update={"defaults": changed.defaults.model_copy(update={"builder": builder})})
    return replace(project, matrix=changed)


def set_sources(matrix: Matrix, words: Sequence[str], catalog: Catalog) -> Matrix:
    """Return the matrix with what `--set` says; the same for no words.

    Raises:
        UsageError: A key is unknown, or a directory is no tree of the component.
    """
    components = _list_components(catalog)
    sources = dict(matrix.sources)
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not value.strip() or key not in components:
            raise UsageError(
                f"`--set {word}` sets nothing that there is.",
                hint=f"Write KEY=VALUE; the keys are {', '.join(components)}.",
            )
        name, landmarks = components[key]
        origin = _parse_source(value)
        source.require(origin, name, landmarks)
        sources[name] = (origin, *sources.get(name, ()))
    return matrix.model_copy(update={"sources": sources}) if words else matrix


def _list_components(catalog: Catalog) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """By key, the component's name and what each of its trees has."""
    built = {name: runtime.build for name, runtime in sorted(catalog.runtimes.items()) if runtime.build is not None}
    keys = {f"runtime.{name}.source": (name, build.landmarks) for name, build in built.items()}
    return keys | {SYSTEMD: (catalog.systemd.name, catalog.systemd.build.landmarks)}


def _parse_source(value: str) -> Source:
    address, _, ref = value.partition("#")
    if any(part in address for part in ADDRESSES):
        try:
            return Source(git=address, ref=ref) if ref else Source(git=address)
        except ValidationError as error:
            said = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
            raise UsageError(f"`--set` names no repository: {said}.") from error
    # The run may go on from another directory.
    return Source(directory=Path(value).expanduser().absolute())
