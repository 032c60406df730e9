"""The caller of CNI plugins that the suite networking uses; tests/guest/test_suites.py runs the suite."""

import json
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any

import pytest

from suites.lib import cni
from suites.lib.cni import Cni
from suites.lib.cni_spec import CniResult, Network, PluginError, VersionError, read_answer
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.runtime_networks import AttachedNetwork, NetworkStatus, read_networks
from suites.networking.wire import Reply, parse

NETWORK = Network(
    name="blue",
    plugins=(
        {"type": "ptp", "ipam": {"type": "host-local"}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ),
)
PORTS = {"portMappings": [{"hostPort": 80}], "bandwidth": {}}

ADDED: Mapping[str, Any] = {
    "cniVersion": "1.0.0",
    "interfaces": [
        {"name": "veth1", "mac": "02:00:00:00:00:01"},
        {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/x"},
    ],
    "ips": [
        {"interface": 1, "address": "10.0.0.2/24", "gateway": "10.0.0.1"},
        {"version": "6", "address": "fd00::2/64"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {"nameservers": ["10.0.0.53"], "search": ["test"]},
}


class Plugins:
    """A guest whose plugins answer with what they are given, one answer for each command, and remember the commands."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, ...]] = []
        self.rc, self.stdout, self.stderr = 0, "", ""

    def run(self, _: str, *args: str) -> "Plugins":
        """Answer."""
        self.asked.append(args)
        self.rc, self.stdout = self.answers.pop(0) if self.answers else (0, "")
        return self


def refused(code: int, message: str) -> tuple[int, str]:
    return 1, json.dumps({"cniVersion": "1.0.0", "code": code, "msg": message, "details": "at 10.0.0.2"})


def test_configuration_is_derived_for_each_plugin() -> None:
    """A plugin gets the list's name and version, the result before it, and of the container's wishes those it knows."""
    first = json.loads(NETWORK.format_configuration(0, "1.0.0", None, PORTS))
    second = json.loads(NETWORK.format_configuration(1, "1.0.0", ADDED, PORTS))

    assert first == {"type": "ptp", "ipam": {"type": "host-local"}, "cniVersion": "1.0.0", "name": "blue"}
    assert second == {
        "type": "portmap", "cniVersion": "1.0.0", "name": "blue", "prevResult": ADDED,
        "runtimeConfig": {"portMappings": [{"hostPort": 80}]},
    }  # fmt: skip


def test_report_tells_inside_from_outside() -> None:
    """Interfaces with a sandbox are the container's; an address without an interface is of none that is known."""
    report = CniResult.parse(ADDED)

    assert (report.inside, report.outside) == ({"eth0": "02:00:00:00:00:02"}, {"veth1": "02:00:00:00:00:01"})
    assert [(each.interface, each.address, each.gateway) for each in report.addresses] == [
        ("eth0", ip_interface("10.0.0.2/24"), "10.0.0.1"),
        ("", ip_interface("fd00::2/64"), ""),
    ]
    assert (report.routes, report.nameservers, report.search) == (("0.0.0.0/0",), ("10.0.0.53",), ("test",))
    assert CniResult.parse({"cniVersion": "1.0.0"}).addresses == ()


def test_error_of_a_plugin_has_its_words() -> None:
    """The message names the plugin, what it was asked, and what it said; what is no answer of CNI is reported as it is."""
    code, text = refused(11, "try later")
    with pytest.raises(PluginError, match=r"ptp failed to ADD \(code 11\): try later \(at 10.0.0.2\)"):
        read_answer("ptp", "ADD", Result(code=code, out=text + text, err=""))
    for output in ("", "panic: no", "{}"):
        with pytest.raises(CommandFailedError, match="ptp ADD"):
            read_answer("ptp", "ADD", Result(code=2, out=output, err="it died"))
    assert read_answer("ptp", "DEL", Result(code=0, out="", err="")) == {}


def test_plugins_are_called_in_order_and_left_in_reverse() -> None:
    """Each plugin of a list is added with the result before it; all are deleted, the last one first, in one command."""
    host = Plugins((0, json.dumps(ADDED)), (0, json.dumps(ADDED)))
    with Cni(Guest(host), "1.0.0", "harness").make_namespace() as namespace:
        namespace.add(NETWORK, arguments={"IP": "10.0.0.2", "X": "y"}, capabilities=PORTS)
    first, second, last = host.asked

    assert first[1:3] == ("harness-net0001", "/usr/lib/cni/ptp")
    assert {"CNI_COMMAND=ADD", "CNI_IFNAME=eth0", "CNI_ARGS=IP=10.0.0.2;X=y"} < set(first)
    assert {"CNI_CONTAINERID=harness-net0001", "CNI_NETNS=/run/netns/harness-net0001"} < set(first)
    assert json.loads(second[3])["prevResult"] == ADDED
    assert [word for word in last if word.startswith("/usr/lib/cni/")] == ["/usr/lib/cni/portmap", "/usr/lib/cni/ptp"]
    assert last[1:3] == ("harness-net0001", "yes")
    assert "CNI_COMMAND=DEL" in last[5]


def test_network_that_fails_is_left_again() -> None:
    """When a plugin of a list refuses, the whole list is deleted, and the container is not in the network."""
    host = Plugins((0, json.dumps(ADDED)), refused(7, "no such port"))
    with Cni(Guest(host), "1.0.0", "harness").make_namespace() as namespace:
        with pytest.raises(PluginError, match="no such port"):
            namespace.add(NETWORK)

        assert namespace.reports == []
        assert [word for word in host.asked[-1] if word.startswith("/usr/lib/cni/")] == [
            "/usr/lib/cni/portmap",
            "/usr/lib/cni/ptp",
        ]


def test_interface_of_another_network_is_not_taken_away() -> None:
    """When a plugin refuses a name that another network's interface has, nothing is deleted by that name."""
    host = Plugins(*[(0, json.dumps(ADDED))] * 2, refused(999, "eth0 exists"))
    with Cni(Guest(host), "1.0.0", "harness").make_namespace() as namespace:
        namespace.add(NETWORK)
        with pytest.raises(PluginError, match="eth0 exists"):
            namespace.add(NETWORK)

        assert len(host.asked) == 3


def test_newest_version_that_both_speak() -> None:
    """Plugins of any age that speak one of our versions are used; others are named."""
    old, new, ancient = (
        {"supportedVersions": versions} for versions in (["0.4.0"], ["0.4.0", "1.0.0", "1.1.0"], ["0.2.0"])
    )

    assert cni.connect(Guest(Plugins((0, json.dumps(old)))), "x").version == "0.4.0"
    assert cni.connect(Guest(Plugins((0, json.dumps(new)))), "x").version == "1.0.0"
    with pytest.raises(VersionError, match=r"speak CNI 0\.2\.0"):
        cni.connect(Guest(Plugins((0, json.dumps(ancient)))), "x")


SEEN = r"""# path
/run/netns/cni-1
# link
1: lo: <LOOPBACK,UP> mtu 65536 state UNKNOWN \    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if7: <BROADCAST,UP> mtu 1500 state UP \    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0
3: eth1@if4: <BROADCAST,UP> mtu 1500 state UP \    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff link-netnsid 0
# veth
2: eth0@if7: <BROADCAST,UP> mtu 1500 state UP \    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0
# address
1: lo    inet 127.0.0.1/8 scope host lo
2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0
2: eth0    inet6 fe80::1/64 scope link
3: eth1    inet 192.0.2.9/24 brd 192.0.2.255 scope global eth1
# route
10.0.0.0/24 via 10.0.0.1 dev eth0 src 10.0.0.2
10.0.0.1 dev eth0 scope link src 10.0.0.2
192.0.2.0/24 dev eth1 proto kernel scope link src 192.0.2.9
# outside
4: harness0@if2: <BROADCAST,UP> mtu 1500 state UP \    link/ether 02:00:00:00:00:04 brd ff:ff:ff:ff:ff:ff link-netns b
7: veth7@if2: <BROADCAST,UP> mtu 1500 state UP \    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff link-netns c
# nat
-A POSTROUTING -s 10.0.0.2/32 -m comment --comment "name: \"blue\" id: \"6f1e0d3c-1\"" -j CNI-0123
# resolv
# Generated
nameserver 192.0.2.53
search a.test b.test
"""


def test_networks_that_a_runtime_has_made() -> None:
    """The runtime's word has the name, interface and address; what the guest shows has the rest, of each interface."""
    told = NetworkStatus(
        id="6f1e0d3c-1", mark="6f1e0d3c",
        networks=[AttachedNetwork(network="wire", interface="eth1", address="192.0.2.9"),
                  AttachedNetwork(network="blue", interface="eth0", address="10.0.0.2")],
    )  # fmt: skip
    made = read_networks(Guest(Plugins((0, SEEN))), 7, told, ["blue"])
    blue, wire = made.reports

    assert (made.name, made.path, made.marks) == ("6f1e0d3c-1", "/run/netns/cni-1", ("6f1e0d3c", "CNI-0123"))
    assert (blue.inside, blue.outside) == ({"eth0": "02:00:00:00:00:02"}, {"veth7": "02:00:00:00:00:07"})
    assert (wire.inside, wire.outside) == ({"eth1": "02:00:00:00:00:03"}, {})
    assert [(each.address, each.gateway) for each in (*blue.addresses, *wire.addresses)] == [
        (ip_interface("10.0.0.2/24"), "10.0.0.1"),
        (ip_interface("192.0.2.9/24"), ""),
    ]
    assert (blue.nameservers, blue.search) == (("192.0.2.53",), ("a.test", "b.test"))
    with pytest.raises(LookupError, match="no network red but wire, blue"):
        read_networks(Guest(Plugins((0, SEEN))), 7, told, ["red"])


def test_answers_of_servers() -> None:
    """What a server said, or why there was none; an address of IPv4 is itself by whatever socket it came."""
    text = "::ffff:192.0.2.1 guest\nTerminated\nwget: no answer within 1 s\n[fd00::2] pod\n"

    assert parse(text) == [
        Reply(peer="192.0.2.1", server="guest"),
        Reply(error="no answer within 1 s"),
        Reply(peer="fd00::2", server="pod"),
    ]
