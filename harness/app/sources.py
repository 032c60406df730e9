"""`--set KEY=VALUE`: what a run changes about the matrix, for one time and without an edit.

The keys are `runtime.NAME.source`, `systemd.source`, and `runtime.NAME.SETTING` for what a build may be given besides.
A source is a directory, which is taken as it is now; an archive (tar) or a bundle of git, as files; or the address of a
git repository, a directory being one where a ref is named. `#` stands before the tag, branch or commit where that is
not the one of the cell's version.
"""

import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from harness import source
from harness.app.project import Project
from harness.build import Builder, check_settings
from harness.catalog import Build, Catalog, Source
from harness.errors import UsageError
from harness.matrix import Matrix
from harness.store import hash_file

__all__ = ["change_project", "parse_source", "set_sources"]

SYSTEMD = "systemd.source"

ADDRESSES = ("://", "git@")
"""What distinguishes an address of a git repository from a path."""

BUNDLE = b"# v"
"""How a bundle of git begins (gitformat-bundle(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKey:
    """A key whose value is a source."""

    component: str
    landmarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingKey:
    """A key whose value is given to builds."""

    component: str
    setting: str
    rules: Build


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
        UsageError: A key is unknown, a directory is no tree of the component, or a setting is not what it is to be.
    """
    keys = _list_keys(catalog)
    sources = dict(matrix.sources)
    settings = {name: dict(values) for name, values in matrix.settings.items()}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not value.strip() or key not in keys:
            raise UsageError(
                f"`--set {word}` sets nothing that there is.",
                hint=f"Write KEY=VALUE; the keys are {', '.join(keys)}.",
            )
        match keys[key]:
            case SourceKey(component=name, landmarks=landmarks):
                origin = parse_source(value)
                source.require(origin, name, landmarks)
                sources[name] = (origin, *sources.get(name, ()))
            case SettingKey(component=name, setting=setting, rules=rules):
                # The run may go on from another directory.
                given = str(Path(value).expanduser().absolute()) if rules.settings[setting].file else value
                settings.setdefault(name, {})[setting] = given
    for each in keys.values():
        if isinstance(each, SettingKey):
            check_settings(each.component, each.rules, settings.get(each.component, {}))
    return matrix.model_copy(update={"sources": sources, "settings": settings}) if words else matrix


def parse_source(value: str) -> Source:
    """Return what a user means by a source; raises UsageError for a file that is neither an archive nor a bundle."""
    address, _, ref = value.partition("#")
    if any(part in address for part in ADDRESSES):
        return _make_git_source(address, ref)
    # The run may go on from another directory.
    path, before = Path(value).expanduser().absolute(), Path(address).expanduser().absolute()
    if ref and not path.exists() and before.is_dir():
        return _make_git_source(str(before), ref)
    if not before.is_file():
        return Source(directory=path)
    with before.open("rb") as file:
        if file.read(len(BUNDLE)) == BUNDLE:
            return _make_git_source(str(before), ref)
    if not tarfile.is_tarfile(before):
        raise UsageError(
            f"The file {before} is neither a tar archive nor a git bundle.",
            hint="Name a directory, an archive (.tar, .tar.gz, .tar.xz), a bundle, or the address of a git repository.",
        )
    return Source(tarball=before.as_uri(), sha256=hash_file(before))


def _make_git_source(address: str, ref: str) -> Source:
    try:
        return Source(git=address, ref=ref) if ref else Source(git=address)
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"`--set` names no repository: {said}.") from error


def _list_keys(catalog: Catalog) -> Mapping[str, SourceKey | SettingKey]:
    built = {name: runtime.build for name, runtime in sorted(catalog.runtimes.items()) if runtime.build is not None}
    return {
        **{f"runtime.{name}.source": SourceKey(component=name, landmarks=it.landmarks) for name, it in built.items()},
        SYSTEMD: SourceKey(component=catalog.systemd.name, landmarks=catalog.systemd.build.landmarks),
        **{
            f"runtime.{name}.{setting}": SettingKey(component=name, setting=setting, rules=rules)
            for name, rules in built.items()
            for setting in rules.settings
        },
    }
