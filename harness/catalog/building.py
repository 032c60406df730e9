"""What knowledge files say about building a component: environments, options, flavors, what a tree must have."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from harness.catalog.named_values import (
    BuildWord,
    MakeVariable,
    OptionName,
    PackageName,
    PlainWord,
    ReleaseName,
    SubPath,
)
from harness.catalog.sources import Range, Source
from harness.errors import UsageError
from harness.model import VersionRange
from harness.yamlerror import check_pattern, check_replacement
from harness.yamlfile import FileModel

__all__ = [
    "Build", "BuildOptions", "BuildSetting", "Download", "Environment", "Fixup", "Flavor", "Output", "RequiredOption",
    "TreeNote",
]  # fmt: skip


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
    pattern: Annotated[str, AfterValidator(check_pattern)] | None = None
    replacement: str | None = None
    reason: str

    @model_validator(mode="after")
    def _check_way(self) -> Self:
        texts = (self.file, self.pattern, self.replacement)
        if bool(self.commits) == (None not in texts) or (self.commits and texts != (None, None, None)):
            raise ValueError("a fix-up has either `commits`, or all of `file`, `pattern` and `replacement`")
        if self.pattern is not None and self.replacement is not None:
            check_replacement(self.pattern, self.replacement)
        return self


class OtherPlace(FileModel):
    """Where a file goes for a tree that has no option for its place.

    Attributes:
        without: The option of the configuration step that such a tree does not have.
        place: Where it goes then, below the guest's root.
    """

    without: OptionName
    place: SubPath


class Output(FileModel):
    """A file that a build is for, where the recipe has to look for it.

    Attributes:
        found: Where it may be below the build directory; `*` is any text, and the first that is there counts.
        place: Where it goes, below the guest's root.
        instead: Where it goes for trees that know no option for its place, if that is somewhere else.
    """

    found: Annotated[tuple[SubPath, ...], Field(min_length=1)]
    place: SubPath
    instead: OtherPlace | None = None


class RequiredOption(FileModel):
    """An option of the configuration step without which a tree is not built.

    Attributes:
        option: Its name.
        reason: What a tree without it is, a whole sentence.
    """

    option: OptionName
    reason: str


class Download(FileModel):
    """Something that a component's own build downloads, and where that cannot be had any more.

    Attributes:
        host: What its address contains, as the tree's files and the build's log have it.
        gone: Since when, and what becomes of the build, a whole sentence.
        settings: Settings with which it is not downloaded.
    """

    host: str
    gone: str
    settings: tuple[str, ...] = ()


class TreeNote(FileModel):
    """What a file of a tree shows about what is built of it: exactly one of `has` and `lacks`.

    Attributes:
        file: The file, below the tree's top; where there is none, it shows nothing.
        has: Text in it.
        lacks: Text that is not in it.
        says: What follows, a whole sentence.
    """

    file: SubPath
    has: str | None = None
    lacks: str | None = None
    says: str

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        if (self.has is None) == (self.lacks is None):
            raise ValueError("a note has either `has` or `lacks`")
        return self


class BuildSetting(FileModel):
    """Something that a user may give to a build, as `--set runtime.NAME.SETTING=VALUE`; it becomes an option.

    Attributes:
        option: The option of the configuration step.
        file: Whether the value is a file of this computer, which the build is given.
        pattern: What a value that is no file looks like (Python's re, the whole value).
        flavors: Flavors whose build gets it.
        together: The setting without which this one means nothing.
        says: What it is, for messages.
    """

    option: OptionName
    file: bool = False
    pattern: str = ".+"
    flavors: tuple[str, ...] = ()
    together: str | None = None
    says: str


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
        offline: Settings with which it downloads nothing.
        downloads: What of that cannot be had any more.
        environments: Where it is built, by the version of the systemd that it is made from; the component's without.
        notes: What a tree shows about this flavor.
    """

    packages: tuple[PackageName, ...] = ()
    options: tuple[BuildOptions, ...] = ()
    outputs: tuple[Output, ...] = ()
    systemd: bool = False
    stale: tuple[SubPath, ...] = ()
    network: bool = False
    offline: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    environments: tuple[Environment, ...] = ()
    notes: tuple[TreeNote, ...] = ()


class Build(FileModel):
    """How a component is built.

    Attributes:
        recipe: Name of the module in harness/build that does it.
        environments: Where; the first whose versions fit is taken.
        package: Go import path of the tree; where GOPATH mode expects it, in a build or a build tree.
        tags: Go build tags.
        options: How meson or configure sets up the tree; of one that is set twice the last value counts.
        fixups: What old code needs.
        output: Path of the executable in the artifact, below the guest's root.
        targets: What make is asked for, its default without it; or the files in Go of a program in no module.
        variables: Variables on make's command line; `{build}` in them is the build directory.
        outputs: Files that make leaves in its build directory; the executable must be among them.
        landmarks: Paths that every tree of the component has; a directory without them is something else.
        vendored: Where a tree has the code of others that it is compiled with; one of them is there.
        left: Patterns of what a build leaves in a tree, which is none of its files.
        required: Options without which a tree is not built.
        settings: What a user may give to a build, by name.
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
    vendored: tuple[SubPath, ...] = ()
    left: tuple[SubPath, ...] = ()
    required: tuple[RequiredOption, ...] = ()
    settings: Mapping[str, BuildSetting] = Field(default_factory=dict)
    flavors: Mapping[str, Flavor] = Field(default_factory=dict)
    sources: tuple[Source, ...]

    def choose_environment(self, version: str, flavor: str | None = None, systemd: str | None = None) -> Environment:
        """Return where a version is built; raises UsageError where no environment is known for it.

        `systemd` is the version of the systemd that the flavor is made from, where it is made from one.
        """
        own = self.flavors.get(flavor or "", Flavor()).environments
        if own and systemd is not None:
            return _find_environment(own, systemd, "systemd ")
        return _find_environment(self.environments, version, "")


def _find_environment(environments: Iterable[Environment], version: str, what: str) -> Environment:
    known = tuple(environments)
    for environment in known:
        if VersionRange(environment.versions).contains(version):
            return environment
    ranges = ", ".join(f"`{environment.versions}`" for environment in known)
    raise UsageError(f"No build environment is known for {what or 'version '}{version}; there are some for {ranges}.")
