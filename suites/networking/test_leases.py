"""Addresses: which ones are given out, that they are given back, and what happens when two want the same."""

import pytest

from suites.lib.cni import LEASES
from suites.lib.cni_spec import PluginError
from suites.lib.guest import Guest
from suites.networking.nets import MACVLAN, RESTRICTED, make_ptp
from suites.networking.pods import Pods
from suites.networking.wire import BEYOND, Reply, ask

FEW = make_ptp("few", "10.99.3.0/30")
"""A network with room for one container besides the guest."""

CHOSEN = make_ptp("chosen", "10.99.4.0/24")


def test_address_is_given_back(pods: Pods, guest: Guest) -> None:
    """Each container has an address of its own and an entry that names it, which goes when it leaves the network."""
    with pods.join(CHOSEN) as one, pods.join(CHOSEN) as other:
        files = [f"{LEASES}/{CHOSEN.name}/{member.address}" for member in (one, other)]
        before = guest.read(*files)
        other.leave()
        after = guest.read(*files)

    assert len(set(files)) == 2
    # Behind the name stands the interface, which an old host-local does not write.
    assert [before[file].split()[:1] for file in files] == [[one.namespace.name], [other.namespace.name]]
    assert [after[file].split()[:1] for file in files] == [[one.namespace.name], []]


def test_network_that_is_full_refuses(pods: Pods) -> None:
    """Where all addresses are in use the next container is told so; an address that was given back is given again."""
    with pods.join(FEW) as one:
        address, refusal = one.address, pods.get_refusal(FEW)
        one.leave()
        with pods.join(FEW) as other:
            assert other.address == address

    assert "no IP addresses available" in refusal


def test_address_can_be_chosen(pods: Pods) -> None:
    """A container gets the address that it asks for as an argument of its network, and packets have it."""
    with pods.join(CHOSEN, arguments={"IP": "10.99.4.200"}) as member:
        assert member.ask(member.gateway) == [Reply(peer="10.99.4.200", server="guest")]


def test_address_is_given_once(pods: Pods) -> None:
    """An address that another container has, or that is not of the network, is refused."""
    with pods.join(CHOSEN, arguments={"IP": "10.99.4.9"}):
        for address in ("10.99.4.9", "10.99.5.9"):
            assert address in pods.get_refusal(CHOSEN, arguments={"IP": address})
        with pods.join(CHOSEN) as other:
            assert other.address != "10.99.4.9"


def test_container_in_two_networks(pods: Pods) -> None:
    """A container has an interface for each of its networks, and is known in each by its address there."""
    with pods.start(RESTRICTED, CHOSEN) as pod:
        addresses = [report.addresses[0] for report in pod.namespace.reports]
        interfaces = pod.container.read_output("sh", "-c", "grep -o '^ *[a-z0-9]*:' /proc/net/dev").split()

        assert sorted(interfaces) == ["eth0:", "eth1:", "lo:"]
        assert pod.ask(*(address.gateway for address in addresses)) == [
            Reply(peer=address.ip, server="guest") for address in addresses
        ]


def test_interface_of_a_name_that_is_taken(pods: Pods) -> None:
    """A second network under the name of an interface that is there is refused, and the first one still works."""
    with pods.make_namespace() as namespace:
        gateway = namespace.add(RESTRICTED).addresses[0].gateway
        with pytest.raises(PluginError, match=r"eth0|exists"):
            namespace.add(CHOSEN)

        assert namespace.run("busybox", "ping", "-q", "-c", "1", "-W", "5", gateway).code == 0


def test_two_networks_of_one_name(pods: Pods) -> None:
    """A container may be in one network twice; leaving it once leaves the other interface as it is."""
    with pods.make_namespace() as namespace:
        first, second = namespace.add(MACVLAN).addresses[0], namespace.add(MACVLAN, "eth1").addresses[0]
        namespace.leave("eth1")

        assert first.ip != second.ip
        assert ask(lambda words: namespace.run(*words), (BEYOND,)) == [Reply(peer=first.ip, server="beyond")]
        with pytest.raises(PluginError):
            namespace.add(MACVLAN, "eth2", arguments={"IP": first.ip})
