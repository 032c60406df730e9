"""Containers on the guest's own wire, each with a hardware address of its own."""

from collections.abc import Iterator

import pytest

from suites.networking.nets import MACVLAN
from suites.networking.pods import Pod, Pods
from suites.networking.wire import BEYOND, GUEST, Reply, Wire


@pytest.fixture(scope="module")
def pod(pods: Pods) -> Iterator[Pod]:
    """A container on the guest's wire."""
    with pods.start(MACVLAN) as pod:
        yield pod


def test_macvlan_is_a_host_on_the_wire(pod: Pod, wire: Wire) -> None:
    """Hosts beyond see the container's own address, IP and hardware, and ask it without the guest's help."""
    (own,) = pod.namespace.reports[0].inside.values()

    assert pod.ask(BEYOND) == [Reply(peer=pod.address, server="beyond")]
    assert wire.ask_from_beyond(pod.address) == [Reply(peer=BEYOND, server=pod.name)]
    assert wire.find_neighbour(pod.address) == own
    assert own != wire.link


def test_macvlan_containers_reach_each_other(pod: Pod, pods: Pods) -> None:
    """In mode bridge containers on one parent exchange packets."""
    with pods.join(MACVLAN) as other:
        assert other.ask(pod.address) == [Reply(peer=other.address, server=pod.name)]


def test_macvlan_is_apart_from_the_guest(pod: Pod) -> None:
    """The guest itself cannot be reached by its address on the wire, as the kernel documents it for macvlan."""
    (answer,) = pod.ask(GUEST, seconds=1)

    assert answer.error
