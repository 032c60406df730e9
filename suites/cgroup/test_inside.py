"""What a container may not do to the guest: it is read-only where it must be, and has no devices."""

import pytest

from suites.lib.guest import Guest
from suites.lib.runtime import MIB, Mount, Runtime

V1 = ("legacy", "hybrid")

PROBE = r"""
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
write() { echo "$1" >"$2"; }
for directory in /sys/fs/cgroup/ /sys/fs/cgroup/*/; do
    [ -e "${directory}cgroup.procs" ] || continue
    [ ! -h "${directory%/}" ] || continue
    try "$directory" mkdir "${directory}harness-made"
    rmdir "${directory}harness-made" 2>/dev/null
done
for knob in memory/memory.limit_in_bytes memory.max pids/pids.max pids.max; do
    [ ! -e "/sys/fs/cgroup/$knob" ] || try "$knob" write 1073741824 "/sys/fs/cgroup/$knob"
done
try proc_sys write harness /proc/sys/kernel/hostname
try sysrq write h /proc/sysrq-trigger
try sys mkdir /sys/kernel/harness-made
try uevent write change /sys/devices/virtual/mem/null/uevent
try root touch /harness-made
try null write x /dev/null
echo "devices" $(cd /dev && find . -type b -o -type c | sort)
"""


@pytest.fixture(scope="module")
def probe(runtime: Runtime) -> dict[str, str]:
    """What the first process of a container could do: the words of `PROBE` with their answers."""
    result = runtime.run("sh", "-c", PROBE, memory=64 * MIB, pids=64)
    assert result.code == 0, result.err
    return dict(line.split(" ", 1) for line in result.out.replace("\r", "").splitlines())


def test_null_can_be_written(probe: dict[str, str]) -> None:
    """The probe itself works: what every container may write, it writes."""
    assert probe["null"] == "yes"


def test_proc_sys_is_read_only(probe: dict[str, str]) -> None:
    """A container does not change the kernel's settings."""
    assert probe["proc_sys"] == "no"


@pytest.mark.needs(runtime="runc")
def test_sysrq_is_read_only(probe: dict[str, str]) -> None:
    """A container does not reboot the guest by /proc/sysrq-trigger; nspawn allows it outside of user namespaces."""
    assert probe["sysrq"] == "no"


def test_sys_is_read_only(probe: dict[str, str]) -> None:
    """A container does not change the guest's devices by way of /sys."""
    assert (probe["sys"], probe["uevent"]) == ("no", "no")


@pytest.mark.needs(runtime="runc")
def test_cgroup_tree_is_read_only(probe: dict[str, str]) -> None:
    """A container that asked for no writable cgroup tree makes no cgroup in any hierarchy."""
    trees = {name: answer for name, answer in probe.items() if name.startswith("/sys/fs/cgroup/")}

    assert trees
    assert set(trees.values()) == {"no"}


@pytest.mark.needs(runtime="nspawn", cgroup="unified")
def test_only_its_own_tree_is_writable(probe: dict[str, str]) -> None:
    """What nspawn delegates is the tree below the container's own root, and nothing else is mounted."""
    assert {name for name in probe if name.startswith("/sys/fs/cgroup/")} == {"/sys/fs/cgroup/"}


@pytest.mark.needs(runtime="nspawn", cgroup=V1)
def test_only_the_hierarchies_of_systemd_are_writable(probe: dict[str, str]) -> None:
    """What nspawn delegates are the hierarchies without controllers; those with controllers are read-only."""
    writable = {name for name, answer in probe.items() if name.startswith("/sys/fs/cgroup/") and answer == "yes"}

    assert writable <= {"/sys/fs/cgroup/systemd/", "/sys/fs/cgroup/unified/"}
    assert "/sys/fs/cgroup/systemd/" in writable


def test_limits_cannot_be_raised_from_inside(runtime: Runtime) -> None:
    """Whatever a container writes to the control files that it sees, its scope keeps its limits."""
    script = PROBE + "exec sleep 60"
    with runtime.running("sh", "-c", script, memory=64 * MIB, pids=64) as container:
        container.exec("sh", "-c", PROBE)
        files = ("pids.max", "memory.max", "memory.limit_in_bytes")
        values = set(container.knobs(*files).values()) - {""}

    assert values == {"64", str(64 * MIB)}


def test_root_is_read_only_if_asked(probe: dict[str, str]) -> None:
    """A root file system that was made read-only cannot be written by root."""
    assert probe["root"] == "no"


def test_root_is_writable_if_asked(runtime: Runtime) -> None:
    """Without that wish the root file system can be written."""
    result = runtime.run("sh", "-c", "echo kept >/file && cat /file", read_only=False)

    assert result.out.strip() == "kept"


def test_mounts_are_writable_or_read_only_as_asked(runtime: Runtime, guest: Guest) -> None:
    """A read-write mount gives the guest what the container wrote; a read-only one takes nothing."""
    directory = f"/run/{runtime.prefix}-shared"
    guest.do('mkdir -p "$1/rw" "$1/ro" && echo seen >"$1/ro/old"', directory)
    mounts = (
        Mount(source=f"{directory}/rw", target="/mnt/rw"),
        Mount(source=f"{directory}/ro", target="/mnt/ro", read_only=True),
    )
    try:
        script = "cat /mnt/ro/old; echo new >/mnt/rw/new; echo new >/mnt/ro/new; echo status=$?"
        # The mount points are made in the root file system, by the runtime.
        result = runtime.run("sh", "-c", script, mounts=mounts, read_only=False)
        there = guest.do('cd "$1" && echo */*', directory).split()
    finally:
        guest.do('rm -rf "$1"', directory)

    assert result.out.split() == ["seen", "status=1"]
    assert there == ["ro/old", "rw/new"]


def test_devices_are_the_usual_ones(probe: dict[str, str]) -> None:
    """A container has the harmless devices, and no disk, memory or console of the guest."""
    usual = {"console", "full", "net/tun", "null", "ptmx", "pts/ptmx", "random", "tty", "urandom", "zero"}
    devices = {name.removeprefix("./") for name in probe["devices"].split()}
    terminals = {name for name in devices if name.startswith("pts/")}

    assert devices - terminals - usual == set()
    assert devices >= {"full", "null", "random", "urandom", "zero"}


def test_disk_of_the_guest_cannot_be_read(runtime: Runtime, guest: Guest) -> None:
    """Even a process of root that may make device nodes is kept from the disk, by the device controller or its BPF."""
    script = "read -r major minor _ name <<E\n$(tail -n +3 /proc/partitions | head -n 1)\nE\necho $major $minor $name"
    major, minor, name = guest.do(script).split()
    outside = guest.sh('head -c 1 "$1" >/dev/null', f"/dev/{name}")
    with runtime.running("sleep", "60") as container:
        inside = container.exec(
            "sh", "-c", f"mknod /dev/harness b {major} {minor} && head -c 1 /dev/harness >/dev/null"
        )

    assert outside.code == 0, outside.err
    assert inside.code != 0
    assert "not permitted" in inside.err


def test_first_process_has_the_user_that_was_asked_for(runtime: Runtime) -> None:
    """A container's first process runs as the user and group of its specification."""
    result = runtime.run("sh", "-c", "id -u; id -g", user=1000)

    assert result.out.split() == ["1000", "1000"]


def test_first_process_has_the_environment_that_was_asked_for(runtime: Runtime) -> None:
    """Variables arrive as they were written, spaces and all."""
    result = runtime.run("sh", "-c", 'echo "$GREETING"', environment={"GREETING": "hello  there"})

    assert result.out.strip() == "hello  there"
