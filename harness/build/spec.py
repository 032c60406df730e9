"""What a build is made from, and what a recipe says about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

from harness.build.settings import GivenSetting
from harness.catalog import Build, Download, Environment, Flavor, Source
from harness.errors import InfrastructureError
from harness.model import VersionRange, parse_major_version
from harness.source import Revision
from harness.toolchain import ToolchainRelease

__all__ = ["BuildCommand", "BuildError", "BuildPaths", "BuildSpec", "Builder", "GoRecipe", "Recipe", "SystemdSource"]


class Builder(StrEnum):
    """Where the commands of a recipe run."""

    DOCKER = "docker"
    """In a container without network, on a Debian tree of the release that the runtime's file names."""
    HOST = "host"
    """On this computer, with what is installed there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdSource:
    """Source code of systemd that a build is given to make a part of its output from.

    Attributes:
        version: Its version: "252", "v252".
    """

    version: str
    source: Source
    revision: Revision

    @property
    def number(self) -> str:
        """The first number of its version: "252"."""
        return parse_major_version(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """One build: everything that its output depends on.

    Attributes:
        name: The component: "runc".
        version: The version that was asked for: "1.1.5"; the program reports it as its own.
        rules: How it is built, of the component's knowledge file.
        source: Where its code comes from, one of `rules.sources`.
        revision: Which code; resolved from `source`.
        toolchain: With which toolchain, or None where the environment's compiler does it all.
        systemd: The systemd that a part of the output is made from, or None.
        settings: What the user gives to it.
    """

    name: str
    version: str
    rules: Build
    source: Source
    revision: Revision
    toolchain: ToolchainRelease | None
    builder: Builder = Builder.DOCKER
    flavor: str | None = None
    systemd: SystemdSource | None = None
    settings: tuple[GivenSetting, ...] = ()

    @property
    def environment(self) -> Environment:
        """Where a version like this is built."""
        systemd = self.systemd.number if self.systemd else None
        return self.rules.choose_environment(self.version, self.flavor, systemd)

    @property
    def needs_network(self) -> bool:
        """Whether the build downloads something itself."""
        return self.kind.network and not {each.name for each in self.settings} & set(self.kind.offline)

    @property
    def lost_downloads(self) -> tuple[Download, ...]:
        """What the build would download and cannot be had any more."""
        given = {each.name for each in self.settings}
        return tuple(each for each in self.kind.downloads if not given & set(each.settings))

    @property
    def kind(self) -> Flavor:
        """What is different in the build of its flavor; nothing for a component without flavors."""
        return self.rules.flavors.get(self.flavor or "", Flavor())

    @property
    def options(self) -> dict[str, str]:
        """The options of the knowledge file that its version and flavor get; the last value of one counts."""
        wanted: dict[str, str] = {}
        for options in (*self.rules.options, *self.kind.options):
            if VersionRange(options.versions).contains(self.version):
                wanted |= options.set
        return wanted | {each.option: each.value if each.digest is None else str(each.place) for each in self.settings}

    @property
    def title(self) -> str:
        """What is built with what, for people: "runc 1.1.5 with go 1.27.3"."""
        flavor = f"/{self.flavor}" if self.flavor else ""
        tool = f" with {self.toolchain.name} {self.toolchain.version}" if self.toolchain else ""
        return f"{self.name} {self.version}{flavor}{tool}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPaths:
    """Directories of a build, as its commands see them.

    Attributes:
        work: Has the source at the place below it that the recipe names.
        toolchain: Top directory of the toolchain; None if there is none.
        output: What appears here is the artifact; a directory that stands for the guest's root.
        scratch: For anything; removed afterwards.
        cache: Kept between builds in the same environment.
        outside: `work` as the harness itself sees it.
    """

    work: PurePosixPath
    toolchain: PurePosixPath | None
    output: PurePosixPath
    scratch: PurePosixPath
    cache: PurePosixPath
    outside: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCommand:
    """One command of a build.

    Attributes:
        env: Its environment; the builder adds PATH, HOME and TMPDIR where they are not given.
    """

    argv: tuple[str, ...]
    cwd: PurePosixPath
    env: Mapping[str, str] = field(default_factory=dict)


class Recipe(Protocol):
    """What a module in harness/build/recipes has.

    Attributes:
        REVISION: Raised when the recipe's output changes; goes in hashes.
        INCREMENTAL: Whether it builds in a worktree, where it finds what an earlier build of another revision left.
        IN_SOURCE: Whether it writes among the source files, so that a build from nothing needs those again.
    """

    REVISION: int
    INCREMENTAL: bool
    IN_SOURCE: bool

    def list_packages(self, spec: BuildSpec) -> tuple[str, ...]:
        """Return packages that the environment needs besides those of the knowledge file."""

    def choose_source_path(self, spec: BuildSpec) -> PurePosixPath:
        """Return where below `BuildPaths.work` the source has to be."""

    def make_commands(self, spec: BuildSpec, places: BuildPaths) -> tuple[BuildCommand, ...]:
        """Return what is run, in this order, until one fails."""

    def finish(self, spec: BuildSpec, files: Path) -> Mapping[str, Any]:
        """Put the output in its final shape, and return what there is to say about it, for the manifest."""


@runtime_checkable
class GoRecipe(Recipe, Protocol):
    """A recipe that builds with Go, and can say where Go finds the source and what else it needs there."""

    def choose_tree_path(self, spec: BuildSpec) -> PurePosixPath:
        """Return where below `BuildPaths.work` Go finds the source by itself, for commands about it; see `build.tree`."""

    def make_go_environment(self, spec: BuildSpec, places: BuildPaths) -> Mapping[str, str]:
        """Return the environment in which Go finds there all that it needs, without flags of ours."""


class BuildError(InfrastructureError):
    """A command of a build failed: this revision does not build. It says nothing about the runtime's behavior.

    Attributes:
        log: File with the output of all commands.
    """

    def __init__(self, message: str, *, log: Path, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.log = log
