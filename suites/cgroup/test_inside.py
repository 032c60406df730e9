"""What a container may not do to the guest: it is read-only where it must be, and has no devices."""

import pytest

from suites.cgroup.conftest import ContainerLimits
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime

V1 = ("legacy", "hybrid")


def test_null_can_be_written(probe: dict[str, str]) -> None:
    """The probe itself works: what every container may write, it writes."""
    assert probe["null"] == "yes"


def test_proc_sys_is_read_only(probe: dict[str, str]) -> None:
    """A container does not change the kernel's settings."""
    assert probe["proc_sys"] == "no"


@pytest.mark.needs(feature=Feature.READ_ONLY_SYSRQ)
def test_sysrq_is_read_only(probe: dict[str, str]) -> None:
    """A container does not reboot the guest by /proc/sysrq-trigger; nspawn allows it outside of user namespaces."""
    assert probe["sysrq"] == "no"


def test_sys_is_read_only(probe: dict[str, str]) -> None:
    """A container does not change the guest's devices by way of /sys."""
    assert (probe["sys"], probe["uevent"]) == ("no", "no")


@pytest.mark.needs(feature=Feature.READ_ONLY_CGROUPS)
def test_cgroup_tree_is_read_only(probe: dict[str, str]) -> None:
    """A container that asked for no writable cgroup tree makes no cgroup in any hierarchy."""
    trees = {name: answer for name, answer in probe.items() if name.startswith("/sys/fs/cgroup/")}

    assert trees
    assert set(trees.values()) == {"no"}


@pytest.mark.needs(feature=Feature.DELEGATED_CGROUPS, cgroup="unified")
def test_only_its_own_tree_is_writable(probe: dict[str, str]) -> None:
    """What nspawn delegates is the tree below the container's own root, and nothing else is mounted."""
    trees = {name: answer for name, answer in probe.items() if name.startswith("/sys/fs/cgroup/")}

    assert trees == {"/sys/fs/cgroup/": "yes"}


@pytest.mark.needs(feature=Feature.DELEGATED_CGROUPS, cgroup=V1)
def test_only_the_hierarchies_of_systemd_are_writable(probe: dict[str, str]) -> None:
    """What nspawn delegates are the hierarchies without controllers; those with controllers are read-only."""
    writable = {name for name, answer in probe.items() if name.startswith("/sys/fs/cgroup/") and answer == "yes"}

    assert writable <= {"/sys/fs/cgroup/systemd/", "/sys/fs/cgroup/unified/"}
    assert "/sys/fs/cgroup/systemd/" in writable


@pytest.mark.usefixtures("probe")
def test_limits_cannot_be_raised_from_inside(
    container: Container, limits: ContainerLimits, offered: frozenset[str]
) -> None:
    """Whatever a container wrote to the control files that it sees, its scope keeps its limits."""
    files = ("memory.max", "memory.limit_in_bytes") if "memory" in offered else ()
    expected = {limits.memory} if "memory" in offered else set()
    if container.spec.pids is not None:
        files, expected = (*files, "pids.max"), expected | {limits.pids}
    values = container.read_knobs(*files).values()

    assert {int(value) for value in values if value} == expected


def test_root_is_read_only_if_asked(probe: dict[str, str]) -> None:
    """A root file system that was made read-only cannot be written by root."""
    assert probe["root"] == "no"


def test_first_process_has_the_environment_that_was_asked_for(probe: dict[str, str]) -> None:
    """Variables arrive as they were written, spaces and all."""
    assert probe["greeting"] == "hello  there"


@pytest.mark.independent
def test_first_process_has_the_user_that_was_asked_for(runtime: ContainerRuntime) -> None:
    """A container's first process runs as the user and group of its specification."""
    result = runtime.run("sh", "-c", "id -u; id -g", user=1000)

    assert result.out.split() == ["1000", "1000"]


@pytest.mark.independent
def test_mounts_and_root_are_writable_or_not_as_asked(runtime: ContainerRuntime, guest: Guest) -> None:
    """What is mounted read-write takes what the container writes; a read-only mount does not."""
    directory = f"/run/{runtime.prefix}-shared"
    guest.do('mkdir -p "$1/rw" "$1/ro" && echo seen >"$1/ro/old"', directory)
    mounts = (
        Mount(source=f"{directory}/rw", target="/mnt/rw"),
        Mount(source=f"{directory}/ro", target="/mnt/ro", read_only=True),
    )
    script = "cat /mnt/ro/old; echo new >/mnt/rw/new; { echo new >/mnt/ro/new; } 2>/dev/null; echo status=$?; echo kept >/file && cat /file"
    try:
        # The runtime makes the mount points in the root file system, which therefore must be writable.
        result = runtime.run("sh", "-c", script, mounts=mounts, read_only=False)
        there = guest.do('cd "$1" && echo */*', directory).split()
    finally:
        guest.do('rm -rf "$1"', directory)

    assert result.out.split() == ["seen", "status=1", "kept"]
    assert there == ["ro/old", "rw/new"]


def test_devices_are_the_usual_ones(probe: dict[str, str]) -> None:
    """A container has the harmless devices, and no disk, memory or console of the guest."""
    # nspawn has given out fuse since systemd 257.
    usual = {"console", "full", "fuse", "net/tun", "null", "ptmx", "pts/ptmx", "random", "tty", "urandom", "zero"}
    devices = {name.removeprefix("./") for name in probe["devices"].split()}
    terminals = {name for name in devices if name.startswith("pts/")}

    assert devices - terminals - usual == set()
    assert devices >= {"full", "null", "random", "urandom", "zero"}


@pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
def test_disk_of_the_guest_cannot_be_read(container: Container, guest: Guest) -> None:
    """Even a process of root that may make device nodes is kept from the disk, by the device controller or its BPF."""
    script = "read -r major minor _ name <<E\n$(tail -n +3 /proc/partitions | head -n 1)\nE\necho $major $minor $name"
    major, minor, name = guest.do(script).split()
    outside = guest.sh('head -c 1 "$1" >/dev/null', f"/dev/{name}")
    inside = container.execute("sh", "-c", f"mknod /dev/harness b {major} {minor} && head -c 1 /dev/harness >/dev/null")

    assert outside.code == 0, outside.err
    assert inside.code != 0
    assert "not permitted" in inside.err


@pytest.mark.independent
@pytest.mark.needs(feature=Feature.POD_SYSTEMD)
def test_disk_of_the_guest_cannot_be_read_by_an_app(runtime: ContainerRuntime, guest: Guest) -> None:
    """The same for rkt, where a command that enters a pod is not in the cgroup that keeps it from devices."""
    major, minor = guest.read("/proc/partitions")["/proc/partitions"].splitlines()[2].split()[:2]
    result = runtime.run("sh", "-c", f"mknod /tmp/disk b {major} {minor} && head -c 1 /tmp/disk")

    assert result.code != 0
    assert "not permitted" in result.out
