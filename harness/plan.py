"""From a cell to everything that its engines need: a plan is pure, printable and hashed.

The engines (build, image, machine, suite) get their own specs out of it and never see the cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import build, image, source, toolchain
from harness.build import Builder, BuildSpec
from harness.catalog import Build, Catalog, Source, SuiteFile, ToolchainFile
from harness.errors import UsageError
from harness.image import ImageSpec
from harness.matrix import Matrix
from harness.model import Cell, Phase, State
from harness.store import Store, key_of
from harness.wait import Deadline

__all__ = ["BuildRequest", "Plan", "Step", "explain", "plan", "plans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """A build as a user asks for it; which exact code and toolchain that is today is found out by `resolve`.

    Attributes:
        name: The component: "runc".
        version: Its version: "1.1.5".
        rules: How it is built.
        source: Where its code comes from.
        go: Go version: "1.27" is the newest 1.27.x.
        toolchain: Where Go comes from.
        builder: Where it is built.
    """

    name: str
    version: str
    rules: Build
    source: Source
    go: str
    toolchain: ToolchainFile
    builder: Builder

    def resolve(self, store: Store, deadline: Deadline) -> BuildSpec:
        """The build with an exact revision and an exact toolchain.

        Raises:
            UsageError: There is no such version.
            InfrastructureError: The source or the index cannot be reached.
        """
        return BuildSpec(
            name=self.name,
            version=self.version,
            rules=self.rules,
            source=self.source,
            revision=source.resolve(self.source, self.version, store, deadline),
            toolchain=toolchain.resolve("go", self.toolchain, self.go, store, deadline),
            builder=self.builder,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work for one cell.

    Attributes:
        cell: The cell.
        build: What builds the runtime, or None where it comes with the image.
        image: The disk that is booted.
        arguments: Kernel command line that asks for the cell's cgroup mode.
        memory: Memory of the guest in MiB.
        cpus: Processors of the guest.
        command: The runtime's executable in the guest, which is asked for its version.
        suites: Suites that run, by name, with what they declare.
        root: Directory with the suites.
    """

    cell: Cell
    build: BuildRequest | None
    image: ImageSpec
    arguments: tuple[str, ...]
    memory: int
    cpus: int
    command: str
    suites: Mapping[str, SuiteFile]
    root: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One phase of a plan as `harness plan` shows it.

    Attributes:
        phase: Which.
        state: `cached` where the store has its result, else `waiting`.
        text: What is done, for people.
        key: Hash of its inputs, or None where there is nothing to keep.
    """

    phase: Phase
    state: State
    text: str
    key: str | None = None


def plan(cell: Cell, matrix: Matrix, catalog: Catalog, suites: tuple[str, ...]) -> Plan:
    """The plan of one cell; see `plans`."""
    return plans((cell,), matrix, catalog, suites)[0]


def plans(cells: Sequence[Cell], matrix: Matrix, catalog: Catalog, suites: tuple[str, ...]) -> list[Plan]:
    """The plans of cells, in their order; what cells share is one value in all their plans.

    Raises:
        UsageError: A cell asks for something that the catalog or the matrix does not have.
    """
    files = {name: matrix.suite(name, catalog) for name in suites}
    arguments: dict[tuple[str, str], tuple[str, ...]] = {}
    builds: dict[tuple[str, str | None, str | None, str | None], BuildRequest | None] = {}
    images: dict[tuple[str, str], ImageSpec] = {}
    root = catalog.root
    tree = root / "suites"
    result: list[Plan] = []
    for cell in cells:
        mode = (cell.systemd, cell.cgroup.value)
        if mode not in arguments:
            arguments[mode] = _arguments(cell, catalog)
        made = (cell.runtime, cell.runtime_version, cell.flavor, cell.go)
        if made not in builds:
            builds[made] = _build(cell, matrix, catalog)
        disk = (cell.distro, cell.channel)
        if disk not in images:
            images[disk] = ImageSpec(distro=cell.distro, channel=cell.channel, files=root / "images" / cell.distro)
        result.append(
            Plan(
                cell=cell,
                build=builds[made],
                image=images[disk],
                arguments=arguments[mode],
                memory=matrix.defaults.memory,
                cpus=matrix.defaults.cpus,
                command=catalog.runtimes[cell.runtime].command,
                suites=files,
                root=tree,
            )
        )
    return result


def _arguments(cell: Cell, catalog: Catalog) -> tuple[str, ...]:
    rule = catalog.systemd.cgroup_rule(cell.systemd, cell.cgroup)
    if rule.arguments is None:
        raise UsageError(f"The cell {cell.id} cannot be: {rule.reason}")
    if cell.systemd_built:
        raise UsageError(f"The cell {cell.id} wants systemd built from {cell.systemd}, which is not supported yet.")
    return rule.arguments


def _build(cell: Cell, matrix: Matrix, catalog: Catalog) -> BuildRequest | None:
    runtime = catalog.runtime(cell.runtime)
    if runtime.build is None:
        return None
    if cell.runtime_version is None or cell.go is None:
        raise UsageError(f"The cell {cell.id} needs a version of {cell.runtime} and of Go to build it.")
    go = catalog.toolchains["go"]
    return BuildRequest(
        name=runtime.name,
        version=cell.runtime_version,
        rules=runtime.build,
        source=source.choose(matrix.component_sources(cell.runtime, catalog), cell.runtime_version),
        go=cell.go,
        toolchain=ToolchainFile(
            name=go.name, description=go.description, sources=matrix.toolchain_sources("go", catalog)
        ),
        builder=Builder(matrix.defaults.builder),
    )


def explain(plan: Plan, store: Store, deadline: Deadline) -> tuple[Step, ...]:
    """The steps of a plan, with what the store has of them."""
    steps: list[Step] = []
    if plan.build is not None:
        spec = plan.build.resolve(store, deadline)
        steps.append(
            Step(
                phase=Phase.BUILD,
                state=State.CACHED if build.find(spec, store) else State.WAITING,
                text=f"{spec.title}, builder {spec.builder}; {spec.revision.text}",
                key=key_of(build.KIND, build.inputs(spec)),
            )
        )
    wanted = image.inputs(plan.image)
    steps += [
        Step(
            phase=Phase.IMAGE,
            state=State.CACHED if store.find(image.KIND, wanted) else State.WAITING,
            text=f"{plan.image.distro}/{plan.image.channel}",
            key=key_of(image.KIND, wanted),
        ),
        Step(
            phase=Phase.BOOT,
            state=State.WAITING,
            text=f"{plan.cpus} cpus, {plan.memory} MiB, {' '.join(plan.arguments)}",
        ),
        Step(phase=Phase.SUITES, state=State.WAITING, text=", ".join(plan.suites)),
    ]
    return tuple(steps)
