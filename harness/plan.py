"""From a cell to everything that its engines need: a plan is pure, printable and hashed.

The engines (build, image, machine, suite) get their own specs out of it and never see the cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import distros, source
from harness.build import Builder
from harness.catalog import Build, Catalog, Environment, Source, SuiteFile, SuitePlace, ToolchainFile
from harness.console import check_names
from harness.errors import UsageError
from harness.garbage import pause_garbage_collection
from harness.image import ImageSpec
from harness.matrix import Matrix
from harness.model import BARE_NUMBER, Cell, CgroupMode, find_systemd_version, parse_major_version

__all__ = ["BuildRequest", "Plan", "make_plan", "make_plans", "replace_image_options", "replace_systemd"]


PROGRAM = "1"
"""Version of all programs of suites; their code says what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """A build as a user asks for it; which exact code and toolchain that is today is found out by `harness.resolve`.

    Attributes:
        name: The component: "runc".
        go: Go version: "1.27" is the newest 1.27.x; None for what is not written in Go.
        toolchain: Where Go comes from, or None likewise.
        flavor: In which flavor, or None where it has none.
        systemd: Version and source of the systemd that a part of it is made from, or None.
        settings: What the user gives to it, by name.
    """

    name: str
    version: str
    rules: Build = field(hash=False)
    source: Source = field(hash=False)
    go: str | None = None
    toolchain: ToolchainFile | None = field(default=None, hash=False)
    builder: Builder
    flavor: str | None = None
    systemd: tuple[str, Source] | None = field(default=None, hash=False)
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def title(self) -> str:
        """What is built with what, for people, before that is resolved: "runc 1.1.5 with Go 1.27"."""
        flavor = f"/{self.flavor}" if self.flavor else ""
        stage1 = f" of systemd {self.systemd[0]}" if self.systemd else ""
        return f"{self.name} {self.version}{flavor}{stage1}" + (f" with Go {self.go}" if self.go else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The work for one cell.

    Attributes:
        build: What builds the runtime, or None where it is not built.
        packages: Debian packages that have the runtime where it is not built; none where it is a part of the image.
        systemd: What builds the systemd that is laid over the image, or None where the image's own is tested.
        disks: Other images, whose disks the guest has, too, as its suites want them.
        upgrade: What builds the systemd that the running guest is upgraded to, where that is a revision.
        arguments: Kernel command line that asks for the cell's cgroup mode.
        memory: Memory of the guest in MiB.
        cpus: Processors of the guest.
        command: The runtime's command line in the guest that says what it is.
        suites: Suites that run, by name, with what they declare.
        root: Directory with the suites.
        builder: Where what is built is built.
    """

    cell: Cell
    build: BuildRequest | None
    packages: tuple[str, ...] = ()
    systemd: BuildRequest | None
    upgrade: BuildRequest | None = None
    image: ImageSpec
    disks: tuple[ImageSpec, ...] = ()
    arguments: tuple[str, ...]
    memory: int
    cpus: int
    command: tuple[str, ...]
    suites: Mapping[str, SuiteFile] = field(hash=False)
    root: Path
    builder: Builder

    @property
    def programs(self) -> tuple[BuildRequest, ...]:
        """What builds the programs of its suites, as its runtime is built; none where no Go builds that."""
        built = self.build
        if built is None or built.go is None:
            return ()
        place = built.rules.choose_environment(built.version).model_copy(update={"versions": "*"})
        return tuple(
            _make_program_request(built, name, file.program, self.root / name / "program", place)
            for name, file in self.suites.items()
            if file.program
        )

    def needs_guest(self, cases: Sequence[str] = ()) -> bool:
        """Return whether a guest is needed for its suites, or for those of them that have one of the cases."""
        return not self.select_suites(SuitePlace.BUILD, cases) or bool(self.select_suites(SuitePlace.GUEST, cases))

    def needs_runtime(self, cases: Sequence[str] = ()) -> bool:
        """Return whether its guest needs the runtime, for its suites, or for those of them that have one of the cases."""
        suites = self.select_suites(SuitePlace.GUEST, cases).values()
        return not suites or any(file.runtime for file in suites)

    def select_suites(self, place: SuitePlace, cases: Sequence[str] = ()) -> dict[str, SuiteFile]:
        """Return the suites whose cases run in a place; where cases are named, those that have one."""
        named = {case.partition("/")[0] for case in cases}
        return {
            name: file for name, file in self.suites.items() if file.place is place and (not named or name in named)
        }


def _make_program_request(
    built: BuildRequest, suite: str, files: tuple[str, ...], directory: Path, place: Environment
) -> BuildRequest:
    """Return the build of a suite's program by the Go, and in the environment, that a runtime is built by and in."""
    source = Source(directory=directory)
    output = f"usr/local/lib/harness/{suite}"
    rules = Build(recipe="go", environments=(place,), targets=files, output=output, sources=(source,))
    return BuildRequest(
        name=suite,
        version=PROGRAM,
        rules=rules,
        source=source,
        go=built.go,
        toolchain=built.toolchain,
        builder=built.builder,
    )


def make_plan(cell: Cell, matrix: Matrix, catalog: Catalog, suites: tuple[str, ...]) -> Plan:
    """Return the plan of one cell; see `make_plans`."""
    return make_plans((cell,), matrix, catalog, suites)[0]


def make_plans(cells: Sequence[Cell], matrix: Matrix, catalog: Catalog, suites: tuple[str, ...]) -> list[Plan]:
    """Return plans that share what is the same; raises UsageError if catalog or matrix lacks something."""
    files = {name: matrix.find_suite(name, catalog) for name in suites}
    for file in files.values():
        check_names(file.expect)
    arguments: dict[tuple[str, CgroupMode], tuple[str, ...]] = {}
    builds: dict[tuple[str | None, ...], BuildRequest | None] = {}
    kinds: dict[tuple[str | None, ...], BuildRequest] = {}
    systemds: dict[str, BuildRequest | None] = {}
    images: dict[tuple[str, str, str | None], ImageSpec] = {}
    builder = Builder(matrix.defaults.builder)
    root = catalog.root
    others = _list_disks(files, catalog)
    tree = root / "suites"
    defaults = matrix.defaults
    result: list[Plan] = []
    with pause_garbage_collection():
        for cell in cells:
            mode, runtime = (cell.systemd, cell.cgroup), catalog.get_runtime(cell.runtime)
            if mode not in arguments:
                arguments[mode] = _find_arguments(cell, catalog)
            made = (*_find_kind(cell, catalog), cell.go)
            if made not in builds:
                builds[made] = _make_build_request(cell, matrix, catalog, kinds)
            own = cell.systemd if cell.systemd_built else ""
            new = cell.upgrade if cell.upgrade is not None and not BARE_NUMBER.match(cell.upgrade) else ""
            for revision in {own, new} - set(systemds):
                systemds[revision] = _make_systemd_request(cell, revision, matrix, catalog)
            disk = (cell.distro, cell.channel, cell.release)
            if disk not in images:
                files_of = root / "images" / cell.distro
                images[disk] = ImageSpec(distro=cell.distro, channel=cell.channel, release=cell.release, files=files_of)
            result.append(
                Plan(
                    cell=cell,
                    build=builds[made],
                    packages=runtime.list_packages(cell.runtime_version),
                    systemd=systemds[own],
                    upgrade=systemds[new],
                    image=images[disk],
                    disks=tuple(other for other in others if other != images[disk]),
                    arguments=arguments[mode],
                    memory=defaults.memory,
                    cpus=defaults.cpus,
                    command=(runtime.command, *runtime.version),
                    suites=files,
                    root=tree,
                    builder=builder,
                )
            )
    return result


def _list_disks(suites: Mapping[str, SuiteFile], catalog: Catalog) -> list[ImageSpec]:
    """Return the images whose disks suites want, each once; raises UsageError for one that is not there."""
    result = []
    for spelled in sorted({name for file in suites.values() for name in file.disks}):
        distro, _, channel = spelled.partition("/")
        if distro not in catalog.distros or channel not in catalog.distros[distro].channels:
            raise UsageError(f"`disks` of a suite names the image {spelled}, which is not in images/.")
        files = catalog.root / "images" / distro
        result.append(ImageSpec(distro=distro, channel=channel, release=None, files=files))
    return result


def _find_arguments(cell: Cell, catalog: Catalog) -> tuple[str, ...]:
    rule = catalog.systemd.find_cgroup_rule(cell.systemd, cell.cgroup)
    if rule.arguments is None:
        raise UsageError(f"The cell {cell.id} cannot be: {rule.reason}")
    return rule.arguments


def replace_image_options(plan: Plan, options: Mapping[str, str]) -> Plan:
    """Return the same plan with options of distros, of which its image takes those that its distro has."""
    names = {option.name for option in distros.find(plan.image.distro).options}
    taken = tuple(sorted((name, value) for name, value in options.items() if name in names))
    return replace(plan, image=replace(plan.image, options=taken))


def replace_systemd(plan: Plan, catalog: Catalog, *, source: Source, version: str, commit: str) -> Plan:
    """Return the same plan with another systemd: a commit of a git repository.

    `version` is that of systemd at the commit ("252"), and `commit` its full name.

    Raises:
        UsageError: This version cannot be in the plan's cgroup mode, or nothing is known about building it.
    """
    cell = replace(plan.cell, systemd=f"{version}-g{commit[:12]}", systemd_built=True)
    request = BuildRequest(
        name=catalog.systemd.name,
        version=version,
        rules=catalog.systemd.build,
        source=source.model_copy(update={"ref": commit}),
        builder=plan.builder,
    )
    runtime = plan.build
    if runtime is not None and runtime.systemd is not None:
        runtime = replace(runtime, systemd=(version, request.source))
    return replace(plan, cell=cell, build=runtime, systemd=request, arguments=_find_arguments(cell, catalog))


def _make_systemd_request(cell: Cell, revision: str, matrix: Matrix, catalog: Catalog) -> BuildRequest | None:
    if not revision:
        return None
    if find_systemd_version(revision) is None:
        raise UsageError(
            f"The cell {cell.id} wants systemd built from `{revision}`, whose version only its repository knows.",
            hint="Name a tag, such as v257, or `VERSION-gCOMMIT`; the version decides how it is built and booted.",
        )
    return BuildRequest(
        name=catalog.systemd.name,
        version=revision,
        rules=catalog.systemd.build,
        source=source.choose(matrix.list_component_sources(catalog.systemd.name, catalog), revision),
        builder=Builder(matrix.defaults.builder),
    )


def _find_kind(cell: Cell, catalog: Catalog) -> tuple[str | None, ...]:
    """Return what the build of a cell's runtime depends on, besides Go: the systemd only where it is made from that."""
    return (cell.runtime, cell.runtime_version, cell.flavor, cell.systemd if _needs_systemd(cell, catalog) else None)


def _needs_systemd(cell: Cell, catalog: Catalog) -> bool:
    rules = catalog.get_runtime(cell.runtime).build
    flavor = rules.flavors.get(cell.flavor or "") if rules is not None else None
    return flavor is not None and flavor.systemd


def _choose_handed(cell: Cell, matrix: Matrix, catalog: Catalog) -> tuple[str, Source]:
    """Return version and source of the systemd that a cell's runtime is made from: the cell's, or the image's tag."""
    version = cell.systemd if cell.systemd_built else f"v{parse_major_version(cell.systemd)}"
    return version, source.choose(matrix.list_component_sources(catalog.systemd.name, catalog), version)


def _make_build_request(
    cell: Cell, matrix: Matrix, catalog: Catalog, kinds: dict[tuple[str | None, ...], BuildRequest]
) -> BuildRequest | None:
    """Return the build of a cell's runtime; `kinds` remembers it, as many versions of Go may build it."""
    runtime = catalog.get_runtime(cell.runtime)
    if runtime.build is None or not runtime.is_built(cell.runtime_version):
        return None
    if cell.runtime_version is None or cell.go is None:
        raise UsageError(f"The cell {cell.id} needs a version of {cell.runtime} and of Go to build it.")
    kind = _find_kind(cell, catalog)
    if kind not in kinds:
        go = catalog.toolchains["go"]
        kinds[kind] = BuildRequest(
            name=runtime.name,
            version=cell.runtime_version,
            rules=runtime.build,
            source=source.choose(matrix.list_component_sources(cell.runtime, catalog), cell.runtime_version),
            toolchain=ToolchainFile(
                name=go.name, description=go.description, sources=matrix.list_toolchain_sources("go", catalog)
            ),
            builder=Builder(matrix.defaults.builder),
            flavor=cell.flavor if cell.flavor in runtime.build.flavors else None,
            systemd=_choose_handed(cell, matrix, catalog) if _needs_systemd(cell, catalog) else None,
            settings=matrix.settings.get(runtime.name, {}),
        )
    return replace(kinds[kind], go=cell.go)
