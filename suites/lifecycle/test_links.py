"""What udev and networkd make of a link that something else made, and of rules that something else added."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suites.lib.guest import Guest
from suites.lib.leftovers import Leftovers

LINK, PEER, MANAGED = "hn-made", "hn-peer", "hn-managed"
"""A pair that belongs to no one, and a link that networkd configures."""

ADDRESS = "02:00:5e:00:53:01"
"""A hardware address for documentation (RFC 7042), made one of local use."""

MAKE = r"""
ip link add "$1" address "$3" type veth peer name "$2" || exit
ip link set "$1" up
# What udev does to a new link it does now; two seconds are what a plug-in of people waits at most.
sleep 2
! command -v udevadm >/dev/null || udevadm settle
cat "/sys/class/net/$1/address" "/proc/sys/net/ipv4/conf/$1/rp_filter" "/proc/sys/net/ipv4/conf/all/rp_filter"
"""

RULE = ("from", "198.51.100.0/24", "lookup", "777", "priority", "7777")
"""A rule as a plug-in adds one for a container's addresses (RFC 5737)."""

STARTED = "for unit in systemd-networkd.socket systemd-networkd.service; do systemctl is-active --quiet $unit || echo $unit; done"
"""What of networkd a case starts, and stops afterwards."""

MANAGE = r"""
systemctl start systemd-networkd.service || exit
network=/run/systemd/network/70-$1.network
mkdir -p /run/systemd/network && printf '[Match]\nName=%s\n[Network]\nLinkLocalAddressing=no\nAddress=192.0.2.99/32\n' "$1" >"$network" &&
    ip link add "$1" type veth peer name "$1-p" && ip link set "$1-p" up && networkctl reload || exit
"""

CONFIGURED = "networkctl status --no-pager \"$1\" | grep -q '(configured)\\|State: routable (configured'"

UNMANAGE = r"""
link=$1; shift
ip rule del "$@" 2>/dev/null
ip link del "$link"; rm -f "/run/systemd/network/70-$link.network"; networkctl reload
"""

END = '[ $# -eq 0 ] || systemctl stop "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedLink:
    """A link two seconds after it was made.

    Attributes:
        address: Its hardware address.
        filters: How strictly the way back of its packets is checked, by itself and by the guest for all links.
    """

    address: str
    filters: tuple[int, ...]


@pytest.fixture(scope="module")
def link(guest: Guest, leftovers: Leftovers) -> Iterator[WatchedLink]:
    """A veth pair with an address that its maker chose, as network plug-ins make them."""
    try:
        with leftovers.ignore_new():
            address, *filters = guest.do(MAKE, LINK, PEER, ADDRESS).split()
        yield WatchedLink(address=address, filters=tuple(map(int, filters)))
    finally:
        guest.sh('ip link del "$1"', LINK)


def test_link_keeps_its_address(link: WatchedLink) -> None:
    """The address that a link was made with is what it has when udev has seen it (flannel#1155)."""
    assert link.address == ADDRESS


def test_packets_of_a_new_link_are_not_filtered(link: WatchedLink) -> None:
    """The way back of packets is not checked, as the kernel has it by default; a container's would be dropped (cilium#10645)."""
    assert link.filters == (0, 0)


def test_foreign_rule_survives_a_restart_of_networkd(guest: Guest) -> None:
    """Networkd leaves the routing rules of others alone when it starts again and has a link to configure (flatcar#620)."""
    if guest.sh("systemctl cat systemd-networkd.service").code != 0:
        pytest.skip("needs systemd-networkd, which this guest does not have")
    started = guest.do(STARTED).split()
    try:
        guest.do(MANAGE, MANAGED)
        assert guest.wait(CONFIGURED, MANAGED, seconds=30)
        guest.do('ip rule add "$@"', *RULE)
        guest.do("systemctl restart systemd-networkd.service")
        assert guest.wait(CONFIGURED, MANAGED, seconds=30)
        rules = guest.do("sleep 1; ip rule show priority 7777")
    finally:
        guest.sh(UNMANAGE, MANAGED, *RULE)
        guest.sh(END, *started)

    assert "198.51.100.0/24" in rules
