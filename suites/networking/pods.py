"""Containers in networks: what every case of the suite starts.

There are two ways into a network. Most runtimes join a namespace that their caller has made by CNI; a runtime with
`Networking` makes its containers' networks itself. Cases are the same for both, but for those of a namespace alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Unpack

import pytest

from suites.lib.cni import Cni, Namespace
from suites.lib.cni_spec import Network, PluginError
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Result
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.lib.runtime_networks import ContainerNetworks, Networking, NetworkRequest, read_networks
from suites.lib.spec import ContainerOptions
from suites.networking.wire import LISTENING, Reply, Wire, ask

__all__ = ["Member", "Pod", "Pods"]

SERVE = ("httpd", "-f", "-p", "80", "-h", "/mnt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who is in networks; what else is in there does not matter.

    Attributes:
        namespace: Its network namespace, with what each network gave it.
        run: Runs a command in it.
        leave: Leaves all of its networks, in the way of who made them.
    """

    namespace: Namespace | ContainerNetworks
    run: Callable[..., Result]
    leave: Callable[[], object]

    @property
    def address(self) -> str:
        """Its first address."""
        return self.namespace.reports[0].addresses[0].ip

    @property
    def gateway(self) -> str:
        """The guest's address in its first network."""
        return self.namespace.reports[0].addresses[0].gateway

    def ask(self, *hosts: str, seconds: int = 10) -> list[Reply]:
        """Ask servers from inside."""
        return ask(lambda words: self.run(*words), hosts, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod(Member):
    """A container with its network namespace; it serves HTTP on port 80.

    Attributes:
        container: The container.
    """

    container: Container

    @property
    def name(self) -> str:
        """The container's name, which is also its server's."""
        return self.container.name


class Pods:
    """Starts containers in networks."""

    def __init__(self, runtime: ContainerRuntime, cni: Cni, wire: Wire) -> None:
        self.runtime = runtime
        self.cni = cni
        self.wire = wire
        self.maker = runtime.engine if isinstance(runtime.engine, Networking) else None
        """The runtime's engine, if it makes its containers' networks itself."""

    @contextmanager
    def make_namespace(self) -> Iterator[Namespace]:
        """Provide a network namespace without a container; it is looked at for leftovers as one with a container is."""
        self.runtime.require(Feature.JOINED_NETWORKS)
        self.runtime.dirty = True
        try:
            with self.cni.make_namespace() as namespace:
                yield namespace
        finally:
            self.runtime.dirty = True

    @contextmanager
    def join(self, network: Network, *, arguments: Mapping[str, str] | None = None) -> Iterator[Member]:
        """Provide somebody in a network: a namespace where the runtime joins one, and else a container."""
        if self.maker:
            with self.start(network, arguments=arguments) as pod:
                yield pod
            return
        with self.make_namespace() as namespace:
            namespace.add(network, arguments=arguments)
            yield Member(namespace=namespace, run=namespace.run, leave=namespace.remove)

    def get_refusal(self, network: Network, *, arguments: Mapping[str, str] | None = None) -> str:
        """Return what is said to somebody who cannot be in a network; the case fails if it can."""
        try:
            with self.join(network, arguments=arguments) as member:
                pytest.fail(f"{member.address} was given")
        except (PluginError, CommandFailedError) as error:
            return str(error)

    @contextmanager
    def start(
        self,
        *networks: Network,
        arguments: Mapping[str, str] | None = None,
        ports: Sequence[Mapping[str, Any]] = (),
        mounts: Sequence[Mount] = (),
    ) -> Iterator[Pod]:
        """Provide a container in networks, which serves HTTP; the first is eth0, unless the runtime chooses that.

        Args:
            networks: The networks.
            arguments: What it wants from each of them.
            ports: Mappings of ports: hostPort, containerPort, protocol, and hostIP if not every address.
            mounts: Further mounts.
        """
        if self.maker:
            wanted = NetworkRequest(networks=networks, arguments=arguments or {}, ports=ports)
            with (
                self._serve(networks=wanted, mounts=mounts) as container,
                self._read_made(self.maker, container) as pod,
            ):
                yield pod
            return
        with self.make_namespace() as namespace:
            for number, network in enumerate(networks):
                namespace.add(
                    network, f"eth{number}", arguments=arguments,
                    capabilities={"portMappings": list(ports)} if ports else None,
                )  # fmt: skip
            with self._join(namespace, mounts) as pod:
                yield pod

    @contextmanager
    def start_resolving(self, network: Network) -> Iterator[Pod]:
        """Provide a container whose resolv.conf is what its network says, written by its caller or the runtime."""
        if self.maker:
            with self.start(network) as pod:
                yield pod
            return
        with self.make_namespace() as namespace:
            report = namespace.add(network)
            lines = [f"nameserver {server}" for server in report.nameservers] + [f"search {' '.join(report.search)}"]
            path = f"{self.wire.directory}/resolv.conf"
            self.runtime.guest.do('printf "%s\\n" "$2" >"$1"', path, "\n".join(lines))
            with self._join(namespace, [Mount(source=path, target="/etc/resolv.conf", read_only=True)]) as pod:
                yield pod

    @contextmanager
    def _join(self, namespace: Namespace, mounts: Sequence[Mount]) -> Iterator[Pod]:
        """Provide a container in a namespace that is there."""
        with self._serve(network=namespace.path, mounts=mounts) as container:
            yield Pod(namespace=namespace, run=container.execute, leave=namespace.remove, container=container)

    @contextmanager
    def _read_made(self, maker: Networking, container: Container) -> Iterator[Pod]:
        """Provide a container that runs, with the networks that its runtime has made."""
        wanted = container.spec.networks
        assert wanted
        names = [network.name for network in wanted.networks]
        made = read_networks(container.guest, container.pid, maker.read_network_status(container.name), names)
        self.cni.live[container.name] = made
        try:
            yield Pod(namespace=made, run=container.execute, leave=container.stop, container=container)
        finally:
            del self.cni.live[container.name]

    @contextmanager
    def _serve(self, **options: Unpack[ContainerOptions]) -> Iterator[Container]:
        pages = Mount(source=self.wire.pages, target="/mnt", read_only=True)
        options["mounts"] = (pages, *options.get("mounts", ()))
        with self.runtime.start(*SERVE, **options) as container:
            served = container.guest.wait(LISTENING, str(container.pid))
            assert served, f"nothing listens on port 80 in {container.name}"
            yield container
