"""Directories and files of the guest in a container: which way writes and mounts travel."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime

MAKE = r"""
mkdir -p "$1" && mount -t tmpfs -o mode=1777 harness "$1" && mount --make-shared "$1" && cd "$1" &&
    mkdir sub late && mount -t tmpfs harness sub && echo inner >sub/inner && echo old >old
"""
"""A volume with a mount in it, and a place for a mount that comes later."""

REMOVE = 'for point in "$1/late" "$1/sub" "$1"; do ! mountpoint -q "$point" || umount "$point"; done; rmdir "$1"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """A container that sees one directory of the guest in several ways.

    Attributes:
        source: The directory.
        container: The container, which sleeps; it sees the directory at the places that are tried below.
    """

    source: str
    container: Container


@pytest.fixture(scope="module")
def source(runtime: ContainerRuntime, guest: Guest) -> Iterator[str]:
    """A directory with another file system below it."""
    path = f"/run/{runtime.prefix}-volume"
    guest.do(MAKE, path)
    yield path
    guest.do(REMOVE, path)


@pytest.fixture(scope="module")
def volumes(runtime: ContainerRuntime, guest: Guest, source: str) -> Iterator[Volumes]:
    """A container to which a mount came when it ran already."""
    mounts = (
        Mount(source=source, target="/mnt/a", propagation="slave"),
        Mount(source=source, target="/mnt/b", read_only=True),
        Mount(source=source, target="/mnt/c", recursive=False),
        Mount(source="/sys/kernel", target="/srv/kernel", read_only=True),
        # /srv/link is a link to /mnt, which is another place in the guest.
        Mount(source=f"{source}/sub", target="/srv/link/linked"),
        Mount(source=f"{source}/sub", target="/tmp/below"),
    )
    with runtime.start("sleep", "300", mounts=mounts, read_only=False) as container:
        guest.do('mount -t tmpfs harness "$1/late" && echo came >"$1/late/came"', source)
        yield Volumes(source=source, container=container)


def test_read_write_volume_takes_writes(volumes: Volumes, guest: Guest) -> None:
    """What the container writes to a volume is in the guest's directory, with its content."""
    volumes.container.read_output("sh", "-c", "echo written >/mnt/a/new")
    path = f"{volumes.source}/new"

    assert guest.read(path)[path] == "written\n"


def test_read_only_volume_refuses_writes(volumes: Volumes, guest: Guest) -> None:
    """A read-only volume is read, and not written by root."""
    result = volumes.container.execute("sh", "-c", "cat /mnt/b/old; echo x >/mnt/b/refused")

    assert result.out == "old\n"
    assert "Read-only file system" in result.err
    assert guest.sh('[ -e "$1/refused" ]', volumes.source).code != 0


@pytest.mark.needs(feature=Feature.READ_ONLY_BELOW)
def test_read_only_volume_refuses_writes_below(volumes: Volumes, guest: Guest) -> None:
    """What is mounted below a read-only volume is read-only, too, if the volume has it (rkt's TestVolumeMount)."""
    result = volumes.container.execute("sh", "-c", "cat /mnt/b/sub/inner; echo x >/mnt/b/sub/refused")

    assert result.out == "inner\n"
    assert "Read-only file system" in result.err
    assert guest.sh('[ -e "$1/sub/refused" ]', volumes.source).code != 0


def test_volume_in_a_read_only_root_takes_writes(runtime: ContainerRuntime, guest: Guest, source: str) -> None:
    """A volume is no part of the root that is read-only around it, also if it is not recursive (rkt's TestVolumeMount)."""
    mounts = (Mount(source=source, target="/mnt/a", recursive=False),)
    script = "echo x >/srv/refused; echo written >/mnt/a/by-one; cat /mnt/a/by-one"
    result = runtime.run("sh", "-c", script, mounts=mounts, read_only=True)

    # Where errors come by the output they come first.
    assert (result.out.splitlines()[-1:], "Read-only file system" in result.out + result.err) == (["written"], True)
    assert guest.read(f"{source}/by-one")[f"{source}/by-one"] == "written\n"


def test_recursive_volume_has_the_mounts_below(volumes: Volumes) -> None:
    """What is mounted below the directory is seen in the container."""
    assert volumes.container.read_output("cat", "/mnt/a/sub/inner") == "inner\n"


def test_volume_below_tmp_is_seen(volumes: Volumes) -> None:
    """The file system that a runtime mounts at /tmp does not hide a volume below it (systemd#4789)."""
    assert volumes.container.read_output("cat", "/tmp/below/inner") == "inner\n"


def test_volume_that_is_not_recursive_has_none(volumes: Volumes) -> None:
    """A volume without what is mounted below it shows the empty directory: systemd 241 ignored that (systemd#13170)."""
    assert volumes.container.read_output("sh", "-c", "ls /mnt/c/sub; cat /mnt/c/old") == "old\n"


def test_later_mount_comes_where_asked(volumes: Volumes) -> None:
    """A mount that is made in the guest when the container runs already comes to a volume that follows the guest."""
    assert volumes.container.read_output("cat", "/mnt/a/late/came") == "came\n"


def test_mount_in_the_container_stays_there(volumes: Volumes, guest: Guest) -> None:
    """What the container mounts in a volume is not mounted in the guest."""
    pid = str(volumes.container.pid)
    # With all of the guest's capabilities, which the container may not have.
    guest.do('nsenter --target "$1" --mount --root -- mount -t tmpfs harness-inside /mnt/a/sub', pid)
    inside = guest.read(f"/proc/{pid}/mounts")[f"/proc/{pid}/mounts"]

    assert "harness-inside /mnt/a/sub" in inside
    assert "harness-inside" not in guest.read("/proc/mounts")["/proc/mounts"]


def test_directory_of_sysfs_is_seen(volumes: Volumes, guest: Guest) -> None:
    """A directory below /sys can be a volume."""
    number = volumes.container.read_output("cat", "/srv/kernel/uevent_seqnum")

    assert int(number) <= int(guest.do("cat /sys/kernel/uevent_seqnum"))


def test_link_in_the_target_stays_in_the_container(volumes: Volumes, guest: Guest) -> None:
    """An absolute link on the way to the volume's place leads to the container's directory, and not to the guest's."""
    assert volumes.container.read_output("cat", "/mnt/linked/inner") == "inner\n"
    assert guest.sh("[ -e /mnt/linked ]").code != 0


def test_file_can_be_a_volume(confined: Container) -> None:
    """A single file of the guest is a volume, too, and read-only if that was asked for."""
    result = confined.execute("sh", "-c", "cat /etc/hosts; echo x >>/etc/hosts")

    assert result.out == "192.0.2.1 harness\n"
    assert "Read-only file system" in result.err


def test_later_mount_does_not_come_where_not_asked(runtime: ContainerRuntime, guest: Guest, source: str) -> None:
    """A mount that is made later does not come to a volume that was asked to be private."""
    runtime.require(Feature.PRIVATE_PROPAGATION)
    mounts = (Mount(source=source, target="/mnt/a", propagation="private"),)
    guest.do('! mountpoint -q "$1/late" || umount "$1/late"', source)
    with runtime.start("sleep", "300", mounts=mounts) as container:
        guest.do('mount -t tmpfs harness "$1/late" && echo came >"$1/late/came"', source)

        assert container.read_output("ls", "/mnt/a/late") == ""


def test_volume_that_does_not_exist_is_an_error(runtime: ContainerRuntime) -> None:
    """A container whose volume's directory is missing does not start, and the message names the directory."""
    mounts = (Mount(source="/run/harness-missing", target="/mnt/a"),)
    result = runtime.run("echo", "started", mounts=mounts)

    assert result.code != 0
    assert result.out == ""
    assert "/run/harness-missing" in result.err
