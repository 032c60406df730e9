"""Containers in networks: what every case of the suite starts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from suites.lib.cni import Cni, Namespace
from suites.lib.cnispec import Network
from suites.lib.runtime import Container, Mount, Runtime
from suites.networking.wire import LISTENING, Answer, Wire, ask

__all__ = ["Pod", "Pods"]

SERVE = ("httpd", "-f", "-p", "80", "-h", "/mnt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A container with its network namespace; it serves HTTP on port 80.

    Attributes:
        container: The container.
        namespace: Its network namespace, with what each network gave it.
    """

    container: Container
    namespace: Namespace

    @property
    def name(self) -> str:
        """The container's name, which is also its server's."""
        return self.container.name

    @property
    def address(self) -> str:
        """Its first address."""
        return self.namespace.reports[0].addresses[0].ip

    @property
    def gateway(self) -> str:
        """The guest's address in its first network."""
        return self.namespace.reports[0].addresses[0].gateway

    def ask(self, *hosts: str, seconds: int = 10) -> list[Answer]:
        """Ask servers from inside."""
        return ask(lambda words: self.container.exec(*words), hosts, seconds)


class Pods:
    """Starts containers in networks."""

    def __init__(self, runtime: Runtime, cni: Cni, wire: Wire) -> None:
        self.runtime = runtime
        self.cni = cni
        self.wire = wire

    @contextmanager
    def namespace(self) -> Iterator[Namespace]:
        """A network namespace without a container; it is looked at for leftovers as one with a container is."""
        self.runtime.dirty = True
        try:
            with self.cni.namespace() as namespace:
                yield namespace
        finally:
            self.runtime.dirty = True

    @contextmanager
    def running(
        self,
        *networks: Network,
        arguments: Mapping[str, str] | None = None,
        ports: Sequence[Mapping[str, Any]] = (),
        mounts: Sequence[Mount] = (),
    ) -> Iterator[Pod]:
        """A container in networks, the first as eth0, which serves HTTP.

        Args:
            networks: The networks.
            arguments: What it wants from each of them.
            ports: Mappings of ports: hostPort, containerPort, protocol, and hostIP if not every address.
            mounts: Further mounts.
        """
        with self.namespace() as namespace:
            for number, network in enumerate(networks):
                namespace.add(
                    network, f"eth{number}", arguments=arguments,
                    capabilities={"portMappings": list(ports)} if ports else None,
                )  # fmt: skip
            with self.joined(namespace, mounts=mounts) as container:
                yield Pod(container=container, namespace=namespace)

    @contextmanager
    def joined(self, namespace: Namespace, *, mounts: Sequence[Mount] = ()) -> Iterator[Container]:
        """A container that serves HTTP in a namespace that is there."""
        pages = Mount(source=self.wire.pages, target="/mnt", read_only=True)
        with self.runtime.running(*SERVE, network=namespace.path, mounts=(pages, *mounts)) as container:
            served = container.guest.wait(LISTENING, str(container.pid))
            assert served, f"nothing listens on port 80 in {container.name}"
            yield container
