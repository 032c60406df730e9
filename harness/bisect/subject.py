"""What changes from revision to revision: systemd, the runtime with systemd held fixed, or the Go that builds it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from harness.bisect import releases
from harness.bisect.repository import Repository
from harness.catalog import Catalog, Source
from harness.errors import UsageError
from harness.plan import BuildRequest, Plan, replace_systemd
from harness.wait import Deadline

__all__ = ["CellSubject", "GoSubject", "RuntimeSubject", "Subject", "SystemdSubject"]

SHORT = 12
"""Digits of a commit that stand for it in a cell's identifier."""


class Subject(Protocol):
    """What a bisection needs to know about what it bisects."""

    @property
    def name(self) -> str:
        """Its name: "systemd", "runc"."""

    @property
    def base(self) -> Plan:
        """The plan in which it is replaced."""

    @property
    def fixed(self) -> BuildRequest | None:
        """What else is built for the guest, the same for all revisions."""

    def plan(self, commit: str, deadline: Deadline) -> Plan:
        """Make the plan with this commit in its place; raises UsageError or InfrastructureError where that cannot be."""

    def request(self, plan: Plan) -> BuildRequest | None:
        """Return the build in a plan that this made, or None where nothing is built ahead of the rest."""

    @property
    def shares_image(self) -> bool:
        """Whether all revisions have the same image, so that none is to blame where it cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSubject:
    """The whole cell: a revision is the identifier of one.

    Attributes:
        make: Makes the plan of a cell; raises UsageError for one that cannot be.
    """

    name: ClassVar = "cell"
    fixed: ClassVar = None
    shares_image: ClassVar = False

    base: Plan
    make: Callable[[str], Plan]

    def plan(self, commit: str, deadline: Deadline) -> Plan:  # noqa: ARG002 - as all subjects
        """As `Subject` says."""
        return self.make(commit)

    def request(self, plan: Plan) -> BuildRequest | None:  # noqa: ARG002 - as all subjects
        """As `Subject` says."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdSubject:
    """The systemd of the guest, PID 1 and nspawn and all; the runtime is what the plan says."""

    name: ClassVar = "systemd"
    shares_image: ClassVar = True

    repository: Repository
    base: Plan
    catalog: Catalog

    @property
    def fixed(self) -> BuildRequest | None:
        """The runtime, where it is built."""
        return self.base.build

    def plan(self, commit: str, deadline: Deadline) -> Plan:
        """As `Subject` says."""
        version = self.repository.find_version(commit, deadline)
        source = Source(git=self.repository.address, ref="{version}")
        return replace_systemd(self.base, self.catalog, source=source, version=version, commit=commit)

    def request(self, plan: Plan) -> BuildRequest:
        """As `Subject` says."""
        assert plan.systemd is not None
        return plan.systemd


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSubject:
    """The container runtime of the cell; raises UsageError if that is not built, but comes with the image."""

    shares_image: ClassVar = True

    repository: Repository
    base: Plan

    def __post_init__(self) -> None:
        if self.base.build is None:
            raise UsageError(
                f"The runtime {self.base.cell.runtime} is not built; it comes with the distro.",
                hint="Name a cell whose runtime is built with --cell; nspawn is bisected with bisect-systemd.",
            )

    @property
    def name(self) -> str:
        """Its name."""
        return self.base.cell.runtime

    @property
    def fixed(self) -> BuildRequest | None:
        """The systemd, where it is built."""
        return self.base.systemd

    def plan(self, commit: str, deadline: Deadline) -> Plan:  # noqa: ARG002 - as all subjects
        """As `Subject` says."""
        assert self.base.build is not None
        source = Source(git=self.repository.address, ref="{version}")
        return replace(
            self.base,
            cell=replace(self.base.cell, runtime_version=commit[:SHORT]),
            build=replace(self.base.build, source=source, version=commit),
        )

    def request(self, plan: Plan) -> BuildRequest:
        """As `Subject` says."""
        assert plan.build is not None
        return plan.build


@dataclass(frozen=True, slots=True, kw_only=True)
class GoSubject(RuntimeSubject):
    """The Go that builds the cell's runtime, whose releases are the commits; raises UsageError if none does."""

    def __post_init__(self) -> None:
        if self.base.build is None or self.base.build.go is None:
            raise UsageError(
                f"The runtime {self.base.cell.runtime} is not built with Go here.",
                hint="Name a cell with a Go version with --cell; `harness matrix list` shows them.",
            )

    def plan(self, commit: str, deadline: Deadline) -> Plan:
        """As `Subject` says."""
        version = self.repository.read_content(commit, releases.FILE, deadline).strip()
        cell, build = replace(self.base.cell, go=version), replace(self.request(self.base), go=version)
        return replace(self.base, cell=cell, build=build)
