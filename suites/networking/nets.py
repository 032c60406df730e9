"""The networks of the suite, as configurations of CNI; the first two are rkt's own (its Documentation/networking)."""

from collections.abc import Mapping, Sequence
from typing import Any

from suites.lib.cnispec import Network
from suites.networking.wire import LINK

__all__ = [
    "BRIDGE", "BRIDGED", "DEFAULT", "IPVLAN_L2", "IPVLAN_L3", "MACVLAN", "RESTRICTED", "ipam", "ptp", "with_ports",
]  # fmt: skip

BRIDGE = "harness1"
"""The bridge that the plugin makes for `BRIDGED`."""

EVERYWHERE = "0.0.0.0/0"


def ipam(*subnets: str, routes: Sequence[str] = (), **more: str) -> Mapping[str, Any]:
    """Return the part for addresses by the plugin host-local: one of each subnet; `more` is part of each range."""
    return {
        "type": "host-local",
        "ranges": [[{"subnet": subnet, **more}] for subnet in subnets],
        "routes": [{"dst": route} for route in routes],
    }


def ptp(name: str, *subnets: str, masquerade: bool = False, routes: Sequence[str] = (), **more: Any) -> Network:
    """Return a network that is a veth pair for each container."""
    plugin = {"type": "ptp", "ipMasq": masquerade, "ipam": ipam(*subnets, routes=routes), **more}
    return Network(name=name, plugins=(plugin,))


def with_ports(network: Network) -> Network:
    """Return the same network with ports of the guest that are forwarded to its containers."""
    return Network(
        name=network.name, plugins=(*network.plugins, {"type": "portmap", "capabilities": {"portMappings": True}})
    )


DEFAULT = ptp("default", "172.16.28.0/24", masquerade=True, routes=(EVERYWHERE,))

RESTRICTED = ptp("default-restricted", "172.17.0.0/26")

BRIDGED = Network(
    name="bridged",
    plugins=(
        {
            "type": "bridge", "bridge": BRIDGE, "isGateway": True, "isDefaultGateway": True, "ipMasq": True,
            "hairpinMode": True, "ipam": ipam("10.88.0.0/24"),
        },
    ),
)  # fmt: skip

MACVLAN = Network(
    name="macvlan",
    plugins=(
        {"type": "macvlan", "master": LINK, "mode": "bridge", "ipam": ipam("192.0.2.0/24", rangeStart="192.0.2.128")},
    ),
)

IPVLAN_L2 = Network(
    name="ipvlan-l2",
    plugins=({"type": "ipvlan", "master": LINK, "mode": "l2", "ipam": ipam("192.0.2.0/24", rangeStart="192.0.2.64")},),
)

IPVLAN_L3 = Network(
    name="ipvlan-l3",
    plugins=({"type": "ipvlan", "master": LINK, "mode": "l3", "ipam": ipam("198.51.100.0/24", routes=(EVERYWHERE,))},),
)
