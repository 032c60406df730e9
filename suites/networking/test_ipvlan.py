"""Containers on the guest's own wire, with the hardware address of the guest."""

from suites.lib.guest import Guest
from suites.networking.nets import IPVLAN_L2, IPVLAN_L3
from suites.networking.pods import Pods
from suites.networking.wire import BEYOND, GUEST, Reply, Wire


def test_ipvlan_l2_shares_the_hardware_address(pods: Pods, wire: Wire) -> None:
    """Hosts beyond see the container's IP address at the guest's hardware address."""
    with pods.start(IPVLAN_L2) as pod:
        assert pod.ask(BEYOND) == [Reply(peer=pod.address, server="beyond")]
        assert wire.ask_from_beyond(pod.address) == [Reply(peer=BEYOND, server=pod.name)]
        assert wire.find_neighbour(pod.address) == wire.link


def test_ipvlan_l3_is_routed(pods: Pods, wire: Wire, guest: Guest) -> None:
    """In mode l3 nobody asks for the container's hardware address: it is reached by a route through the guest."""
    guest.do('ip -n "$1" route add 198.51.100.0/24 via "$2"', wire.beyond, GUEST)
    try:
        with pods.start(IPVLAN_L3) as pod:
            assert pod.ask(BEYOND) == [Reply(peer=pod.address, server="beyond")]
            assert wire.ask_from_beyond(pod.address) == [Reply(peer=BEYOND, server=pod.name)]
            assert wire.find_neighbour(pod.address) == ""
    finally:
        guest.do('ip -n "$1" route del 198.51.100.0/24', wire.beyond)
