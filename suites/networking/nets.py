"""The networks of the suite, as configurations of CNI; the first two are rkt's own (its Documentation/networking)."""

from collections.abc import Mapping, Sequence
from typing import Any

from suites.lib.cni_spec import Network
from suites.networking.wire import LINK

__all__ = [
    "BRIDGE",
    "BRIDGED",
    "DEFAULT",
    "IPVLAN_L2",
    "IPVLAN_L3",
    "MACVLAN",
    "RESTRICTED",
    "add_ports",
    "make_ipam",
    "make_ptp",
]  # fmt: skip

BRIDGE = "harness1"
"""The bridge that the plugin makes for `BRIDGED`."""

EVERYWHERE = "0.0.0.0/0"


def make_ipam(*subnets: str, routes: Sequence[str] = (), **more: str) -> Mapping[str, Any]:
    """Return the part for addresses by the plugin host-local: one of each subnet; `more` is part of each range."""
    return {
        "type": "host-local",
        "ranges": [[{"subnet": subnet, **more}] for subnet in subnets],
        "routes": [{"dst": route} for route in routes],
    }


def make_ptp(name: str, *subnets: str, masquerade: bool = False, routes: Sequence[str] = (), **more: Any) -> Network:
    """Return a network that is a veth pair for each container."""
    plugin = {"type": "ptp", "ipMasq": masquerade, "ipam": make_ipam(*subnets, routes=routes), **more}
    return Network(name=name, plugins=(plugin,))


def add_ports(network: Network) -> Network:
    """Return the same network with ports of the guest that are forwarded to its containers."""
    return Network(
        name=network.name, plugins=(*network.plugins, {"type": "portmap", "capabilities": {"portMappings": True}})
    )


DEFAULT = make_ptp("default", "172.16.28.0/24", masquerade=True, routes=(EVERYWHERE,))

RESTRICTED = make_ptp("default-restricted", "172.17.0.0/26")

BRIDGED = Network(
    name="bridged",
    plugins=(
        {
            "type": "bridge", "bridge": BRIDGE, "isGateway": True, "isDefaultGateway": True, "ipMasq": True,
            "hairpinMode": True, "ipam": make_ipam("10.88.0.0/24"),
        },
    ),
)  # fmt: skip

MACVLAN = Network(
    name="macvlan",
    plugins=(
        {
            "type": "macvlan",
            "master": LINK,
            "mode": "bridge",
            "ipam": make_ipam("192.0.2.0/24", rangeStart="192.0.2.128"),
        },
    ),
)

IPVLAN_L2 = Network(
    name="ipvlan-l2",
    plugins=(
        {"type": "ipvlan", "master": LINK, "mode": "l2", "ipam": make_ipam("192.0.2.0/24", rangeStart="192.0.2.64")},
    ),
)

IPVLAN_L3 = Network(
    name="ipvlan-l3",
    plugins=(
        {"type": "ipvlan", "master": LINK, "mode": "l3", "ipam": make_ipam("198.51.100.0/24", routes=(EVERYWHERE,))},
    ),
)
