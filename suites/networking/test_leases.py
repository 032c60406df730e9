"""Addresses: which ones are given out, that they are given back, and what happens when two want the same."""

import pytest

from suites.lib.cni import LEASES
from suites.lib.cnispec import PluginError
from suites.lib.guest import Guest
from suites.networking.nets import MACVLAN, RESTRICTED, ptp
from suites.networking.pods import Pods
from suites.networking.wire import BEYOND, Answer, ask

FEW = ptp("few", "10.99.3.0/30")
"""A network with room for one container beside the guest."""

CHOSEN = ptp("chosen", "10.99.4.0/24")


def test_address_is_given_back(pods: Pods, guest: Guest) -> None:
    """Each container has an address of its own and an entry that names it, which goes when it leaves the network."""
    with pods.namespace() as one, pods.namespace() as other:
        addresses = [namespace.add(CHOSEN).addresses[0].ip for namespace in (one, other)]
        files = [f"{LEASES}/{CHOSEN.name}/{address}" for address in addresses]
        before = guest.read(*files)
        other.leave("eth0")
        after = guest.read(*files)

    assert len(set(addresses)) == 2
    assert [before[file].split() for file in files] == [[one.name, "eth0"], [other.name, "eth0"]]
    assert [after[file].split() for file in files] == [[one.name, "eth0"], []]


def test_network_that_is_full_refuses(pods: Pods) -> None:
    """Where all addresses are in use the next container is told so; an address that was given back is given again."""
    with pods.namespace() as one, pods.namespace() as other:
        address = one.add(FEW).addresses[0].ip
        with pytest.raises(PluginError, match="no IP addresses available"):
            other.add(FEW)
        one.leave("eth0")

        assert other.add(FEW).addresses[0].ip == address


def test_address_can_be_chosen(pods: Pods) -> None:
    """A container gets the address that it asks for as an argument of its network, and packets have it."""
    with pods.namespace() as namespace:
        gateway = namespace.add(CHOSEN, arguments={"IP": "10.99.4.200"}).addresses[0].gateway

        assert ask(lambda words: namespace.run(*words), (gateway,)) == [Answer(peer="10.99.4.200", server="guest")]


def test_address_is_given_once(pods: Pods) -> None:
    """An address that another container has, or that is not of the network, is refused."""
    with pods.namespace() as one, pods.namespace() as other:
        one.add(CHOSEN, arguments={"IP": "10.99.4.9"})
        for address in ("10.99.4.9", "10.99.5.9"):
            with pytest.raises(PluginError):
                other.add(CHOSEN, arguments={"IP": address})

        assert other.add(CHOSEN).addresses[0].ip != "10.99.4.9"


def test_container_in_two_networks(pods: Pods) -> None:
    """A container has an interface for each of its networks, and is known in each by its address there."""
    with pods.running(RESTRICTED, CHOSEN) as pod:
        addresses = [report.addresses[0] for report in pod.namespace.reports]
        interfaces = pod.container.output("sh", "-c", "grep -o '^ *[a-z0-9]*:' /proc/net/dev").split()

        assert sorted(interfaces) == ["eth0:", "eth1:", "lo:"]
        assert pod.ask(*(address.gateway for address in addresses)) == [
            Answer(peer=address.ip, server="guest") for address in addresses
        ]


def test_interface_of_a_name_that_is_taken(pods: Pods) -> None:
    """A second network under the name of an interface that is there is refused, and the first one still works."""
    with pods.namespace() as namespace:
        gateway = namespace.add(RESTRICTED).addresses[0].gateway
        with pytest.raises(PluginError, match=r"eth0|exists"):
            namespace.add(CHOSEN)

        assert namespace.run("busybox", "ping", "-q", "-c", "1", "-W", "5", gateway).code == 0


def test_two_networks_of_one_name(pods: Pods) -> None:
    """A container may be in one network twice; leaving it once leaves the other interface as it is."""
    with pods.namespace() as namespace:
        first, second = namespace.add(MACVLAN).addresses[0], namespace.add(MACVLAN, "eth1").addresses[0]
        namespace.leave("eth1")

        assert first.ip != second.ip
        assert ask(lambda words: namespace.run(*words), (BEYOND,)) == [Answer(peer=first.ip, server="beyond")]
        with pytest.raises(PluginError):
            namespace.add(MACVLAN, "eth2", arguments={"IP": first.ip})
