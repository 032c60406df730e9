"""The protocol of an engine, which is a thin wrapper over the command line of one runtime, and a container that it runs.

`suites.runtimes` has one engine for each runtime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from suites.lib.cgroups import Hierarchies, parse_places
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.spec import Spec

__all__ = ["AppPlaces", "Container", "Engine", "Pauses", "PodManifests", "Statistics", "Terminals", "Updates"]


class Engine(Protocol):
    """The command line of one container runtime."""

    @property
    def name(self) -> str:
        """The runtime's name."""

    @property
    def traces(self) -> tuple[str, ...]:
        """Directories of the guest in which the runtime has an entry for each of its containers."""

    @property
    def parent(self) -> str:
        """Path of the cgroup below which its containers' are, in each hierarchy."""

    @property
    def service(self) -> str:
        """What machined says runs the runtime's containers; empty where it registers none."""

    @property
    def devices(self) -> str:
        """Directory in which a container sees the devices that it was given."""

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """What the runtime cannot do in this guest, each with the reason; what it never can is its adapter's LACKS."""

    def get_scope(self, name: str) -> str:
        """Return the scope unit that has a container's processes, or its cgroup's name where it has no unit."""

    def prepare_command(self, spec: Spec) -> tuple[str, ...]:
        """Prepare a container, and return the command line by which a service runs it in the foreground."""

    def start(self, spec: Spec) -> int:
        """Start a container, and return the first process's id as the guest sees it."""

    def run(self, spec: Spec) -> Result:
        """Run a container to its end, wait until the runtime has forgotten it, and return what it said."""

    def execute(self, container: "Container", argv: Sequence[str], user: int) -> Result:
        """Run a command in a running container."""

    def stop(self, spec: Spec) -> bool:
        """End a container and wait until the runtime has forgotten it; whether it went in an orderly way."""

    def list_names(self) -> frozenset[str]:
        """Return the containers that the runtime knows."""

    def wait_end(self, container: "Container") -> int:
        """Wait until a container ends by itself, and return its exit status."""

    def read_statuses(self, container: "Container") -> Mapping[str, int]:
        """Exit statuses of the apps of a pod that have ended, by their names."""

    def get_limits_path(self, name: str) -> str:
        """Return where below its scope the cgroup with a container's limits is; for most it is the scope itself."""

    def replace_names(self, text: str) -> str:
        """Return text about the guest, with a container's name where the runtime has another one for it."""


@runtime_checkable
class AppPlaces(Protocol):
    """An engine with `Feature.POD_SYSTEMD`, which knows where the pod's systemd puts an app."""

    def find_app_cgroup(self, name: str, mode: str) -> str:
        """Return the path of an app's first process in the hierarchy of systemd, in a guest of a cgroup mode."""


@runtime_checkable
class PodManifests(Protocol):
    """An engine with `Feature.POD_MANIFEST`."""

    def make_image(self, name: str, tree: str) -> str:
        """Make an image of a tree of the guest that does not change, and return its id."""

    def run_manifest(self, name: str, manifest: Mapping[str, Any], words: Sequence[str] = ()) -> Result:
        """Run a pod to its end as its manifest says (pods.md of appc's specification), with further words before the images."""


@runtime_checkable
class Terminals(Protocol):
    """An engine with `Feature.TERMINALS`."""

    def execute_on_terminal(self, container: "Container", argv: Sequence[str]) -> Result:
        """Run a command in a running container, with a terminal of its own; its output is what the terminal showed."""


@runtime_checkable
class Updates(Protocol):
    """An engine with `Feature.UPDATE`."""

    def get_update_command(self, name: str, memory: int) -> tuple[str, ...]:
        """Return the command line that gives a running container another memory limit, in bytes."""


@runtime_checkable
class Statistics(Protocol):
    """An engine with `Feature.STATISTICS`."""

    def read_statistics(self, name: str) -> tuple[int, int]:
        """Return how much memory a container uses, in bytes, and how many tasks it has."""


@runtime_checkable
class Pauses(Protocol):
    """An engine with `Feature.PAUSE`."""

    def pause(self, name: str) -> None:
        """Stop all processes of a container until it is resumed."""

    def resume(self, name: str) -> None:
        """Let a container's processes go on."""


@dataclass(kw_only=True)
class Container:
    """A running container.

    Attributes:
        spec: What was asked for.
        scope: Its scope unit, or its cgroup's name where `Feature.UNIT` is lacking.
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

    @property
    def root(self) -> str:
        """Path of the cgroup that has all of it, in each hierarchy."""
        return f"{self.engine.parent}/{self.scope}"

    @cached_property
    def places(self) -> dict[str, str]:
        """Path of the first process in each hierarchy, as it was when first asked."""
        return self.read_places(self.pid)[self.pid]

    def read_places(self, *pids: int) -> dict[int, dict[str, str]]:
        """Return paths of processes in each hierarchy; a process that is gone is in none."""
        texts = self.guest.read(*(f"/proc/{pid}/cgroup" for pid in pids))
        return {pid: parse_places(texts[f"/proc/{pid}/cgroup"]) for pid in pids}

    def get_cgroup(self, controller: str) -> str:
        """Return the first process's path in the hierarchy of a controller: "memory", "name=systemd", "unified"."""
        return self.places[self.hierarchies.find_hierarchy(controller)]

    def get_directory(self, controller: str) -> str:
        """Return the directory of its scope in the hierarchy that governs a controller."""
        return self.hierarchies.get_directory(controller, self.root)

    def read_knobs(self, *files: str) -> dict[str, str]:
        """Return values of control files, empty if absent; the part before the dot is the controller, which says where."""
        paths = {file: f"{self.get_directory(file.partition('.')[0])}{self.below}/{file}" for file in files}
        texts = self.guest.read(*paths.values())
        return {file: texts[path].strip() for file, path in paths.items()}

    def execute(self, *argv: str, user: int = 0) -> Result:
        """Run a command in it."""
        return self.engine.execute(self, argv, user)

    def read_output(self, *argv: str) -> str:
        """Return the standard output of a command in it that has to succeed."""
        result = self.execute(*argv)
        if result.code != 0:
            raise CommandFailedError(f"{self.guest.quote(*argv)} in {self.name}", result)
        return result.out

    def list_processes(self) -> dict[int, str]:
        """Return the processes anywhere below its scope: id in the guest, and command name."""
        directory = self.get_directory(self.hierarchies.main)
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
