"""From pipelines to the files of the CI systems, and which of those in a project have drifted from it.

Templates are Jinja2 with `<< value >>`, `<% statement %>` and `<# comment #>`, since `{{ }}` is what GitHub and
Semaphore write themselves. An unknown name is an error. What a template has:

change, release   a `Pipeline`, or None where matrix.yaml has no release
pipelines         those of them that there are
keep              MB that one job may leave in the system's cache; 0 where that is too little to hold anything
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import jinja2
from pydantic import Field

from harness import yamlfile
from harness.errors import ConfigError, UsageError
from harness.text import pluralize
from harness.yamlfile import FileModel

__all__ = ["DIRECTORY", "Drift", "DriftState", "Pipeline", "Rendered", "System", "compare", "list_systems", "render"]

DIRECTORY = Path(__file__).parent / "systems"
"""The systems that the harness knows."""


class System(FileModel):
    """harness/ci/systems/NAME.yaml: a CI system, and the files that it reads.

    Attributes:
        description: What it is, and what is special about it here.
        sources: Where the facts in the file are from.
        read: The day on which they were read there.
        shards: How many jobs it can make of one, at most.
        cache: How many MB its cache may hold, for all jobs of a project together.
        shared: Template text before that of each file, for macros.
        files: A template for each file that it reads, by the file's path in the project; see `rendering`.
    """

    name: str
    description: str
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    read: date | None = None
    shards: Annotated[int, Field(ge=1)]
    cache: Annotated[int, Field(ge=1)]
    shared: str = ""
    files: Annotated[Mapping[str, str], Field(min_length=1)]


def list_systems(directory: Path = DIRECTORY) -> tuple[System, ...]:
    """Return the systems in a directory, by name; raises ConfigError, with file:line:column, if a file is wrong."""
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


HEAD = "# Made from matrix.yaml by `harness ci generate`, with harness/ci/systems/{name}.yaml; changes here are lost.\n"

USEFUL = 600
"""MB below which a cache is not worth its time: an image has 300, a toolchain 250, a build environment 350."""
JOB = 60
"""Characters of a profile's name that are in the identifiers of its jobs; GitHub takes 100 in all."""

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What is one word for YAML, for a shell and in the name of an artifact of each system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What CI runs for one kind of event: shards of a profile's cells, then the gate over all of their results.

    Attributes:
        job: How the identifiers of its jobs begin, in letters that each system takes; see `_name_jobs`.
    """

    profile: str
    shards: int
    cells: int
    job: str = ""

    @property
    def indexes(self) -> tuple[int, ...]:
        """The numbers of its shards, from 1."""
        return tuple(range(1, self.shards + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A file of a CI system."""

    system: str
    path: str
    text: str


def render(systems: Sequence[System], change: Pipeline, release: Pipeline | None) -> tuple[Rendered, ...]:
    """Return the files of all systems, in the order of the systems and of their files; a file without text is not made.

    `change` runs for every change, and `release` for a release as well.

    Raises:
        UsageError: A pipeline has shards without cells, more of them than a system can run, or a profile whose name
            is not one plain word.
        ConfigError: A template is wrong.
    """
    pipelines = tuple(item for item in (change, release) if item is not None)
    if len({item.profile for item in pipelines}) < len(pipelines):
        raise UsageError(f"The pipelines `change` and `release` both run the profile `{change.profile}`.")
    for item in pipelines:
        _check(item)
    pipelines = _name_jobs(pipelines)
    change, release = pipelines[0], pipelines[1] if release is not None else None
    return tuple(file for system in systems for file in _render_files(system, change, release, pipelines))


def _name_jobs(pipelines: Sequence[Pipeline]) -> tuple[Pipeline, ...]:
    """Return pipelines whose jobs have identifiers: by the profile as far as GitHub takes that, and never the same.

    GitHub takes letters, digits, `-` and `_`, and a letter or `_` at the beginning; `needs.ID` looks for them
    without regard to case.
    """
    named: list[Pipeline] = []
    for item in pipelines:
        job = re.sub(r"[^A-Za-z0-9_-]", "_", item.profile)[:JOB]
        job = job if job[0].isalpha() or job[0] == "_" else f"_{job}"
        while job.casefold() in {other.job.casefold() for other in named}:
            job += "_2"
        named.append(replace(item, job=job))
    return tuple(named)


def _check(pipeline: Pipeline) -> None:
    if not WORD.fullmatch(pipeline.profile):
        raise UsageError(
            f"CI cannot run the profile `{pipeline.profile}`: its name must be letters, digits and `_.-`.",
            hint="Rename it in matrix.yaml, or name another one below `ci`.",
        )
    if pipeline.shards > pipeline.cells:
        raise UsageError(
            f"The profile `{pipeline.profile}` has {pluralize(pipeline.cells, 'cell')}, which {pluralize(pipeline.shards, 'shard')} cannot share.",
            hint="Lower `shards` below `ci` in matrix.yaml.",
        )


def _render_files(
    system: System, change: Pipeline, release: Pipeline | None, pipelines: Sequence[Pipeline]
) -> tuple[Rendered, ...]:
    for item in pipelines:
        if item.shards > system.shards:
            raise UsageError(
                f"The profile `{item.profile}` has {item.shards} shards, but {system.name} runs {system.shards} at most."
            )
    values: dict[str, object] = {
        "change": change,
        "release": release,
        "pipelines": pipelines,
        "keep": keep if (keep := system.cache // sum(item.shards for item in pipelines)) >= USEFUL else 0,
    }
    texts = ((path, _fill(system, path, values)) for path in system.files)
    head = HEAD.format(name=system.name)
    return tuple(Rendered(system=system.name, path=path, text=head + text) for path, text in texts if text.strip())


def _fill(system: System, path: str, values: dict[str, object]) -> str:
    # Autoescaping is for HTML; what is filled in here are numbers and plain words, see `_check`.
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        text = environment.from_string(system.shared + system.files[path]).render(values)
    except (
        jinja2.TemplateError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        # A template is a program, and what it raises is its own mistake.
        line = f" (line {error.lineno} of its text)" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise ConfigError(f"systems/{system.name}.yaml: the template of {path} is wrong{line}: {error}.") from error
    # Macros end with newlines of their own.
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


class DriftState(StrEnum):
    """How a file in the project is to what would be made."""

    SAME = "same"
    DIFFERS = "differs"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One file of a CI system, and how it has drifted.

    Attributes:
        diff: Unified diff from the file in the project to what it should be; empty where they are the same.
    """

    file: Rendered
    state: DriftState
    diff: str


def compare(files: Sequence[Rendered], root: Path) -> tuple[Drift, ...]:
    """Return how each file is in the project; raises UsageError if one is a directory, or cannot be read."""
    return tuple(_compare(file, root / file.path) for file in files)


def _compare(file: Rendered, path: Path) -> Drift:
    try:
        # What is no UTF-8 differs, and is shown as well as it can be.
        now = path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return Drift(file=file, state=DriftState.MISSING, diff=_diff("/dev/null", "", file))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="Remove it, or move it away.") from error
    if now == file.text:
        return Drift(file=file, state=DriftState.SAME, diff="")
    return Drift(file=file, state=DriftState.DIFFERS, diff=_diff(f"a/{file.path}", now, file))


def _diff(name: str, now: str, file: Rendered) -> str:
    lines = difflib.unified_diff(
        now.splitlines(keepends=True), file.text.splitlines(keepends=True), name, f"b/{file.path}"
    )
    # As git writes it, so that `patch` can read it where a file has no newline at its end.
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
