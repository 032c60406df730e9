"""Networks of containers by CNI: calls plugins as a container runtime does.

The CNI specification 1.0.0, sections 2 (execution protocol) and 3 (execution of lists), is what is spoken here; the
plugins are those of Debian's containernetworking-plugins. A runtime that makes no networks
itself gets the path of a network namespace that is ready.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from suites.lib.cni_spec import VERSIONS, CniResult, Network, PluginError, VersionError, read_answer
from suites.lib.guest import Guest, Result
from suites.lib.runtime_networks import ContainerNetworks

__all__ = ["LEASES", "PLUGINS", "Cni", "Namespace", "connect"]

PLUGINS = "/usr/lib/cni"
"""Where Debian has the plugins."""

LEASES = "/var/lib/cni/networks"
"""Where host-local keeps a file for each address that it gave out, in a directory for each network."""

CALL = r"""
plugin=$1 configuration=$2; shift 2
printf %s "$configuration" | env "$@" "$plugin"
"""

MAKE = r"""
[ -e "/run/netns/$1" ] || { ip netns add "$1" && ip -n "$1" link set lo up; } || exit
shift
"""

LEAVE = r"""
name=$1 remove=$2 code=0; shift 2
while [ $# -gt 0 ]; do
    plugin=$1 configuration=$2 environment=$3; shift 3
    # A namespace that is gone has no path (section 2, "Parameters"); the plugin gives back what it has elsewhere.
    [ -e "/run/netns/$name" ] || environment="$environment CNI_NETNS="
    # Everything is tried, whatever fails before.
    printf %s "$configuration" | env -S "$environment" "$plugin" || { code=$?; echo; }
done
[ "$remove" = no ] || [ ! -e "/run/netns/$name" ] || ip netns del "$name" || exit
exit $code
"""


@dataclass(slots=True, kw_only=True)
class Attachment:
    """A network that a namespace is in, or is on its way into."""

    network: Network
    interface: str
    arguments: Mapping[str, str]
    capabilities: Mapping[str, Any]
    report: CniResult | None = None


class Cni:
    """The plugins of a guest."""

    def __init__(self, guest: Guest, version: str, prefix: str) -> None:
        self.guest = guest
        self.version = version
        self.prefix = prefix
        self.live: dict[str, Namespace | ContainerNetworks] = {}
        """The namespaces, and containers with networks of their runtime's making, that are there, by name."""
        self._numbers = count(1)

    @contextmanager
    def make_namespace(self) -> Iterator["Namespace"]:
        """Provide a network namespace, which its first network makes; in the end it leaves its networks and is removed."""
        # All names are of one length, so that none is the beginning of another.
        namespace = Namespace(self, f"{self.prefix}-net{next(self._numbers):04}")
        self.live[namespace.name] = namespace
        try:
            yield namespace
        finally:
            try:
                namespace.remove()
            finally:
                del self.live[namespace.name]


@dataclass(slots=True)
class Namespace:
    """A network namespace of a container, /run/netns/NAME; its name is also the container's id for plugins."""

    cni: Cni
    name: str
    attachments: list[Attachment] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return f"/run/netns/{self.name}"

    @property
    def mark(self) -> str:
        """What of its name is in each rule of packets that is made for it."""
        return self.name

    @property
    def marks(self) -> tuple[str, ...]:
        """One of these is in each line about what it has in the guest."""
        return (self.name,)

    @property
    def reports(self) -> list[CniResult]:
        """What it got from each network."""
        return [attachment.report for attachment in self.attachments if attachment.report]

    def add(
        self,
        network: Network,
        interface: str = "eth0",
        *,
        arguments: Mapping[str, str] | None = None,
        capabilities: Mapping[str, Any] | None = None,
    ) -> CniResult:
        """Join a network: each plugin of its list, in order.

        Args:
            network: The network.
            interface: Name of the interface that is made.
            arguments: What this container wants: {"IP": "172.16.28.9"}.
            capabilities: See `Network.format_configuration`.

        Raises:
            PluginError: A plugin refused. As a runtime does, everything is undone then.
        """
        attachment = Attachment(
            network=network, interface=interface, arguments=arguments or {}, capabilities=capabilities or {}
        )
        previous: Mapping[str, Any] | None = None
        try:
            for index, plugin in enumerate(network.plugins):
                configuration = network.format_configuration(index, self.cni.version, previous, attachment.capabilities)
                words = (f"{PLUGINS}/{plugin['type']}", configuration, *self._make_environment("ADD", attachment))
                previous = read_answer(plugin["type"], "ADD", self.cni.guest.sh(MAKE + CALL, self.name, *words))
        except PluginError:
            # A plugin would take away the interface of another network, if that has the name.
            if interface not in {other.interface for other in self.attachments}:
                with suppress(PluginError):
                    self._leave([attachment])
            raise
        attachment.report = CniResult.parse(previous or {})
        self.attachments.append(attachment)
        return attachment.report

    def run(self, *argv: str) -> Result:
        """Run a command of the guest in it: all that a namespace without a container can do."""
        return self.cni.guest.sh('exec ip netns exec "$@"', self.name, *argv)

    def check(self) -> None:
        """Ask each plugin whether all that it made is as it made it; raises PluginError if not."""
        for attachment in self.attachments:
            raw = attachment.report.raw if attachment.report else None
            for index, plugin in enumerate(attachment.network.plugins):
                configuration = attachment.network.format_configuration(
                    index, self.cni.version, raw, attachment.capabilities
                )
                words = (f"{PLUGINS}/{plugin['type']}", configuration, *self._make_environment("CHECK", attachment))
                read_answer(plugin["type"], "CHECK", self.cni.guest.sh(CALL, *words))

    def leave(self, interface: str) -> None:
        """Leave the network of an interface; the namespace stays."""
        leaving = [attachment for attachment in self.attachments if attachment.interface == interface]
        self.attachments = [attachment for attachment in self.attachments if attachment not in leaving]
        self._leave(leaving)

    def remove(self) -> None:
        """Leave all networks and remove the namespace; raises PluginError if a plugin could not."""
        leaving, self.attachments = self.attachments, []
        self._leave(leaving, remove=True)

    def _leave(self, attachments: Sequence[Attachment], *, remove: bool = False) -> None:
        """Leave networks: the last network first, the last plugin first."""
        words: list[str] = []
        for attachment in reversed(attachments):
            raw = attachment.report.raw if attachment.report else None
            for index in reversed(range(len(attachment.network.plugins))):
                plugin = attachment.network.plugins[index]["type"]
                configuration = attachment.network.format_configuration(
                    index, self.cni.version, raw, attachment.capabilities
                )
                environment = Guest.quote(*self._make_environment("DEL", attachment))
                words += [f"{PLUGINS}/{plugin}", configuration, environment]
        result = self.cni.guest.sh(LEAVE, self.name, "yes" if remove else "no", *words)
        read_answer("in the list", "DEL", result)

    def _make_environment(self, command: str, attachment: Attachment) -> list[str]:
        variables = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.name,
            "CNI_NETNS": self.path,
            "CNI_IFNAME": attachment.interface,
            "CNI_ARGS": ";".join(f"{name}={value}" for name, value in attachment.arguments.items()),
            "CNI_PATH": PLUGINS,
        }
        return [f"{name}={value}" for name, value in variables.items()]


def connect(guest: Guest, prefix: str) -> Cni:
    """Return the plugins of a guest, with the newest version that both sides speak.

    Raises:
        VersionError: There is none.
        CommandFailedError: The guest has no plugins.
    """
    question = json.dumps({"cniVersion": VERSIONS[-1]})
    said = guest.do('printf %s "$2" | CNI_COMMAND=VERSION "$1"', f"{PLUGINS}/ptp", question)
    supported = json.loads(said)["supportedVersions"]
    common = [version for version in VERSIONS if version in supported]
    if not common:
        raise VersionError(f"The plugins speak CNI {', '.join(supported)}, and the suites {', '.join(VERSIONS)}.")
    return Cni(guest, common[-1], prefix)
