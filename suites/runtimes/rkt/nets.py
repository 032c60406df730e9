"""Networks as rkt makes them: configurations in files, and the words of --net and --port.

From rkt's Documentation/networking: each file *.conf is one plugin's configuration, of the version 0.1.0 of CNI as it
names none; rkt joins the networks that it is given in the order of their files.
"""

import json
from collections.abc import Mapping
from typing import Any

from suites.lib.cni_spec import Network
from suites.lib.rights import LacksError
from suites.lib.runtime_networks import NetworkRequest
from suites.runtimes.rkt.command import Port
from suites.runtimes.rkt.images import make_port

__all__ = ["BUILTIN", "format_words", "list_image_ports", "list_ports", "make_files"]

BUILTIN = ("default", "default-restricted")
"""Networks that rkt has without a file; the second one is added where neither of them is wanted."""


def make_files(wanted: NetworkRequest) -> dict[str, str]:
    """Return names and texts of the files in net.d.

    Raises:
        LacksError: rkt has no word for something that was asked for.
    """
    names = [network.name for network in wanted.networks]
    if len(set(names)) < len(names):
        raise LacksError("rkt joins a network once only")
    return {
        f"{number:02}-{network.name}.conf": json.dumps(_make_configuration(network))
        for number, network in enumerate(wanted.networks)
        if network.name not in BUILTIN
    }


def _make_configuration(network: Network) -> Mapping[str, Any]:
    plugin, *more = network.plugins
    # rkt forwards ports itself.
    if any(each["type"] != "portmap" for each in more):
        raise LacksError("rkt calls one plugin for each network")
    ipam = dict(plugin["ipam"])
    ranges = ipam.pop("ranges", [])
    if len(ranges) > 1:
        raise LacksError("rkt's host-local gives one address for each network")
    return {"name": network.name, **plugin, "ipam": {**ipam, **(ranges[0][0] if ranges else {})}}


def format_words(wanted: NetworkRequest) -> tuple[str, ...]:
    """Return the networks as --net has them."""
    arguments = ";".join(f"{name}={value}" for name, value in wanted.arguments.items())
    return tuple(f"{network.name}:{arguments}" if arguments else network.name for network in wanted.networks)


def list_ports(wanted: NetworkRequest) -> tuple[Port, ...]:
    """Return the ports of the guest, by the names that `list_image_ports` gives them."""
    return tuple(
        Port(name=f"p{number}", port=each["hostPort"], address=each.get("hostIP", ""))
        for number, each in enumerate(wanted.ports)
    )


def list_image_ports(wanted: NetworkRequest) -> tuple[Mapping[str, Any], ...]:
    """Return the ports that the image has to declare."""
    return tuple(
        make_port(f"p{number}", each["containerPort"], protocol=each["protocol"])
        for number, each in enumerate(wanted.ports)
    )
