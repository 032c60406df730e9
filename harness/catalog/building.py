"""What knowledge files say about getting and building a component: sources, toolchains, environments, options."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from harness.catalog.named_values import (
    BuildWord,
    GitAddress,
    GitRef,
    MakeVariable,
    OptionName,
    PackageName,
    PackageTemplate,
    PlainWord,
    ReleaseName,
    SubPath,
    VersionName,
    WebAddress,
    WheelName,
)
from harness.errors import UsageError
from harness.model import VersionRange
from harness.yamlfile import FileModel

__all__ = ["Build", "BuildOptions", "Environment", "Fixup", "Flavor", "Output", "Range", "Source", "ToolchainSource"]


def _check_range(text: str) -> str:
    VersionRange(text)
    return text


Range = Annotated[str, AfterValidator(_check_range)]
"""A version range as text, see `VersionRange`."""


class Source(FileModel):
    """Where source code comes from: exactly one of `git`, `directory`, `debian` and `tarball`.

    Attributes:
        versions: Versions of the component that come from here.
        git: URL or path of a repository, with `ref`: a tag, branch or commit; `{version}` in it is replaced.
        directory: A tree on this computer, taken as it is.
        debian: Name of a Debian source package, with `release`: the Debian release that has it.
        tarball: URL of an archive, with `sha256` of its content; `{version}` in the URL is replaced.
        unvendored: Dependencies come from the environment's packages, not from the tree (GOPATH mode).
    """

    versions: Range = "*"
    git: GitAddress | None = None
    ref: GitRef = "v{version}"
    directory: Path | None = None
    debian: PackageTemplate | None = None
    release: ReleaseName | None = None
    tarball: WebAddress | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    unvendored: bool = False

    @property
    def kind(self) -> Literal["git", "directory", "debian", "tarball"]:
        """Which of the four it is."""
        return "git" if self.git else "directory" if self.directory else "debian" if self.debian else "tarball"

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        given = [kind for kind in ("git", "directory", "debian", "tarball") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a source is one of git, directory, debian and tarball, not {' and '.join(given) or 'none'}"
            )
        if self.debian and not self.release:
            raise ValueError("a debian source needs `release`, the Debian release that has the package")
        if self.tarball and not self.sha256:
            raise ValueError("a tarball needs `sha256`, so that what was downloaded can be trusted")
        return self


class ToolchainSource(FileModel):
    """Where a toolchain's versions come from: exactly one of `wheel`, `debian` and `tarball`.

    Attributes:
        versions: Versions that come from here.
        wheel: Name of a Python package whose wheels carry the toolchain.
        debian: Name of a Debian package, with `release`; `{version}` in it is replaced.
        tarball: URL of an archive, with `sha256`; `{version}` in it is replaced.
        exact: The version in the archive, where `versions` covers more than one: it is then what `{version}` is.
    """

    versions: Range = "*"
    wheel: WheelName | None = None
    debian: PackageTemplate | None = None
    release: ReleaseName | None = None
    tarball: WebAddress | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    exact: VersionName | None = None

    @property
    def kind(self) -> Literal["wheel", "debian", "tarball"]:
        """Which of the three it is."""
        return "wheel" if self.wheel else "debian" if self.debian else "tarball"

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if sum(value is not None for value in (self.wheel, self.debian, self.tarball)) != 1:
            raise ValueError("a toolchain is exactly one of wheel, debian and tarball")
        if self.debian and not self.release:
            raise ValueError("a debian toolchain needs `release`, the Debian release that has the package")
        if self.tarball and not self.sha256:
            raise ValueError("a tarball needs `sha256`, so that what was downloaded can be trusted")
        if self.exact and not self.tarball:
            raise ValueError("`exact` is for a tarball; the others say themselves which version they have")
        return self


class Environment(FileModel):
    """Where a build happens.

    Attributes:
        versions: Versions of the component that are built here.
        release: Debian release whose compiler and libraries it has.
        packages: Packages installed in it.
    """

    versions: Range = "*"
    release: ReleaseName
    packages: tuple[PackageName, ...]


class BuildOptions(FileModel):
    """Options of a configuration step; one that the code does not have is left out.

    Attributes:
        versions: Versions of the component that get them.
        set: Value by name.
        reason: Why, a whole sentence.
    """

    versions: Range = "*"
    set: Mapping[OptionName, BuildWord]
    reason: str


class Fixup(FileModel):
    """A change to old code without which it does not build any more: commits of its own repository, or a substitution.

    Attributes:
        versions: Versions of the component that need it.
        commits: Commits whose changes are applied, in this order, where they are not there yet.
        file: File in which text is replaced, with `pattern` (Python's re) and `replacement`; where the pattern is
            not found nothing is.
        reason: Why, a whole sentence.
    """

    versions: Range = "*"
    commits: tuple[Annotated[str, Field(pattern="^[0-9a-f]{40}$")], ...] = ()
    file: SubPath | None = None
    pattern: str | None = None
    replacement: str | None = None
    reason: str

    @model_validator(mode="after")
    def _check_way(self) -> Self:
        texts = (self.file, self.pattern, self.replacement)
        if bool(self.commits) == (None not in texts) or (self.commits and texts != (None, None, None)):
            raise ValueError("a fix-up has either `commits`, or all of `file`, `pattern` and `replacement`")
        re.compile(self.pattern or "")
        return self


class Output(FileModel):
    """A file that a build is for, where the recipe has to look for it.

    Attributes:
        found: Where it may be below the build directory; `*` is any text, and the first that is there counts.
        place: Where it goes, below the guest's root.
    """

    found: Annotated[tuple[SubPath, ...], Field(min_length=1)]
    place: SubPath


class Flavor(FileModel):
    """What is different in the build of one flavor.

    Attributes:
        packages: Packages that it needs besides those of the environment.
        options: Further options of its configuration step; they count after the component's.
        outputs: Files that it makes, besides the component's.
        systemd: Whether it is made from the source of the cell's systemd, which it is then given as a git clone.
        stale: Paths below the build directory (`*` is any text) that are about the systemd that was built there
            before; they are removed when it is another revision's turn.
        network: Whether its own build downloads something, so that it cannot be built where there is no network.
    """

    packages: tuple[PackageName, ...] = ()
    options: tuple[BuildOptions, ...] = ()
    outputs: tuple[Output, ...] = ()
    systemd: bool = False
    stale: tuple[SubPath, ...] = ()
    network: bool = False


class Build(FileModel):
    """How a component is built.

    Attributes:
        recipe: Name of the module in harness/build that does it.
        environments: Where; the first whose versions fit is taken.
        package: Go import path of the tree; where GOPATH mode expects it.
        tags: Go build tags.
        options: How meson or configure sets up the tree; of one that is set twice the last value counts.
        fixups: What old code needs.
        output: Path of the executable in the artifact, below the guest's root.
        targets: What make is asked for, its default without it; or the files in Go of a program in no module.
        variables: Variables on make's command line; `{build}` in them is the build directory.
        outputs: Files that make leaves in its build directory; the executable must be among them.
        landmarks: Paths that every tree of the component has; a directory without them is something else.
        flavors: What is different by flavor.
        sources: Where which version comes from; the first that fits is taken.
    """

    recipe: PlainWord
    environments: tuple[Environment, ...]
    package: SubPath | Literal[""] = ""
    tags: tuple[PlainWord, ...] = ()
    options: tuple[BuildOptions, ...] = ()
    fixups: tuple[Fixup, ...] = ()
    output: SubPath
    targets: tuple[PlainWord, ...] = ()
    variables: Mapping[MakeVariable, BuildWord] = Field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    landmarks: tuple[SubPath, ...] = ()
    flavors: Mapping[str, Flavor] = Field(default_factory=dict)
    sources: tuple[Source, ...]

    def choose_environment(self, version: str) -> Environment:
        """Where a version is built; raises UsageError where no environment is known for it."""
        for environment in self.environments:
            if VersionRange(environment.versions).contains(version):
                return environment
        ranges = ", ".join(f"`{environment.versions}`" for environment in self.environments)
        raise UsageError(f"No build environment is known for version {version}; there are some for {ranges}.")
