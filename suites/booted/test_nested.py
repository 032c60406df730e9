"""What a container with root's rights may do in itself: mount its kernel's file systems, and run containers."""

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature

pytestmark = pytest.mark.needs(feature=Feature.OWN_SYSTEMD)

MOUNTS = r"""
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no: $?"; fi; }
mkdir -p /tmp/mounted
try proc unshare --mount --pid --fork mount -t proc proc /proc
try sysfs unshare --mount --net mount -t sysfs sysfs /tmp/mounted
try tmpfs unshare --mount mount -t tmpfs tmpfs /tmp/mounted
try add ip netns add harness
try exec ip netns exec harness ip link set lo up
try delete ip netns delete harness
rmdir /tmp/mounted
"""

NSPAWN = r"""
mkdir -p /var/tmp/inner && mount -t tmpfs -o mode=0755 inner /var/tmp/inner && cd /var/tmp/inner || exit
trap 'cd / && umount /var/tmp/inner && rmdir /var/tmp/inner' EXIT
mkdir -p bin dev etc proc root run sys tmp usr/lib var && cp "$(command -v busybox)" bin/busybox && ln -s busybox bin/sh || exit
cp /etc/os-release etc/
systemd-nspawn --quiet --directory=/var/tmp/inner --register=no --keep-unit --private-network --link-journal=no --pipe \
    /bin/sh -c 'echo inner; exit 7' </dev/null
"""


@pytest.fixture(scope="module")
def mounts(system: Container) -> dict[str, str]:
    """What could be mounted in the container: the words of `MOUNTS` with their answers."""
    lines = system.read_output("sh", "-c", MOUNTS).splitlines()
    return dict(line.split(" ", 1) for line in lines)


@pytest.mark.parametrize("name", ["proc", "sysfs", "tmpfs"])
def test_file_system_can_be_mounted(name: str, mounts: dict[str, str]) -> None:
    """A file system of the kernel can be mounted in namespaces that the container made (systemd#27994)."""
    assert mounts[name] == "yes"


@pytest.mark.parametrize("name", ["add", "exec", "delete"])
def test_network_namespace_can_be_used(name: str, mounts: dict[str, str]) -> None:
    """`ip netns` works, which mounts a sysfs for each command."""
    assert mounts[name] == "yes"


@pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)
def test_container_in_a_container(system: Container) -> None:
    """systemd-nspawn runs a container in a service of the container's own systemd, and its status comes out."""
    options = ("--quiet", "--wait", "--pipe", "--collect", "--property=Delegate=yes")
    said = system.execute("systemd-run", *options, "--", "sh", "-c", NSPAWN)

    assert (said.code, said.out.strip()) == (7, "inner"), said.err
