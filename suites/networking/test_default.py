"""The networks that rkt gives without being asked: "default" with a way out, "default-restricted" without one."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from suites.lib.guest import Guest
from suites.networking.nets import DEFAULT, RESTRICTED, make_ptp
from suites.networking.pods import Pod, Pods
from suites.networking.wire import BEYOND, GUEST, Reply, Wire


@pytest.fixture(scope="module")
def pod(pods: Pods) -> Iterator[Pod]:
    """A container in the network default."""
    with pods.start(DEFAULT) as pod:
        yield pod


@pytest.fixture(scope="module")
def restricted(pods: Pods) -> Iterator[Pod]:
    """A container in the network default-restricted."""
    with pods.start(RESTRICTED) as pod:
        yield pod


def test_address_is_of_the_network(pod: Pod) -> None:
    """The container sees eth0 with the address that the plugin reported, out of the network's range."""
    shown = pod.container.read_output("ip", "-4", "-o", "address", "show", "dev", "eth0").split()

    assert ip_address(pod.address) in ip_network("172.16.28.0/24")
    assert shown[shown.index("inet") + 1] == f"{pod.address}/24"


def test_namespace_is_its_own(pod: Pod, guest: Guest) -> None:
    """The container's processes are in the namespace that was made for it, and not in the guest's."""
    assert pod.namespace.path
    script = 'for pid in "$1" 1; do [ ! "/proc/$pid/ns/net" -ef "$2" ]; echo $?; done'

    assert guest.do(script, str(pod.container.pid), pod.namespace.path).split() == ["1", "0"]


def test_default_route_goes_through_the_guest(pod: Pod) -> None:
    """The way out is the guest's end of the veth pair, and it answers packets."""
    routes = pod.container.read_output("sh", "-c", 'ip route && ping -q -c 1 -W 5 "$0" >&2', pod.gateway)

    assert f"default via {pod.gateway} dev eth0" in routes


def test_container_reaches_the_guest(pod: Pod) -> None:
    """The guest's servers see the container's own address, by any address of the guest."""
    assert pod.ask(pod.gateway, GUEST) == [Reply(peer=pod.address, server="guest")] * 2


def test_guest_reaches_the_container(pod: Pod, wire: Wire) -> None:
    """A server in the container is asked by the guest's end of the veth pair."""
    assert wire.ask_from_guest(pod.address) == [Reply(peer=pod.gateway, server=pod.name)]


def test_packets_leave_with_the_guest_address(pod: Pod) -> None:
    """A host beyond the guest sees the guest's address instead of the container's."""
    assert pod.ask(BEYOND) == [Reply(peer=GUEST, server="beyond")]


def test_long_name_of_a_network(pods: Pods) -> None:
    """A name that is longer than those of interfaces and of chains of rules is no trouble."""
    long = make_ptp("a-network-" + "with-a-long-name-" * 6, "10.99.1.0/24", masquerade=True, routes=("0.0.0.0/0",))
    with pods.join(long) as member:
        assert member.ask(BEYOND) == [Reply(peer=GUEST, server="beyond")]


def test_restricted_container_reaches_the_guest(restricted: Pod) -> None:
    """Without a default route the guest's end of the veth pair can still be asked."""
    assert ip_address(restricted.address) in ip_network("172.17.0.0/26")
    assert restricted.ask(restricted.gateway) == [Reply(peer=restricted.address, server="guest")]


def test_restricted_container_has_no_way_out(restricted: Pod) -> None:
    """There is no default route, and packets to hosts beyond the guest are not even sent."""
    (answer,) = restricted.ask(BEYOND, seconds=2)

    assert "default" not in restricted.container.read_output("ip", "route")
    assert "Network is unreachable" in answer.error


def test_restricted_container_is_not_masqueraded(restricted: Pod, guest: Guest, wire: Wire) -> None:
    """Where an administrator routes the network, hosts beyond the guest see the container's own address."""
    there = ("ip", "-n", wire.beyond, "route", "replace", "172.17.0.0/26", "via", GUEST)
    inside = ("nsenter", f"--net={restricted.namespace.path}", "--")
    here = (*inside, "ip", "route", "replace", f"{BEYOND}/32", "via", restricted.gateway)
    guest.do(f"echo 1 >/proc/sys/net/ipv4/ip_forward && {guest.quote(*there)} && {guest.quote(*here)}")
    try:
        assert restricted.ask(BEYOND) == [Reply(peer=restricted.address, server="beyond")]
    finally:
        undo = [guest.quote(*("del" if word == "replace" else word for word in words)) for words in (there, here)]
        guest.do(" && ".join(undo))
