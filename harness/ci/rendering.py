"""From pipelines to the files of the CI systems: a pure function.

Templates are Jinja2 with `<< value >>`, `<% statement %>` and `<# comment #>`, since `{{ }}` is what GitHub and
Semaphore write themselves. An unknown name is an error. What a template has:

change, release   a `Pipeline`, or None where matrix.yaml has no release
pipelines         those of them that there are
keep              MB that one job may leave in the system's cache
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from harness.ci.systems import System
from harness.errors import ConfigError, UsageError
from harness.text import pluralize

__all__ = ["Pipeline", "Rendered", "render"]

HEAD = "# Made from matrix.yaml by `harness ci generate`, with harness/ci/systems/{name}.yaml; changes here are lost.\n"

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What is one word for YAML, for a shell and in the name of an artifact of each system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What CI runs for one kind of event: shards of a profile's cells, then the gate over all of their results.

    Attributes:
        profile: Name of the profile.
        shards: How many jobs share its cells.
        cells: How many cells it has.
    """

    profile: str
    shards: int
    cells: int

    @property
    def indexes(self) -> tuple[int, ...]:
        """The numbers of its shards, from 1."""
        return tuple(range(1, self.shards + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A file of a CI system.

    Attributes:
        system: The system's name.
        path: Its path in the project.
        text: All of it.
    """

    system: str
    path: str
    text: str


def render(systems: Sequence[System], change: Pipeline, release: Pipeline | None) -> tuple[Rendered, ...]:
    """Return the files of all systems, in the order of the systems and of their files; a file without text is not made.

    Args:
        systems: The systems.
        change: What runs for every change.
        release: What runs for a release as well, or None.

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
    return tuple(file for system in systems for file in _files(system, change, release, pipelines))


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


def _files(
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
        "keep": system.cache // sum(item.shards for item in pipelines),
    }
    texts = ((path, _filled(system, path, values)) for path in system.files)
    head = HEAD.format(name=system.name)
    return tuple(Rendered(system=system.name, path=path, text=head + text) for path, text in texts if text.strip())


def _filled(system: System, path: str, values: dict[str, object]) -> str:
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
    except jinja2.TemplateError as error:
        line = f" (line {error.lineno} of its text)" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise ConfigError(f"systems/{system.name}.yaml: the template of {path} is wrong{line}: {error}.") from error
    # Macros end with newlines of their own.
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
