"""That nothing of a container's networks stays in the guest, however it ended."""

from dataclasses import dataclass

import pytest

from suites.lib.cni import LEASES, Namespace
from suites.lib.cni_spec import Network, PluginError
from suites.lib.guest import Guest
from suites.lib.runtime_networks import ContainerNetworks
from suites.networking.nets import DEFAULT, RESTRICTED, add_ports
from suites.networking.pods import Pods
from suites.networking.wire import GUEST, Wire

PORT = 10090
PORTS = ({"hostPort": PORT, "containerPort": 80, "protocol": "tcp"},)

LOOK = rf"""
[ ! -e "$1" ] || echo namespace
for link in $2; do [ ! -e "/sys/class/net/$link" ] || echo interface; done
! grep -qsr "^$3" {LEASES} || echo lease
! iptables-save -t nat | grep -q -e "$4" || echo rules
"""


@dataclass(frozen=True, slots=True)
class Traces:
    """What there is of a namespace's networks; made while it is in them."""

    guest: Guest
    namespace: Namespace | ContainerNetworks
    links: tuple[str, ...]

    @classmethod
    def collect(cls, guest: Guest, namespace: Namespace | ContainerNetworks) -> "Traces":
        """Return the traces of a namespace."""
        return cls(guest, namespace, tuple(name for report in namespace.reports for name in report.outside))

    def find(self) -> list[str]:
        """Return what there is now, in words."""
        it = self.namespace
        return self.guest.do(LOOK, it.path, " ".join(self.links), it.name, it.mark).split()


def test_nothing_is_left_after_stop(pods: Pods, guest: Guest, wire: Wire) -> None:
    """When a container was stopped and has left its networks, its port is closed and all of it is gone."""
    with pods.start(add_ports(RESTRICTED), ports=PORTS) as pod:
        traces, port = Traces.collect(guest, pod.namespace), f"{pod.gateway}:{PORT}"
        before, opened = traces.find(), wire.ask_from_guest(port)
        pod.container.stop()
        pod.leave()
        after, closed = traces.find(), wire.ask_from_guest(f"{GUEST}:{PORT}")

    assert before == ["namespace", "interface", "lease", "rules"]
    assert opened[0].server == pod.name
    assert after == []
    assert "refused" in closed[0].error


def test_nothing_is_left_after_a_crash(pods: Pods, guest: Guest) -> None:
    """What a killed container leaves behind is all found, and removed, by leaving its networks for it later."""
    with pods.start(DEFAULT) as pod:
        traces = Traces.collect(guest, pod.namespace)
        guest.do('kill -KILL "$1"', str(pod.container.pid))
        gone = guest.wait('[ ! -e "/proc/$1" ]', str(pod.container.pid))
        crashed = traces.find()
        pod.leave()

        assert gone
        assert crashed == ["namespace", "interface", "lease", "rules"]
        assert traces.find() == []


def test_leaving_twice_is_no_error(pods: Pods, guest: Guest) -> None:
    """A network can be left again, and when the namespace is gone: a collector of garbage does not know what was done."""
    with pods.make_namespace() as namespace:
        namespace.add(RESTRICTED)
        traces, attachments = Traces.collect(guest, namespace), namespace.attachments[:]
        guest.do('ip netns del "$1"', namespace.name)
        orphaned = traces.find()
        namespace.leave("eth0")
        left = traces.find()
        namespace.attachments += attachments
        namespace.leave("eth0")

    assert "lease" in orphaned
    assert left == []


def test_network_that_fails_is_undone(pods: Pods, guest: Guest) -> None:
    """Where a plugin of a list fails, what those before it made does not stay."""
    broken = Network(name="broken", plugins=(*RESTRICTED.plugins, {"type": "ptp", "ipam": {}}))
    with pods.make_namespace() as namespace:
        with pytest.raises(PluginError):
            namespace.add(broken)

        assert Traces.collect(guest, namespace).find() == ["namespace"]
        assert "eth0" not in namespace.run("ip", "-o", "link").out


def test_check_finds_what_is_missing(pods: Pods) -> None:
    """A network that is whole is found to be so; one whose address was taken away is not."""
    with pods.make_namespace() as namespace:
        namespace.add(RESTRICTED)
        namespace.check()
        namespace.run("ip", "address", "flush", "dev", "eth0")

        with pytest.raises(PluginError):
            namespace.check()
