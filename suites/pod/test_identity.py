"""Who a container is and what it finds: users and groups, its name, its environment, its namespaces."""

import pytest

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.pod.conftest import HOSTNAME

FIRST = 655360
"""First id of the guest's that belongs to the container with users of its own."""


def test_host_name_is_what_was_asked_for(probe: dict[str, str], guest: Guest) -> None:
    """The container has the name that was asked for, and the guest keeps its own."""
    path = "/proc/sys/kernel/hostname"

    assert probe["hostname"] == HOSTNAME
    assert guest.read(path)[path].strip() != HOSTNAME


@pytest.mark.independent
def test_host_name_is_the_containers_without_one(runtime: ContainerRuntime) -> None:
    """A container that was given no host name is called as the runtime calls it."""
    result = runtime.run("cat", "/proc/sys/kernel/hostname")

    assert result.out.strip().startswith(runtime.prefix)


@pytest.mark.needs(feature=Feature.POD_SYSTEMD)
def test_host_name_is_in_the_apps_file(confined: Container) -> None:
    """An app's /etc/hostname is the pod's (rkt's TestPrepareAppCheckEtcHostname, which failed in 2019)."""
    assert confined.read_output("cat", "/etc/hostname") == f"{HOSTNAME}\n"


def test_hosts_file_is_the_one_given(probe: dict[str, str]) -> None:
    """A file of the guest takes the place of the container's /etc/hosts."""
    assert probe["hosts"] == "192.0.2.1 harness"


def test_environment_arrives_as_written(probe: dict[str, str]) -> None:
    """Spaces, a backslash and a dollar sign in a variable stay what they are."""
    assert probe["greeting"] == r"two  words\tand $HOME"


def test_working_directory_is_what_was_asked_for(probe: dict[str, str], confined: Container, guest: Guest) -> None:
    """The process starts where it was asked to, as it sees itself and as the guest sees it."""
    result = guest.sh('[ "/proc/$1/cwd" -ef "/proc/$1/root/srv" ]', str(confined.pid))

    assert (probe["cwd"], result.code) == ("/srv", 0)


def test_namespaces_are_its_own(confined: Container, runtime: ContainerRuntime, guest: Guest) -> None:
    """Processes, mounts, IPC, network, host name and, where the runtime has that, cgroups are not the guest's."""
    script = 'for kind in cgroup ipc mnt net pid uts; do [ "/proc/$1/ns/$kind" -ef "/proc/1/ns/$kind" ] && echo $kind; done; :'
    shared = ["cgroup"] if Feature.CGROUP_NAMESPACE in runtime.engine.lacks else []

    assert guest.do(script, str(confined.pid)).split() == shared


def test_mounts_of_the_guest_are_not_seen(confined: Container, runtime: ContainerRuntime) -> None:
    """What the container sees of mounts has its own root, and no other directory of the suite's."""
    mounts = confined.read_output("cat", "/proc/self/mounts")

    assert " / " in mounts
    assert runtime.prefix not in " ".join(line.split()[1] for line in mounts.splitlines())


@pytest.mark.needs(feature=Feature.PROCESS_1)
def test_process_is_number_one_of_its_namespace(confined: Container, guest: Guest) -> None:
    """The process that the runtime names is number 1 in the container, and runs in its root file system."""
    path = f"/proc/{confined.pid}/status"
    numbers = next(line for line in guest.read(path)[path].splitlines() if line.startswith("NSpid"))

    assert numbers.split()[1:] == [str(confined.pid), "1"]
    assert guest.sh('[ -e "/proc/$1/root/tmp/probed" ]', str(confined.pid)).code == 0


@pytest.mark.independent
def test_user_by_number(runtime: ContainerRuntime) -> None:
    """A user's number is the process's user and group; without capabilities in force."""
    result = runtime.run("sh", "-c", "id -u; id -g; grep CapEff /proc/self/status", user=1000)

    assert result.out.split() == ["1000", "1000", "CapEff:", "0" * 16]


@pytest.mark.independent
@pytest.mark.needs(feature=Feature.NAMED_USER)
@pytest.mark.needs(feature=Feature.IMAGE_GROUPS)
def test_user_by_name(runtime: ContainerRuntime) -> None:
    """A user's name is looked up in the image, with the groups that the image gives it."""
    result = runtime.run("sh", "-c", "id -u; id -g; id -G", user="user")

    assert result.out.split() == ["1000", "1000", "1000", "2001", "2002"]


@pytest.mark.independent
@pytest.mark.needs(feature=Feature.NUMERIC_GROUPS)
def test_groups_by_number(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """Supplementary groups that the image does not know open the files of these groups."""
    guest.do('echo open >"$1/file" && chown 0:3003 "$1/file" && chmod 0640 "$1/file"', shared)
    mounts = (Mount(source=shared, target="/mnt/a"),)
    result = runtime.run("sh", "-c", "cat /mnt/a/file; id -G", user=1000, groups=(3003,), mounts=mounts)

    assert result.out.split() == ["open", "1000", "3003"]


@pytest.mark.independent("shared")
@pytest.mark.needs(feature=Feature.CHOSEN_PRIVATE_USERS)
def test_private_users_are_shifted(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """Root in a container with users of its own is a user without rights in the guest, and so are its files."""
    mounts = (Mount(source=shared, target="/mnt/a"),)
    guest.do('echo >"$1/guests" && chmod 0600 "$1/guests"', shared)
    script = "id -u; : >/mnt/a/made; cat /mnt/a/guests || echo refused; sleep 30"
    with runtime.start("sh", "-c", f"({script}) >/mnt/a/said", first=True, mounts=mounts, private_users=FIRST) as one:
        assert guest.wait('grep -qs refused "$1/said"', shared)
        path = f"/proc/{one.pid}/status"
        uids = next(line for line in guest.read(path)[path].splitlines() if line.startswith("Uid"))
        said, owners = guest.read(f"{shared}/said"), guest.do('stat -c "%u %g" "$1/made"', shared)

    assert uids.split()[1:] == [str(FIRST)] * 4
    assert owners.split() == [str(FIRST)] * 2
    assert said[f"{shared}/said"].split() == ["0", "refused"]
