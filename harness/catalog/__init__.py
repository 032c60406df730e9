"""Knowledge as data: one small file for each distro, runtime, toolchain and suite, and one for systemd.

Adding one is adding a file. The models here are what those files may say; engines (source, toolchain,
build, image) take the part that is theirs and never see the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field

from harness import yamlfile
from harness.catalog.building import (
    Build,
    BuildOptions,
    BuildSetting,
    Download,
    Environment,
    Fixup,
    Flavor,
    Output,
    RequiredOption,
    TreeNote,
)
from harness.catalog.named_values import KernelArgument, PackageName, PathPattern, PlainWord, SuitePackage
from harness.catalog.sources import Range, Source, ToolchainSource
from harness.errors import ConfigError, UsageError
from harness.model import DISTRO_OWN, CgroupMode, VersionRange
from harness.yamlfile import FileModel

__all__ = [
    "Build", "BuildOptions", "BuildSetting", "Catalog", "CgroupRule", "DistroChannel", "DistroFile", "Download",
    "Environment", "Fixup", "Flavor", "Output", "RequiredOption", "RuntimeFile", "Source", "SuiteFile",
    "SuitePlace", "ToolchainSource", "TreeNote", "load",
]  # fmt: skip

PACKAGE = Path(__file__).parent.parent
"""Files that ship with the harness: runtimes, toolchains and systemd's rules."""

K = TypeVar("K", bound="KnowledgeFile")


class KnowledgeFile(FileModel):
    """Base of the files in a folder of knowledge: a name, which is also the file's or folder's, and what it is."""

    name: str
    description: str


class ToolchainFile(KnowledgeFile):
    """harness/toolchains/NAME.yaml: the versions of a toolchain; the first source that fits is taken."""

    sources: tuple[ToolchainSource, ...]


class RuntimeFile(KnowledgeFile):
    """harness/runtimes/NAME.yaml: a container runtime under test.

    Attributes:
        command: Its executable in the guest.
        version: Arguments with which it says what it is.
        flavors: Variants that it is built or run in; the first is the default.
        plain: Whether it is also there without a flavor, which is then the default.
        build: How it is built, or None where it never is: it is in `packages`, or a part of systemd (nspawn).
        packages: Debian packages that have it, the command's first. They are brought into guests of Debian as suites'
            are: where it has no `build`, and as the version `distro`.
    """

    command: str
    version: tuple[str, ...] = ("--version",)
    flavors: tuple[str, ...] = ()
    plain: bool = False
    build: Build | None = None
    packages: tuple[PackageName, ...] = ()

    def is_built(self, version: str | None) -> bool:
        """Return whether a version of it, as cells have it, is built."""
        return self.build is not None and version != DISTRO_OWN

    def list_packages(self, version: str | None) -> tuple[str, ...]:
        """Return the packages that a version of it comes from; none where it is built, or a part of the image."""
        return () if self.is_built(version) else self.packages


class DistroChannel(FileModel):
    """The part of a distro's channel that the matrix needs.

    Attributes:
        systemd: Major version of the systemd that its images carry.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    systemd: str


class NumberedRelease(FileModel):
    """The part of a release's entry in images/NAME/releases.yaml that the matrix needs.

    Attributes:
        channel: Its release stream.
        version: Its number.
        systemd: Major version of the systemd in it, or None where nobody knows.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    channel: str
    version: str
    systemd: str | None = None


class ReleasesFile(FileModel):
    """images/NAME/releases.yaml: releases that have numbers of their own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    releases: tuple[NumberedRelease, ...]


class DistroFile(KnowledgeFile):
    """images/NAME/image.yaml, the part that the matrix needs; the image's maker reads the rest.

    Attributes:
        channels: Release streams by name.
        numbered: Its releases by number, where images/NAME/releases.yaml lists some.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    channels: Mapping[str, DistroChannel]
    numbered: Mapping[str, NumberedRelease] = {}

    def find_systemd(self, channel: str, release: str | None) -> str:
        """Return the major version of a release's systemd, or of what its channel has now."""
        known = self.numbered.get(release or "")
        return (known.systemd if known is not None else None) or self.channels[channel].systemd


class SuitePlace(StrEnum):
    """Where the cases of a suite run."""

    GUEST = "guest"
    BUILD = "build"


class SuiteFile(KnowledgeFile):
    """suites/NAME/suite.yaml: a directory of tests.

    Attributes:
        place: Where its cases run: in the guest, or where the runtime is built, with the cell's Go and no guest.
        timeout: Seconds that one case may take under KVM.
        reruns: How often a failed case is executed again before it counts.
        fresh_boot: Whether its guest must be booted, and not be restored from a saved memory.
        network: Whether its guests reach other computers, and what listens on the loopback of this one.
        workers: How many processes at most run those of its cases that are independent of each other.
        packages: Debian packages that its cases use and images do not have; guests of Debian get them, with what
            they depend on, before any case runs. Their scripts are not run.
        without: Paths of those packages (dpkg's path-exclude patterns) that no case uses.
        runtime: Whether its cases need the runtime in the guest; where no suite of a run does, it is not even built.
        program: Files in Go, in the suite's folder `program`, that are one program in no module; the Go that builds the
            cell's runtime builds it, and guests get it as /usr/local/lib/harness/SUITE.
        disks: Images of Debian, as DISTRO/CHANNEL, whose disks its guests have besides their own, read-only.
        expect: Names of rules of harness/console.yaml that its cases provoke, so that they are no warnings.
        key: Node id of the case without which no other can pass: where it fails, the gate names that one and not all.
    """

    place: SuitePlace = SuitePlace.GUEST
    timeout: int = 120
    reruns: int = 0
    fresh_boot: bool = False
    network: bool = False
    workers: Annotated[int, Field(ge=1)] = 1
    packages: tuple[SuitePackage, ...] = ()
    without: tuple[PathPattern, ...] = ()
    runtime: bool = True
    program: tuple[PlainWord, ...] = ()
    disks: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()
    key: str | None = None


class CgroupRule(FileModel):
    """What some versions of systemd do when asked for a cgroup mode.

    Attributes:
        systemd: Which versions.
        modes: Which modes.
        arguments: Kernel command line that makes it boot in the mode; None where it is impossible.
        reason: Why it is impossible, a whole sentence; or the source of the fact.
    """

    systemd: Range
    modes: tuple[CgroupMode, ...]
    arguments: tuple[KernelArgument, ...] | None = None
    reason: str


class SystemdFile(KnowledgeFile):
    """harness/systemd.yaml: what the harness knows about versions of systemd.

    Attributes:
        cgroup: How which mode is asked for; the first rule that fits counts.
        build: How it is built from source.
    """

    cgroup: tuple[CgroupRule, ...]
    build: Build

    def find_cgroup_rule(self, version: str, mode: CgroupMode) -> CgroupRule:
        """Return the rule for a version ("252", "v241-rc1") and a mode."""
        for rule in self.cgroup:
            if mode in rule.modes and VersionRange(rule.systemd).contains(version):
                return rule
        raise ConfigError(f"{PACKAGE.name}/systemd.yaml: no rule says how systemd {version} boots in {mode} mode.")


@dataclass(frozen=True)
class Catalog:
    """All knowledge files of a project.

    Attributes:
        root: The project's directory, with `images/` and `suites/`.
        knowledge: Directory with `runtimes/`, `toolchains/` and `systemd.yaml`; what ships with the harness.
    """

    root: Path
    knowledge: Path = PACKAGE

    @cached_property
    def distros(self) -> dict[str, DistroFile]:
        """Guest operating systems by name."""
        found = _load_folder(sorted(self.root.glob("images/*/image.yaml")), DistroFile)
        for name, distro in found.items():
            path = self.root / "images" / name / "releases.yaml"
            if path.exists():
                listed = yamlfile.load(path, ReleasesFile).releases
                found[name] = distro.model_copy(update={"numbered": {item.version: item for item in listed}})
        return found

    @cached_property
    def suites(self) -> dict[str, SuiteFile]:
        """Suites by name."""
        return _load_folder(sorted(self.root.glob("suites/*/suite.yaml")), SuiteFile)

    @cached_property
    def runtimes(self) -> dict[str, RuntimeFile]:
        """Runtimes by name."""
        return _load_folder(sorted(self.knowledge.glob("runtimes/*.yaml")), RuntimeFile)

    @cached_property
    def toolchains(self) -> dict[str, ToolchainFile]:
        """Toolchains by name."""
        return _load_folder(sorted(self.knowledge.glob("toolchains/*.yaml")), ToolchainFile)

    @cached_property
    def systemd(self) -> SystemdFile:
        """What is known about versions of systemd."""
        return yamlfile.load(self.knowledge / "systemd.yaml", SystemdFile)

    def get_runtime(self, name: str) -> RuntimeFile:
        """Return a runtime by name; raises UsageError with the names that exist."""
        return _get_named("runtime", name, self.runtimes)

    def get_suite(self, name: str) -> SuiteFile:
        """Return a suite by name; raises UsageError with the names that exist."""
        return _get_named("suite", name, self.suites)


def load(root: Path) -> Catalog:
    """Return the catalog of the project at `root`; its files are read when they are first needed."""
    return Catalog(root=root)


def _get_named(what: str, name: str, known: Mapping[str, K]) -> K:
    if name not in known:
        raise UsageError(f"There is no {what} `{name}`; known are {', '.join(sorted(known)) or 'none'}.")
    return known[name]


def _load_folder(paths: list[Path], model: type[K]) -> dict[str, K]:
    found: dict[str, K] = {}
    for path in paths:
        item = yamlfile.load(path, model)
        expected = path.parent.name if path.stem in {"image", "suite"} else path.stem
        if item.name != expected:
            raise ConfigError(f"{path}:1:1: the name is `{item.name}`, but the place says `{expected}`.")
        found[item.name] = item
    return found
