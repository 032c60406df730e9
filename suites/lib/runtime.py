"""The runtime under test, as cases use it: it gives all engines the same names and root file systems, and cleans up."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Unpack

import pytest

from suites.lib.cgroups import Hierarchies
from suites.lib.engine import Container, Engine
from suites.lib.features import Feature
from suites.lib.guest import Guest, Result
from suites.lib.rootfs import READY, TARGET, Rootfs
from suites.lib.spec import ContainerOptions, Spec

__all__ = ["ContainerRuntime"]

LEGACY = ("systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1")
"""Arguments of an inner systemd in a legacy guest.

Where the runtime lets it, it would mount a v2 tree for itself, in which it is outside of its container's cgroup.
"""

BOOT_SECONDS = 120
"""A container's own systemd reaches its target in 3 s under TCG, all of the system in 15; a loaded computer takes its time."""


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
    def start(self, *argv: str, **options: Unpack[ContainerOptions]) -> Iterator[Container]:
        """Provide a container that runs `argv`; its root is a busybox and read-only unless asked otherwise."""
        with self._specify(argv, options) as spec, self._start(spec) as container:
            yield container

    @contextmanager
    def start_in(self, tree: str, *argv: str, **options: Unpack[ContainerOptions]) -> Iterator[Container]:
        """Provide a container that runs `argv` and may write to a tree itself, not to a layer over it."""
        made = ContainerOptions(read_only=False) | options | ContainerOptions(rootfs=tree)
        with self._start(Spec(name=self._make_name(), argv=argv, **made)) as container:
            yield container

    @contextmanager
    def start_again(self, container: Container) -> Iterator[Container]:
        """Provide a container with the name and all else of one that has ended, or is stopped now."""
        container.stop()
        with self._start(container.spec) as again:
            yield again

    @contextmanager
    def boot(
        self, units: Mapping[str, str] | None = None, lower: str = "/", **options: Unpack[ContainerOptions]
    ) -> Iterator[Container]:
        """Provide a container with its own systemd as PID 1, a copy of the guest's, which has reached `TARGET`.

        With `units` it is all of the guest's system and those units; without, a small part of it. `lower` is the tree of
        another system.

        The systemd of a pod may be the runtime's own business, which then says itself when the apps are started.
        """
        name = self._make_name()
        if Feature.OWN_SYSTEMD in self.engine.lacks:
            made = options | ContainerOptions(rootfs="")
            with self._start(Spec(name=name, argv=(), boots=True, **made)) as container:
                yield container
            return
        try:
            argv = ("/sbin/init", *(LEGACY if self.hierarchies.mode == "legacy" else ()))
            made = (
                ContainerOptions(read_only=False)
                | options
                | ContainerOptions(rootfs=self.rootfs.make_system(name, units, lower))
            )
            spec = Spec(name=name, argv=argv, boots=True, **made)
            with self._start(spec) as container:
                process = f"/proc/{container.pid}"
                ready = f"{process}/root{READY}"
                self.guest.wait('[ -e "$1" ] || [ ! -e "$2" ]', ready, process, seconds=BOOT_SECONDS)
                if self.guest.sh('[ -e "$1" ]', ready).code != 0:
                    raise TimeoutError(
                        f"The systemd in {name} ended, or did not reach {TARGET} within {BOOT_SECONDS} s."
                    )
                yield container
        finally:
            self.rootfs.remove(name)

    @contextmanager
    def prepare(self, *argv: str, **options: Unpack[ContainerOptions]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Provide the name and command line of a container that a service of this name runs in the foreground."""
        with self._specify(argv, options) as spec:
            self.dirty = True
            try:
                yield spec.name, self.engine.prepare_command(spec)
            finally:
                self.dirty = True
                self.engine.stop(spec)

    def run(self, *argv: str, **options: Unpack[ContainerOptions]) -> Result:
        """Run a container to its end, and return what it said."""
        with self._specify(argv, options) as spec:
            self.dirty = True
            try:
                return self.engine.run(spec)
            except BaseException:
                self.engine.stop(spec)
                raise

    def get_device_path(self, device: str) -> str:
        """Return where a container sees a device of the guest that it was given."""
        return f"{self.engine.devices}/{device.rpartition('/')[2]}"

    def list(self) -> frozenset[str]:
        """Return the containers that the runtime knows."""
        return self.engine.list_names()

    def close(self) -> None:
        """Remove what the runtime's containers shared."""
        self.rootfs.close()

    def _make_name(self) -> str:
        # All names are of one length, so that none is the beginning of another.
        return f"{self.prefix}-{next(self._numbers):04}"

    @contextmanager
    def _specify(self, argv: tuple[str, ...], options: ContainerOptions) -> Iterator[Spec]:
        name = self._make_name()
        with ExitStack() as stack:
            root = "/" if options.get("system") else options.get("rootfs") or self.rootfs.make_tiny()
            if not options.get("read_only", True) or options.get("system"):
                stack.callback(self.rootfs.remove, name)
                root = self.rootfs.make_overlay(name, root)
            options["rootfs"] = root
            yield Spec(name=name, argv=argv, **options)

    @contextmanager
    def _start(self, spec: Spec) -> Iterator[Container]:
        self.dirty = True
        try:
            pid = self.engine.start(spec)
        except BaseException:
            self.engine.stop(spec)
            raise
        container = Container(
            spec=spec, pid=pid, scope=self.engine.get_scope(spec.name),
            guest=self.guest, engine=self.engine, hierarchies=self.hierarchies, below=self.engine.get_limits_path(spec.name),
        )  # fmt: skip
        self.live[spec.name] = container
        try:
            yield container
        finally:
            self.dirty = True
            self.live.pop(spec.name, None)
            container.stop()
