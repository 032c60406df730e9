"""Containers that share a network: on a bridge, and each on its own veth pair."""

from collections.abc import Iterator

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.networking.nets import BRIDGE, BRIDGED, add_ports, make_ptp
from suites.networking.pods import Member, Pod, Pods
from suites.networking.wire import BEYOND, GUEST, Reply, Wire

PORT = 10070


@pytest.fixture(scope="module")
def pod(pods: Pods) -> Iterator[Pod]:
    """A container on the bridge, with a forwarded port."""
    ports = ({"hostPort": PORT, "containerPort": 80, "protocol": "tcp"},)
    with pods.start(add_ports(BRIDGED), ports=ports) as pod:
        yield pod


@pytest.fixture(scope="module")
def neighbour(pods: Pods) -> Iterator[Member]:
    """Somebody else on the bridge."""
    with pods.join(BRIDGED) as neighbour:
        yield neighbour


def test_bridge_joins_containers(pod: Pod, neighbour: Member) -> None:
    """Containers on a bridge reach each other with their own addresses, and no router is between them."""
    assert neighbour.ask(pod.address) == [Reply(peer=neighbour.address, server=pod.name)]
    assert read_ttl(pod, neighbour.address) == 64


def test_bridge_has_a_port_for_each_container(pod: Pod, neighbour: Member, guest: Guest) -> None:
    """The guest's ends of the veth pairs are ports of the bridge."""
    both = (pod.namespace, neighbour.namespace)
    veths = {name for namespace in both for name in namespace.reports[0].outside if name != BRIDGE}
    ports = guest.do('ls "$1"', f"/sys/class/net/{BRIDGE}/brif").split()

    assert len(veths) == 2
    assert set(ports) == veths


def test_bridge_is_the_way_to_the_guest(pod: Pod, wire: Wire) -> None:
    """The guest has an address on the bridge, by which it and the containers ask each other."""
    assert pod.ask(pod.gateway) == [Reply(peer=pod.address, server="guest")]
    assert wire.ask_from_guest(pod.address) == [Reply(peer=pod.gateway, server=pod.name)]


def test_bridge_is_the_way_out(pod: Pod) -> None:
    """Hosts beyond the guest are reached with the guest's address."""
    assert pod.ask(BEYOND) == [Reply(peer=GUEST, server="beyond")]


def test_bridge_forwards_ports(pod: Pod, wire: Wire) -> None:
    """A forwarded port is open to hosts beyond, and to the guest's loopback."""
    assert wire.ask_from_beyond(f"{GUEST}:{PORT}") == [Reply(peer=BEYOND, server=pod.name)]
    assert wire.ask_from_guest(f"127.0.0.1:{PORT}") == [Reply(peer=pod.gateway, server=pod.name)]


def test_bridge_forwards_ports_to_its_own_containers(pods: Pods, pod: Pod, neighbour: Member) -> None:
    """Others on the same bridge reach a forwarded port; answers come back the same way, and not straight."""
    pods.runtime.require(Feature.PORTS_BACK)
    (inside,) = neighbour.ask(f"{pod.gateway}:{PORT}")

    assert inside.server == pod.name


def test_ptp_is_routed_by_the_guest(pods: Pods, guest: Guest) -> None:
    """Two containers, each on its own veth pair, reach each other, and the guest is the router between them."""
    network = make_ptp("pairs", "10.99.2.0/24", routes=("0.0.0.0/0",))
    # The plugin turns routing on for masquerading only, and here is none.
    guest.do("echo 1 >/proc/sys/net/ipv4/ip_forward")
    with pods.start(network) as pod, pods.join(network) as other:
        assert other.ask(pod.address) == [Reply(peer=other.address, server=pod.name)]
        assert read_ttl(pod, other.address) == 63


def read_ttl(pod: Pod, address: str) -> int:
    """Return the time to live of a packet that came back from an address: 64, less one for each router on the way."""
    said = pod.container.read_output("ping", "-c", "1", "-W", "5", address)
    return int(said.partition("ttl=")[2].split()[0])
