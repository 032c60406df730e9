"""Fixtures of the suite inside: the systems on the guest's other disks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

MOUNT = r"""
mkdir -p "$1" || exit
for disk in /dev/vd[b-z]; do
    [ -b "$disk" ] || continue
    place=$1/${disk##*/}
    mkdir -p "$place" && mount -t ext4 -o ro,noload "$disk" "$place" 2>/dev/null || { rmdir "$place"; continue; }
    for library in "$place"/usr/lib/systemd/libsystemd-shared-*.so "$place"/usr/lib/*/systemd/libsystemd-shared-*.so; do
        [ -e "$library" ] && echo "$place ${library##*/}" && break
    done
done; :
"""

UMOUNT = 'for place in "$1"/*; do umount "$place" && rmdir "$place"; done; rmdir "$1"'


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSystem:
    """A system on another disk of the guest's.

    Attributes:
        tree: Where it is mounted.
        systemd: Major version of its systemd.
    """

    tree: str
    systemd: int


@contextmanager
def _mount(guest: Guest, place: str) -> Iterator[list[OtherSystem]]:
    try:
        lines = [line.split() for line in guest.do(MOUNT, place).splitlines()]
        yield [OtherSystem(tree=tree, systemd=int(re.findall(r"\d+", name)[0])) for tree, name in lines]
    finally:
        guest.do(UMOUNT, place)


@pytest.fixture(scope="package")
def others(runtime: ContainerRuntime, guest: Guest) -> Iterator[list[OtherSystem]]:
    """All of them."""
    with _mount(guest, f"/run/{runtime.prefix}-disks") as found:
        yield found
