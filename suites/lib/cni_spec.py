"""The words of CNI: a network's configuration, what a plugin answers, and the errors that it reports.

All of it is from the CNI specification 1.0.0, sections 1 (network configuration format), 3 (execution of lists) and
5 (result types).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from suites.lib.guest import CommandFailedError, Result

__all__ = ["VERSIONS", "Address", "CniResult", "Network", "PluginError", "VersionError", "read_answer"]

VERSIONS = ("0.4.0", "1.0.0")
"""Versions of the specification that are spoken here, the newest last; CHECK is there since 0.4.0."""


class PluginError(Exception):
    """A plugin said why it could not do what it was asked for.

    Attributes:
        plugin: Its type: "bridge".
        command: What it was asked for: "ADD".
        code: Its number of the error; the specification has those below 100.
        message: What it said.
    """

    def __init__(self, plugin: str, command: str, code: int, message: str) -> None:
        super().__init__(f"The plugin {plugin} failed to {command} (code {code}): {message}")
        self.plugin = plugin
        self.command = command
        self.code = code
        self.message = message


class VersionError(Exception):
    """The guest's plugins and this module have no version of the specification in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address that a container got.

    Attributes:
        interface: Name of the interface in the container, or empty where the plugin does not say it.
        address: The address with its network.
        gateway: The address of the way out, or empty.
    """

    interface: str
    address: IPv4Interface | IPv6Interface
    gateway: str

    @property
    def ip(self) -> str:
        """The address alone."""
        return str(self.address.ip)


@dataclass(frozen=True, slots=True, kw_only=True)
class CniResult:
    """What a list of plugins has made (the specification's Success result).

    Attributes:
        inside: MAC address by name of the interfaces in the container.
        outside: MAC address by name of those in the guest.
        addresses: Addresses of the container.
        routes: Destinations of its routes.
        nameservers: DNS servers that it is to ask.
        search: Domains in which its short names are looked for.
        raw: The result as the plugin gave it, for the plugin that is asked next.
    """

    inside: Mapping[str, str]
    outside: Mapping[str, str]
    addresses: tuple[Address, ...]
    routes: tuple[str, ...]
    nameservers: tuple[str, ...]
    search: tuple[str, ...]
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> "CniResult":
        """Read a result of one of `VERSIONS`."""
        interfaces = raw.get("interfaces") or []
        dns = raw.get("dns") or {}
        names = [interface["name"] for interface in interfaces]
        return cls(
            inside={each["name"]: each.get("mac", "") for each in interfaces if each.get("sandbox")},
            outside={each["name"]: each.get("mac", "") for each in interfaces if not each.get("sandbox")},
            addresses=tuple(
                Address(
                    interface=names[each["interface"]] if each.get("interface") is not None else "",
                    address=ip_interface(each["address"]),
                    gateway=each.get("gateway") or "",
                )
                for each in raw.get("ips") or []
            ),
            routes=tuple(route["dst"] for route in raw.get("routes") or []),
            nameservers=tuple(dns.get("nameservers") or []),
            search=tuple(dns.get("search") or []),
            raw=raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as an administrator configures it: a list of plugins, the first of which makes the interface.

    Attributes:
        name: Its name; host-local gives each name its own leases.
        plugins: The configuration of each plugin.
    """

    name: str
    plugins: tuple[Mapping[str, Any], ...]

    def format_configuration(
        self, index: int, version: str, previous: Mapping[str, Any] | None, capabilities: Mapping[str, Any]
    ) -> str:
        """Return what the plugin at `index` reads on its standard input (section "Deriving execution configuration").

        Args:
            index: Which plugin.
            version: Version of the specification.
            previous: Result of the plugin before it, or of all of them.
            capabilities: Values of a single container by the capability's name, such as portMappings; a plugin
                gets those that its configuration says it has.
        """
        plugin = dict(self.plugins[index])
        own = plugin.pop("capabilities", {})
        wanted = {name: value for name, value in capabilities.items() if own.get(name)}
        return json.dumps(
            {
                **plugin, "cniVersion": version, "name": self.name,
                **({"runtimeConfig": wanted} if wanted else {}),
                **({"prevResult": previous} if previous is not None else {}),
            }
        )  # fmt: skip


def read_answer(plugin: str, command: str, result: Result) -> dict[str, Any]:
    """Return what a plugin, or the first of several, wrote to its standard output.

    Raises:
        PluginError: It failed, and said why.
        CommandFailedError: It failed in another way.
    """
    text = result.out.strip()
    try:
        said = dict(json.JSONDecoder().raw_decode(text)[0]) if text else {}
    except ValueError as error:
        raise CommandFailedError(f"{plugin} {command}", result) from error
    if result.code != 0 and "code" not in said:
        raise CommandFailedError(f"{plugin} {command}", result)
    if result.code != 0:
        details = f" ({said['details']})" if said.get("details") else ""
        raise PluginError(plugin, command, int(said["code"]), said.get("msg", "") + details)
    return said
