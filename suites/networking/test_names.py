"""Names and other addresses: DNS servers that a network brings, and IPv6."""

from collections.abc import Iterator

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.networking.nets import make_ptp
from suites.networking.pods import Pod, Pods
from suites.networking.wire import BEYOND, BEYOND6, GUEST6, NAME, Reply, Wire

DNS = {"nameservers": [BEYOND], "search": [NAME.partition(".")[2]]}

NAMED = make_ptp("named", "10.99.6.0/24", masquerade=True, routes=("0.0.0.0/0",), dns=DNS)


def test_name_is_asked_of_the_server_of_the_network(pods: Pods) -> None:
    """The DNS servers of a network are in what it reports; a container that has them in resolv.conf gets an answer."""
    with pods.start_resolving(NAMED) as pod:
        said = pod.container.read_output("sh", "-c", 'cat /etc/resolv.conf && nslookup "$0"', NAME)
    lines = [line for line in said.splitlines() if line.startswith(("nameserver", "search"))]

    assert sorted(lines) == [f"nameserver {BEYOND}", "search harness.test"]
    assert BEYOND in said.partition(NAME)[2]


def test_servers_of_a_file_are_handed_through(pods: Pods, wire: Wire, guest: Guest) -> None:
    """Where a network names a resolv.conf of the guest, its servers and domains are in what the network reports."""
    path = f"{wire.directory}/other.conf"
    guest.do('printf "nameserver 198.51.100.53\\nsearch a.test b.test\\n" >"$1"', path)
    network = make_ptp("from-file", "10.99.7.0/24")
    (plugin,) = network.plugins
    plugin = {**plugin, "ipam": {**plugin["ipam"], "resolvConf": path}}
    with pods.join(type(network)(name=network.name, plugins=(plugin,))) as member:
        report = member.namespace.reports[0]

    assert report.nameservers == ("198.51.100.53",)
    assert report.search == ("a.test", "b.test")


@pytest.fixture(scope="module")
def six(pods: Pods, guest: Guest) -> Iterator[Pod]:
    """A container with an address of each kind."""
    pods.runtime.require(Feature.BOTH_ADDRESSES)
    if guest.sh("[ -e /proc/net/if_inet6 ]").code != 0:
        pytest.skip("needs IPv6; this guest's kernel has none")
    routes = ("0.0.0.0/0", "::/0")
    with pods.start(make_ptp("six", "10.99.8.0/24", "fd00:99::/64", masquerade=True, routes=routes)) as pod:
        yield pod


def test_container_reaches_the_guest_by_ipv6(six: Pod) -> None:
    """A network of both kinds gives an address of each, and packets of each have it."""
    addresses = six.namespace.reports[0].addresses

    assert [address.address.version for address in addresses] == [4, 6]
    assert six.ask(addresses[0].gateway, f"[{addresses[1].gateway}]") == [
        Reply(peer=address.ip, server="guest") for address in addresses
    ]


def test_packets_of_ipv6_leave_with_the_guest_address(six: Pod) -> None:
    """Masquerading is for both kinds: a host beyond sees the guest's address."""
    assert six.ask(f"[{BEYOND6}]") == [Reply(peer=GUEST6, server="beyond")]
