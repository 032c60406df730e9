"""What containers' networks left in the guest, besides what every container may leave."""

import re

from suites.lib.cni import LEASES, Cni
from suites.lib.guest import Guest
from suites.lib.leftovers import SNAPSHOT, Leftovers
from suites.lib.runtime import ContainerRuntime

__all__ = ["NetworkLeftovers"]

NETWORKS = rf"""
for path in /sys/class/net/* /run/netns/*; do [ ! -e "$path" ] || echo "path $path"; done
for path in {LEASES}/*/[0-9a-f]*; do [ ! -e "$path" ] || {{ read -r id <"$path"; echo "lease $path $id"; }}; done
for program in iptables ip6tables; do
    # The chains that do not come with the kernel have no policy.
    "$program-save" -t nat | while read -r rule; do case $rule in :*" - "* | -A*) echo "nat $rule" ;; esac; done
done
"""
"""Interfaces, network namespaces, addresses of host-local, and rules of masquerading and forwarded ports."""

SHARED = re.compile(r"nat :CNI-HOSTPORT-|nat -A CNI-HOSTPORT-(SETMARK|MASQ) |nat -A \w+ .*-j CNI-HOSTPORT-\w+$")
"""What the plugin portmap makes once, for all containers, and never removes (its README)."""

OWNED = re.compile(r'id: \\"([^"\\]+)\\"" .*-j (CNI-\S+)')
"""A rule of a container that leads to a chain of its own."""


class NetworkLeftovers(Leftovers):
    """Looks at networks too; those of namespaces that are there do not count."""

    script = SNAPSHOT + NETWORKS

    def __init__(self, guest: Guest, runtime: ContainerRuntime, cni: Cni) -> None:
        self.cni = cni
        self.bridges: list[str] = []
        """Bridges that stay when their last container is gone; the suite removes them in the end."""
        super().__init__(guest, runtime)

    def _take_snapshot(self) -> set[str]:
        lines = {line for line in super()._take_snapshot() if not SHARED.match(line)}
        live = self.cni.live
        chains = {found[2] for line in lines if (found := OWNED.search(line)) and found[1] in live}
        names = {name for namespace in live.values() for report in namespace.reports for name in report.outside}
        marks = {mark for namespace in live.values() for mark in namespace.marks}
        links = {f"path /sys/class/net/{name}" for name in (*names, *self.bridges)}
        return {
            line
            for line in lines - links
            if not any(mark in line for mark in marks) and not any(chain in line for chain in chains)
        }
