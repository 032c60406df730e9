"""The protocol through which suites speak to a container runtime.

An engine is a thin wrapper over the command line of one runtime (one file in this directory for each);
`ContainerRuntime` gives all of them the same manners: names, root file systems, and leaving nothing behind.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Protocol, Unpack, runtime_checkable

import pytest

from suites.lib.cgroups import Hierarchies, parse_places
from suites.lib.cnimade import Wanted
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.rights import App, Mount, Rights, RightsOptions
from suites.lib.rootfs import READY, TARGET, Rootfs

__all__ = [
    "MIB",
    "PATH",
    "App",
    "AppPlaces",
    "Container",
    "ContainerOptions",
    "ContainerRuntime",
    "Engine",
    "Mount",
    "Spec",
]

MIB = 1024 * 1024

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LEGACY = ("systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1")
"""Arguments of an inner systemd in a legacy guest.

Where the runtime lets it, it would mount a v2 tree for itself, in which it is outside of its container's cgroup.
"""

BOOT_SECONDS = 60
"""A container's own systemd reaches its target in 3 s under TCG; a loaded computer takes its time."""


class ContainerOptions(RightsOptions, total=False):
    """What a case may ask for; see `Spec` for the meanings. Without a `rootfs` it is a small one."""

    memory: int
    pids: int
    cpu: float
    user: int | str
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    read_only: bool
    hostname: str
    machine_id: str
    private_users: int | None
    first: bool
    stop_signal: str
    stop_seconds: int
    apps: Sequence[App]
    system: bool
    rootfs: str
    network: str | None
    networks: Wanted | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Rights):
    """A container to be made; with what its first process may do.

    Attributes:
        name: Its name, unique in the guest.
        argv: Its first process.
        rootfs: Its root file system.
        boots: Whether the first process is a systemd, which manages its own part of the cgroup tree.
        memory: Limit in bytes.
        pids: Limit of processes and threads.
        cpu: Limit in CPUs: 0.5 is half of one.
        user: User of the first process: its id, which is also the group's, or its name in the image.
        environment: Variables of the first process.
        mounts: Directories and files of the guest that it sees.
        read_only: Whether its root file system cannot be written.
        hostname: Its host name; its name without it.
        machine_id: 32 hexadecimal digits by which the service manager knows it; the runtime takes some without it.
        private_users: First id of the guest's 65536 that are users and groups 0 to 65535 in it; None for the same.
        first: Whether its first process has to be process 1, which gets the sockets and the signals; a runtime may
            put an init of its own before it otherwise.
        stop_signal: Name of the signal, as "TERM", that asks its first process to end; it is killed without it.
        stop_seconds: How long it has to end when it is asked, before it is killed.
        apps: The apps that its systemd runs, each a service of its own; for a container that boots.
        system: Whether its root file system is the guest's own system with a writable layer.
        network: Path of the network namespace that it joins, "host" for the guest's own; None for a new one
            that has nothing but its loopback interface.
        networks: What it wants of a runtime that makes networks itself (`Networking`); other ones do not look at it.
    """

    name: str
    argv: tuple[str, ...]
    rootfs: str
    boots: bool = False
    memory: int | None = None
    pids: int | None = None
    cpu: float | None = None
    user: int | str = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    read_only: bool = True
    hostname: str = ""
    machine_id: str = ""
    private_users: int | None = None
    first: bool = False
    stop_signal: str = ""
    stop_seconds: int = 20
    apps: Sequence[App] = ()
    system: bool = False
    network: str | None = None
    networks: Wanted | None = None


class Engine(Protocol):
    """The command line of one container runtime."""

    @property
    def name(self) -> str:
        """The runtime's name."""

    @property
    def traces(self) -> tuple[str, ...]:
        """Directories of the guest in which the runtime has an entry for each of its containers."""

    @property
    def service(self) -> str:
        """What machined says runs the runtime's containers; empty where it registers none."""

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """What the runtime cannot do in this guest, each with the reason; what it never can is its adapter's LACKS."""

    def scope(self, name: str) -> str:
        """The scope unit that has a container's processes."""

    def command(self, spec: Spec) -> tuple[str, ...]:
        """Prepare a container, and return the command line by which a service runs it in the foreground."""

    def start(self, spec: Spec) -> int:
        """Start a container, and return the first process's id as the guest sees it."""

    def run(self, spec: Spec) -> Result:
        """Run a container to its end, wait until the runtime has forgotten it, and return what it said."""

    def execute(self, container: "Container", argv: Sequence[str], user: int) -> Result:
        """Run a command in a running container."""

    def stop(self, spec: Spec) -> bool:
        """End a container and wait until the runtime has forgotten it; whether it went in an orderly way."""

    def names(self) -> frozenset[str]:
        """The containers that the runtime knows."""

    def ended(self, container: "Container") -> int:
        """Wait until a container ends by itself, and return its exit status."""

    def statuses(self, container: "Container") -> Mapping[str, int]:
        """Exit statuses of the apps of a pod that have ended, by their names."""

    def below(self, name: str) -> str:
        """Path below its scope of the cgroup that has a container's limits, which is the scope itself with most."""

    def named(self, text: str) -> str:
        """Text about the guest, with a container's name where the runtime has another one for it."""


@runtime_checkable
class AppPlaces(Protocol):
    """An engine with `Feature.POD_SYSTEMD`, which knows where the pod's systemd puts an app."""

    def app_cgroup(self, name: str, mode: str) -> str:
        """Return the path of an app's first process in the hierarchy of systemd, in a guest of a cgroup mode."""


@dataclass(kw_only=True)
class Container:
    """A running container.

    Attributes:
        spec: What was asked for.
        scope: Its scope unit.
        pid: Its first process, as the guest sees it.
        guest: Where it runs.
        engine: What runs it.
        hierarchies: The guest's cgroup tree.
        below: Path below its scope of the cgroup that has its limits.
        orderly: Whether it ended in an orderly way; None before it was stopped.
    """

    spec: Spec
    scope: str
    pid: int
    guest: Guest
    engine: Engine
    hierarchies: Hierarchies
    below: str = ""
    orderly: bool | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @cached_property
    def places(self) -> dict[str, str]:
        """Path of the first process in each hierarchy, as it was when first asked."""
        return self.places_of(self.pid)[self.pid]

    def places_of(self, *pids: int) -> dict[int, dict[str, str]]:
        """Paths of processes in each hierarchy; a process that is gone is in none."""
        texts = self.guest.read(*(f"/proc/{pid}/cgroup" for pid in pids))
        return {pid: parse_places(texts[f"/proc/{pid}/cgroup"]) for pid in pids}

    def cgroup(self, controller: str) -> str:
        """Path of the first process in the hierarchy that governs a controller: "memory", "name=systemd", "unified"."""
        return self.places[self.hierarchies.hierarchy(controller)]

    def directory(self, controller: str) -> str:
        """Directory of its scope in the hierarchy that governs a controller."""
        return self.hierarchies.directory(controller, f"/machine.slice/{self.scope}")

    def knobs(self, *files: str) -> dict[str, str]:
        """Values of the control files of its limits, by name; absent ones are empty. The part before the dot says where."""
        paths = {file: f"{self.directory(file.partition('.')[0])}{self.below}/{file}" for file in files}
        texts = self.guest.read(*paths.values())
        return {file: texts[path].strip() for file, path in paths.items()}

    def exec(self, *argv: str, user: int = 0) -> Result:
        """Run a command in it."""
        return self.engine.execute(self, argv, user)

    def output(self, *argv: str) -> str:
        """Standard output of a command in it that has to succeed."""
        result = self.exec(*argv)
        if result.code != 0:
            raise CommandFailedError(f"{self.guest.quote(*argv)} in {self.name}", result)
        return result.out

    def processes(self) -> dict[int, str]:
        """The processes anywhere below its scope: id in the guest, and command name."""
        directory = self.directory(self.hierarchies.main)
        script = (
            'find "$1" -name cgroup.procs -exec cat {} + | while read -r pid; do '
            'read -r name <"/proc/$pid/comm" && echo "$pid $name"; done; :'
        )
        lines = (line.partition(" ") for line in self.guest.do(script, directory).splitlines())
        return {int(pid): name for pid, _, name in lines}

    def stop(self) -> bool:
        """End it, if that was not done before; whether it went in an orderly way."""
        if self.orderly is None:
            self.orderly = self.engine.stop(self.spec)
        return self.orderly


class ContainerRuntime:
    """A container runtime in the guest."""

    def __init__(self, engine: Engine, guest: Guest, hierarchies: Hierarchies, rootfs: Rootfs, prefix: str) -> None:
        self.engine = engine
        self.name = engine.name
        self.guest = guest
        self.hierarchies = hierarchies
        self.rootfs = rootfs
        self.prefix = prefix
        self.live: dict[str, Container] = {}
        """The containers that run at the moment, by name."""
        self.dirty = False
        """Whether a container was run since the last look for leftovers."""
        self._numbers = count(1)

    def require(self, feature: Feature) -> None:
        """Skip the case where the runtime lacks a feature, with the reason that its adapter gives."""
        reason = self.engine.lacks.get(feature)
        if reason is not None:
            pytest.skip(f"needs {feature}: {reason}")

    @contextmanager
    def running(self, *argv: str, **options: Unpack[ContainerOptions]) -> Iterator[Container]:
        """A container that runs `argv`; its root file system is a busybox and read-only unless asked otherwise."""
        with self._spec(argv, options) as spec, self._started(spec) as container:
            yield container

    @contextmanager
    def booted(self, **options: Unpack[ContainerOptions]) -> Iterator[Container]:
        """A container with its own systemd as PID 1, a copy of the guest's, which has reached `TARGET`.

        The systemd of a pod may be the runtime's own business, which then says itself when the apps are started.
        """
        name = self._name()
        if Feature.OWN_SYSTEMD in self.engine.lacks:
            made = options | ContainerOptions(rootfs="")
            with self._started(Spec(name=name, argv=(), boots=True, **made)) as container:
                yield container
            return
        try:
            argv = ("/sbin/init", *(LEGACY if self.hierarchies.mode == "legacy" else ()))
            made = ContainerOptions(read_only=False) | options | ContainerOptions(rootfs=self.rootfs.system(name))
            spec = Spec(name=name, argv=argv, boots=True, **made)
            with self._started(spec) as container:
                ready = self.guest.wait('[ -e "$1" ]', f"/proc/{container.pid}/root{READY}", seconds=BOOT_SECONDS)
                if not ready:
                    raise TimeoutError(f"The systemd in {name} did not reach {TARGET} within {BOOT_SECONDS} s.")
                yield container
        finally:
            self.rootfs.remove(name)

    @contextmanager
    def prepared(self, *argv: str, **options: Unpack[ContainerOptions]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """A name and the command line of a container that a service of this name shall run in the foreground."""
        with self._spec(argv, options) as spec:
            self.dirty = True
            try:
                yield spec.name, self.engine.command(spec)
            finally:
                self.dirty = True
                self.engine.stop(spec)

    def run(self, *argv: str, **options: Unpack[ContainerOptions]) -> Result:
        """Run a container to its end, and return what it said."""
        with self._spec(argv, options) as spec:
            self.dirty = True
            try:
                return self.engine.run(spec)
            except BaseException:
                self.engine.stop(spec)
                raise

    def list(self) -> frozenset[str]:
        """The containers that the runtime knows."""
        return self.engine.names()

    def close(self) -> None:
        """Remove what the runtime's containers shared."""
        self.rootfs.close()

    def _name(self) -> str:
        # As long as its fellows, so that no name is the beginning of another one.
        return f"{self.prefix}-{next(self._numbers):04}"

    @contextmanager
    def _spec(self, argv: tuple[str, ...], options: ContainerOptions) -> Iterator[Spec]:
        name = self._name()
        with ExitStack() as stack:
            root = "/" if options.get("system") else options.get("rootfs") or self.rootfs.tiny()
            if not options.get("read_only", True) or options.get("system"):
                stack.callback(self.rootfs.remove, name)
                root = self.rootfs.overlay(name, root)
            options["rootfs"] = root
            yield Spec(name=name, argv=argv, **options)

    @contextmanager
    def _started(self, spec: Spec) -> Iterator[Container]:
        self.dirty = True
        try:
            pid = self.engine.start(spec)
        except BaseException:
            self.engine.stop(spec)
            raise
        container = Container(
            spec=spec, pid=pid, scope=self.engine.scope(spec.name),
            guest=self.guest, engine=self.engine, hierarchies=self.hierarchies, below=self.engine.below(spec.name),
        )  # fmt: skip
        self.live[spec.name] = container
        try:
            yield container
        finally:
            self.dirty = True
            self.live.pop(spec.name)
            container.stop()
