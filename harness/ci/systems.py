"""The CI systems that files are made for: harness/ci/systems/NAME.yaml, one for each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness import yamlfile
from harness.errors import ConfigError
from harness.yamlfile import FileModel

__all__ = ["DIRECTORY", "System", "systems"]

DIRECTORY = Path(__file__).parent / "systems"
"""The systems that the harness knows."""


class System(FileModel):
    """harness/ci/systems/NAME.yaml: a CI system, and the files that it reads.

    Attributes:
        name: The file's name.
        description: What it is, and what is special about it here.
        sources: Where the facts in the file are from.
        shards: How many jobs it can make of one, at most.
        cache: How many MB its cache may hold, for all jobs of a project together.
        shared: Template text before that of each file, for macros.
        files: A template for each file that it reads, by the file's path in the project; see `rendering`.
    """

    name: str
    description: str
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    shards: Annotated[int, Field(ge=1)]
    cache: Annotated[int, Field(ge=1)]
    shared: str = ""
    files: Annotated[Mapping[str, str], Field(min_length=1)]


def systems(directory: Path = DIRECTORY) -> tuple[System, ...]:
    """Return the systems in a directory, by name.

    Raises:
        ConfigError: A file is wrong, or has another name than it says; with file:line:column.
    """
    return tuple(_load(path) for path in sorted(directory.glob("*.yaml")))


def _load(path: Path) -> System:
    name = f"{path.parent.name}/{path.name}"
    document = yamlfile.read(path, name=name)
    system = document.validate_as(System)
    if system.name != path.stem:
        raise ConfigError(f"{document.locate(('name',))}: the name must be `{path.stem}`, as the file is called.")
    for file in system.files:
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise ConfigError(f"{document.locate(('files', file))}: `{file}` must be below the project's directory.")
    return system
