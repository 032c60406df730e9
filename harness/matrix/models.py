"""What matrix.yaml may say; the docstrings below each key are also its JSON schema's descriptions."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from harness.catalog import Catalog, Source, SuiteFile, ToolchainSource
from harness.catalog.named_values import SubPath
from harness.errors import UsageError
from harness.matrix.value_types import (
    BuilderText,
    ComponentText,
    DistroText,
    Expiry,
    GoText,
    LinkText,
    Regex,
    RuntimeText,
    Select,
    Sentence,
    SuiteText,
    SystemdText,
    ToolchainText,
)
from harness.model import DISTRO_OWN, Cell, CgroupMode
from harness.selection import names
from harness.yamlfile import FileModel

__all__ = [
    "Axes", "Ci", "CiRun", "Defaults", "Exclusion", "Expectation", "Inclusion", "Matrix", "OwnAxes", "Profile",
    "SuiteSettings", "Suites",
]  # fmt: skip

Suites = Literal["all"] | tuple[SuiteText, ...]


class _Part(FileModel):
    """Base of the parts of matrix.yaml."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Axes(_Part):
    """The values of each dimension; the matrix is their product."""

    distro: Annotated[tuple[DistroText, ...], Field(min_length=1)]
    """Guest operating systems, each with its channel: `debian/bookworm`, `flatcar/edge@2079.99.0`."""
    systemd: Annotated[tuple[SystemdText, ...], Field(min_length=1)]
    """`distro` is what the image carries; any other is a revision (`v252`) that is built and laid over the image."""
    go: Annotated[tuple[GoText, ...], Field(min_length=1)]
    """Versions of Go that build the runtime; a runtime that is not built has one cell for all of them."""
    cgroup: Annotated[tuple[CgroupMode, ...], Field(min_length=1)]
    """cgroup modes that the guest boots in."""
    runtime: Annotated[tuple[RuntimeText, ...], Field(min_length=1)]
    """Container runtimes under test: `nspawn`, `runc@1.1.5`, `runc@distro`, `rkt@1.30.0/host`."""


class Inclusion(_Part):
    """One more cell besides the product of the axes; the keys are those of `axes`."""

    distro: DistroText
    systemd: SystemdText = DISTRO_OWN
    go: GoText | None = None
    """Needed for a runtime that is built."""
    cgroup: CgroupMode
    runtime: RuntimeText


class Exclusion(_Part):
    """Cells that are left out."""

    when: Select
    """An expression: the cells for which it holds are left out."""
    reason: Sentence
    """Why, a whole sentence."""


class Expectation(_Part):
    """A known failure: the case is `xfailed` while it fails as described, and its passing is reported."""

    cells: Select
    """An expression: the cells that have the failure."""
    cases: Annotated[str, Field(min_length=1)]
    """pytest node ids of the cases, relative to suites/; `*` is any text; without `[...]` all parameters are meant."""
    matching: Regex | None = None
    """What the failure's text must contain, so that other failures of the same case are not excused."""
    reason: Sentence
    """Why it fails, a whole sentence."""
    issue: LinkText
    """Where it is being worked on."""
    expires: Expiry
    """Last day on which the failure is excused."""

    def is_about(self, nodeid: str) -> bool:
        """Return whether it is about a case; `nodeid` is relative to the suites."""
        pattern = names.compile_glob(self.cases)
        return bool(pattern.match(nodeid) or pattern.match(nodeid.partition("[")[0]))

    def is_expired(self, today: date) -> bool:
        """Return whether its last day is over."""
        return today > self.expires


class OwnAxes(_Part):
    """Values of some dimensions in place of those of `axes`; the keys are the same."""

    distro: Annotated[tuple[DistroText, ...], Field(min_length=1)] | None = None
    systemd: Annotated[tuple[SystemdText, ...], Field(min_length=1)] | None = None
    go: Annotated[tuple[GoText, ...], Field(min_length=1)] | None = None
    cgroup: Annotated[tuple[CgroupMode, ...], Field(min_length=1)] | None = None
    runtime: Annotated[tuple[RuntimeText, ...], Field(min_length=1)] | None = None


class Profile(_Part):
    """A named choice of cells and suites: `harness run --profile NAME`."""

    axes: OwnAxes | None = None
    """Cells of its own: the product of these and the other axes, in place of the matrix's cells, which do not have them."""
    select: Select | None = None
    """An expression: the cells for which it holds; all cells without it."""
    suites: Suites | None = None
    """Which suites run: a list, or `all`; those of `defaults` without it."""
    gate: SubPath | None = None
    """Path of the release policy that the results are held against, relative to this file."""


class CiRun(_Part):
    """What CI runs for one kind of event."""

    profile: str
    """Whose cells and suites: the name of a profile."""
    shards: Annotated[int, Field(ge=1, le=50)]
    """How many jobs share the cells; Semaphore makes 50 at most."""


class Ci(_Part):
    """What the CI files say: `harness ci generate` makes them."""

    change: CiRun
    """What runs for every change."""
    release: CiRun | None = None
    """What runs for a tag as well, after that; nothing without it."""


class Defaults(_Part):
    """What holds for every cell unless something else is asked for."""

    suites: Suites = "all"
    """Which suites run: a list, or `all`."""
    memory: Annotated[int, Field(ge=256, le=1_048_576)] = 1024
    """Memory of a guest in MiB; below 256 no guest boots, and 1048576 is a TiB."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """Processors of a guest."""
    builder: BuilderText = "docker"
    """Where runtimes are built: in a container; on this computer only where the command line says `--builder host`."""


class SuiteSettings(_Part):
    """What this matrix changes about a suite's own suite.yaml."""

    timeout: Annotated[int, Field(ge=1)] | None = None
    """Seconds that one case may take under KVM."""
    reruns: Annotated[int, Field(ge=0)] | None = None
    """How often a failed case is executed again before it counts."""


class Matrix(_Part):
    """matrix.yaml: what is tested together, and what is known about it."""

    version: Literal[1]
    """Version of this file's format."""
    axes: Axes
    include: tuple[Inclusion, ...] = ()
    """Cells besides the product of the axes."""
    exclude: tuple[Exclusion, ...] = ()
    """Cells that are left out, each group with a reason."""
    expectations: tuple[Expectation, ...] = ()
    """Known failures."""
    profiles: Mapping[str, Profile] = Field(default_factory=dict)
    """Named choices of cells and suites."""
    defaults: Defaults = Field(default_factory=Defaults)
    ci: Ci | None = None
    """What CI runs; without it no CI files are made."""
    suites: Mapping[SuiteText, SuiteSettings] = Field(default_factory=dict)
    """Changes to suites, by name."""
    sources: Mapping[ComponentText, tuple[Source, ...]] = Field(default_factory=dict)
    """Where source code comes from, by runtime or `systemd`; tried before what the harness knows."""
    toolchains: Mapping[ToolchainText, tuple[ToolchainSource, ...]] = Field(default_factory=dict)
    """Where toolchains come from, by name; tried before what the harness knows."""
    settings: Mapping[ComponentText, Mapping[str, str]] = Field(default_factory=dict)
    """What builds are given besides a source, by runtime: those that its file in harness/runtimes has."""

    def take_axes_of(self, profile: Profile) -> "Matrix":
        """Return the matrix whose cells are a profile's own."""
        own = profile.axes.model_dump(exclude_none=True) if profile.axes is not None else {}
        return self.model_copy(update={"axes": self.axes.model_copy(update=own), "include": (), "profiles": {}})

    def find_profile(self, name: str) -> Profile:
        """Return a profile by name; raises UsageError with the names that exist."""
        if name not in self.profiles:
            raise UsageError(f"There is no profile `{name}`; known are {', '.join(self.profiles) or 'none'}.")
        return self.profiles[name]

    def list_suite_names(self, profile: Profile | None, catalog: Catalog) -> tuple[str, ...]:
        """Return the suites that run under a profile, or without one, by name."""
        chosen = profile.suites if profile is not None and profile.suites is not None else self.defaults.suites
        return tuple(catalog.suites) if chosen == "all" else chosen

    def find_suite(self, name: str, catalog: Catalog) -> SuiteFile:
        """Return a suite with this matrix's changes; raises UsageError with the names that exist."""
        changes = self.suites.get(name, SuiteSettings()).model_dump(exclude_none=True)
        return catalog.get_suite(name).model_copy(update=changes)

    def list_component_sources(self, component: str, catalog: Catalog) -> tuple[Source, ...]:
        """Return where a runtime or `systemd` comes from; the first source that fits a version is taken."""
        runtime = catalog.runtimes.get(component)
        rules = catalog.systemd.build if component == catalog.systemd.name else runtime.build if runtime else None
        return (*self.sources.get(component, ()), *(rules.sources if rules is not None else ()))

    def list_toolchain_sources(self, name: str, catalog: Catalog) -> tuple[ToolchainSource, ...]:
        """Return where a toolchain comes from, in the order in which the first that fits a version is taken."""
        known = catalog.toolchains[name].sources if name in catalog.toolchains else ()
        return (*self.toolchains.get(name, ()), *known)

    def list_expired(self, today: date) -> tuple[Expectation, ...]:
        """Return the expectations whose last day is over: to be fixed, or to be renewed with a reason."""
        return tuple(item for item in self.expectations if item.is_expired(today))

    def find_expectations(self, cell: Cell) -> tuple[Expectation, ...]:
        """Return the known failures of a cell, in the order of the file."""
        return tuple(item for item in self.expectations if item.cells.holds(cell))
