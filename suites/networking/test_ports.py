"""Ports of the guest that are forwarded to a container, by the plugin portmap."""

from collections.abc import Iterator

import pytest

from suites.lib.features import Feature
from suites.networking.nets import DEFAULT, RESTRICTED, add_ports
from suites.networking.pods import Pod, Pods
from suites.networking.wire import BEYOND, GUEST, Reply, Wire

PORT = 10080
"""A port of every address of the guest; the container serves on port 80."""

PORTS = (
    {"hostPort": PORT, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": GUEST},
)


@pytest.fixture(scope="module")
def pod(pods: Pods) -> Iterator[Pod]:
    """A container in the network default with forwarded ports; test_bridge.py has one on a bridge."""
    with pods.start(add_ports(DEFAULT), ports=PORTS) as pod:
        yield pod


def test_port_is_open_to_hosts_beyond(pod: Pod, wire: Wire) -> None:
    """A host beyond the guest reaches the container by the guest's address, and is seen as itself."""
    assert wire.ask_from_beyond(f"{GUEST}:{PORT}") == [Reply(peer=BEYOND, server=pod.name)]


def test_port_is_open_to_the_guest(pod: Pod, wire: Wire) -> None:
    """The guest reaches the container by its own address, and by that of the container's network."""
    servers = {answer.server for answer in wire.ask_from_guest(f"{GUEST}:{PORT}", f"{pod.gateway}:{PORT}")}

    assert servers == {pod.name}


def test_port_is_open_on_loopback(pod: Pod, wire: Wire) -> None:
    """The guest reaches the container by 127.0.0.1; packets that come back find the way, so they do not have it."""
    assert wire.ask_from_guest(f"127.0.0.1:{PORT}") == [Reply(peer=pod.gateway, server=pod.name)]


def test_port_is_open_to_other_containers(pod: Pod, pods: Pods) -> None:
    """A container of another network reaches it by the guest's address."""
    with pods.join(RESTRICTED) as other:
        (answer,) = other.ask(f"{other.gateway}:{PORT}")

        assert answer.server == pod.name


def test_port_is_open_to_the_container_itself(pods: Pods, pod: Pod) -> None:
    """Packets that a container sends to its own forwarded port come back to it."""
    pods.runtime.require(Feature.PORTS_BACK)

    assert [answer.server for answer in pod.ask(f"{GUEST}:{PORT}")] == [pod.name]


def test_port_of_one_address_is_open_there_only(pod: Pod, wire: Wire) -> None:
    """A port that is forwarded for one address goes before a server of the guest, which keeps its other addresses."""
    assert wire.ask_from_beyond(GUEST) == [Reply(peer=BEYOND, server=pod.name)]
    assert [answer.server for answer in wire.ask_from_guest("127.0.0.1", pod.gateway)] == ["guest", "guest"]
