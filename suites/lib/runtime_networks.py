"""Networks that a runtime makes for its containers itself: what it is asked for, what it reports, and what there is.

A runtime that does so has `Networking` besides the protocol `Engine`. Its word counts for names, interfaces and
addresses; the rest is what the guest shows of the container's network namespace.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, Protocol, runtime_checkable

from suites.lib.cni_spec import Address, CniResult, Network
from suites.lib.guest import Guest

__all__ = ["AttachedNetwork", "ContainerNetworks", "NetworkRequest", "NetworkStatus", "Networking", "read_networks"]

LOOK = r"""
pid=$1 mark=$2
inside() { echo "# $1"; shift; nsenter --target "$pid" --net -- ip -o "$@"; }
echo "# path"
for path in /run/netns/*; do [ ! "$path" -ef "/proc/$pid/ns/net" ] || echo "$path"; done
inside link link
inside veth link show type veth
inside address address
inside route route
echo "# outside"; ip -o link show type veth
echo "# nat"; iptables-save -t nat | grep -e "$mark"
echo "# resolv"; cat "/proc/$pid/root/etc/resolv.conf"
:
"""
"""Shows the network namespace of a process, both ends of its veth pairs, the rules with a mark, and its resolv.conf."""

SECTIONS = ("path", "link", "veth", "address", "route", "outside", "nat", "resolv")
"""What `LOOK` shows, each after a line with its name; resolv.conf has comments of its own."""

LINK = re.compile(r"(\d+): ([^:@]+)(?:@if(\d+))?: .* link/\w+ (\S+)")
"""A line of `ip -o link`: index, name, index of the other end or the parent, hardware address."""

ADDRESS = re.compile(r"\d+: (\S+) +inet6? ((\S+)/\d+)")
VIA = re.compile(r"via (\S+) dev (\S+)")
CHAIN = re.compile(r"-[Aj] (CNI-\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRequest:
    """What a container wants of a runtime that makes networks itself.

    Attributes:
        networks: Its networks.
        arguments: What it wants from each of them: {"IP": "172.16.28.9"}.
        ports: Mappings of ports: hostPort, containerPort, protocol, and hostIP if not every address.
    """

    networks: Sequence[Network]
    arguments: Mapping[str, str] = field(default_factory=dict)
    ports: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedNetwork:
    """A network that a container is in, as its runtime reports it: the name, the interface inside, the address."""

    network: str
    interface: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    """What a runtime reports of a running container.

    Attributes:
        id: By which plugins know the container (CNI_CONTAINERID).
        mark: What of it is in each rule of packets that is made for the container.
        networks: Its networks.
    """

    id: str
    mark: str
    networks: Sequence[AttachedNetwork]


@runtime_checkable
class Networking(Protocol):
    """What an engine has that makes its containers' networks itself, as `Spec.networks` wants them."""

    def read_network_status(self, name: str) -> NetworkStatus:
        """Return what the runtime reports of a running container's networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNetworks:
    """The networks of a container that its runtime has made; as much as cases look at of a `Namespace`.

    Attributes:
        name: By which plugins know the container.
        path: Where its network namespace is mounted; empty where it is not.
        mark: What of its name is in each rule of packets that is made for it.
        marks: One of these is in each line about what it has in the guest.
        reports: What it got from each network: those that were wanted first, in their order. The runtime writes one
            resolv.conf, so all of them have the same name servers.
    """

    name: str
    path: str
    mark: str
    marks: tuple[str, ...]
    reports: list[CniResult]


def read_networks(guest: Guest, pid: int, told: NetworkStatus, wanted: Sequence[str]) -> ContainerNetworks:
    """Return the networks of the container of a process.

    Args:
        guest: Where it runs.
        pid: A process of the container.
        told: What its runtime reports.
        wanted: Names of the networks that it wanted.

    Raises:
        LookupError: The runtime reports no network of a wanted name.
    """
    seen: dict[str, list[str]] = {}
    for line in guest.do(LOOK, str(pid), told.mark).splitlines():
        if line.startswith("# ") and line[2:] in SECTIONS:
            seen[line[2:]] = section = []
        else:
            section.append(line)
    joined = {each.network: each for each in told.networks}
    missing = [name for name in wanted if name not in joined]
    if missing:
        raise LookupError(f"the runtime reports no network {', '.join(missing)} but {', '.join(joined) or 'none'}")
    others = [name for name in joined if name not in wanted]
    chains = {found[1] for line in seen["nat"] for found in CHAIN.finditer(line)}
    return ContainerNetworks(
        name=told.id, path="".join(seen["path"]), mark=told.mark, marks=(told.mark, *sorted(chains)),
        reports=[_report(joined[name], seen) for name in (*wanted, *others)],
    )  # fmt: skip


def _report(joined: AttachedNetwork, seen: Mapping[str, Sequence[str]]) -> CniResult:
    links = {found[2]: found[4] for line in seen["link"] if (found := LINK.match(line))}
    ends = {(found[1], found[3]): (found[2], found[4]) for line in seen["outside"] if (found := LINK.match(line))}
    pairs = {found[2]: (found[3], found[1]) for line in seen["veth"] if (found := LINK.match(line))}
    outside = dict([ends[pairs[joined.interface]]]) if pairs.get(joined.interface) in ends else {}
    whole = {found[3]: found[2] for line in seen["address"] if (found := ADDRESS.match(line))}
    gateways = {found[2]: found[1] for line in seen["route"] if (found := VIA.search(line))}
    address = Address(
        interface=joined.interface,
        # An address that is reported and not there is what it is, for a case to find.
        address=ip_interface(whole.get(joined.address, joined.address)),
        gateway=gateways.get(joined.interface, ""),
    )
    words = [line.split() for line in seen["resolv"]]
    return CniResult(
        inside={joined.interface: links.get(joined.interface, "")},
        outside=outside,
        addresses=(address,),
        routes=(),
        nameservers=tuple(word for line in words if line[:1] == ["nameserver"] for word in line[1:]),
        search=tuple(word for line in words if line[:1] == ["search"] for word in line[1:]),
        raw={},
    )
