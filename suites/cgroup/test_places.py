"""Where a container's processes are, path by path, in the hierarchy of systemd and in those of the controllers."""

import pytest

from suites.lib.cgroups import UNIFIED, Hierarchies, parse_places
from suites.lib.engine import AppPlaces, Container
from suites.lib.features import Feature
from suites.lib.guest import Guest

V1 = ("legacy", "hybrid")


@pytest.mark.needs(feature=Feature.UNIT)
def test_scope_is_in_machine_slice(container: Container, guest: Guest) -> None:
    """A runtime asks systemd for a scope below machine.slice."""
    shown = guest.do('systemctl show --property=ActiveState,ControlGroup "$1"', container.scope)
    expected = ["ActiveState=active", f"ControlGroup=/machine.slice/{container.scope}"]

    assert sorted(line.replace(r"\\", "\\") for line in shown.splitlines()) == expected


@pytest.mark.needs(feature=Feature.PAYLOAD, systemd=">=239")
def test_processes_live_in_payload(container: Container, main: str) -> None:
    """Since systemd 239 a container's processes are one level below its scope: the directory that broke rkt."""
    assert container.get_cgroup(main) == f"{container.root}/payload"


@pytest.mark.needs(feature=Feature.PAYLOAD, systemd="<239")
def test_processes_live_in_the_scope_of_nspawn(container: Container, main: str) -> None:
    """Before systemd 239 a registered container's processes are in its scope itself."""
    assert container.get_cgroup(main) == container.root


@pytest.mark.needs(feature=Feature.POD_SYSTEMD)
def test_apps_of_rkt_live_where_its_adapter_says(container: Container, hierarchies: Hierarchies, main: str) -> None:
    """An app is a service of its pod's systemd: below payload since systemd 239, where the version is the stage1's."""
    assert isinstance(container.engine, AppPlaces)

    assert container.get_cgroup(main) == container.engine.find_app_cgroup(container.name, hierarchies.mode)


@pytest.mark.needs(feature=Feature.POD_SYSTEMD, cgroup=V1)
def test_v1_controllers_know_rkts_apps(container: Container, main: str, offered: frozenset[str]) -> None:
    """On v1 an app is at the same path in the controllers of its limits; in rkt with systemd 239 it was in none."""
    names = {"cpu", "devices"} | ({"memory"} & offered)

    assert {container.get_cgroup(name) for name in names} == {container.get_cgroup(main)}


@pytest.mark.needs(feature=Feature.POD_SYSTEMD)
def test_scope_of_rkt_has_its_systemd_and_the_app(container: Container) -> None:
    """Besides the app there is the stage1's systemd with its journal, and nothing else."""
    assert set(container.list_processes().values()) == {"systemd", "systemd-journal", "sh", "sleep"}


@pytest.mark.needs(feature=Feature.PAYLOAD, systemd=">=242", cgroup="hybrid")
def test_both_trees_of_systemd_agree(container: Container) -> None:
    """Since systemd 242 the payload is at the same path in name=systemd and in the v2 tree (systemd#11902)."""
    assert container.places[UNIFIED] == container.places["name=systemd"]


@pytest.mark.needs(feature=Feature.PAYLOAD, cgroup=V1)
def test_v1_controllers_know_the_scope_only(container: Container, offered: frozenset[str]) -> None:
    """There is no payload in v1 controllers: there the processes, and their limits, are at the scope."""
    names = {"cpu", "cpuacct", "devices", "pids"} | ({"memory"} & offered)

    assert {container.get_cgroup(name) for name in names} == {container.root}


@pytest.mark.needs(feature=Feature.SUPERVISOR)
def test_nspawn_itself_is_not_in_the_scope(container: Container) -> None:
    """The nspawn process runs in its own service; the scope has the container's processes only."""
    assert "systemd-nspawn" not in container.list_processes().values()


@pytest.mark.needs(feature=Feature.PROCESSES_IN_SCOPE)
def test_processes_live_in_the_scope_of_runc(container: Container, offered: frozenset[str]) -> None:
    """An OCI runtime's processes are in the scope, or crun's below it; in systemd's own tree of v1 they are in the scope."""
    trees = ({"cpu", "memory", "pids"} & offered) | (container.places.keys() & {UNIFIED})

    assert {container.get_cgroup(name) for name in trees} == {container.root + container.below}
    assert container.places.get("name=systemd", container.root) == container.root


@pytest.mark.needs(feature=Feature.SCOPE_IN_EVERY_CONTROLLER, cgroup=V1)
def test_runc_joins_every_v1_controller(container: Container, offered: frozenset[str]) -> None:
    """The scope has a directory in v1 controllers that systemd does not manage, too: runc makes it."""
    names = {"blkio", "devices", "freezer", "hugetlb", "net_cls", "perf_event"} | ({"cpuset"} & offered)

    assert {container.get_cgroup(name) for name in names} == {container.root + container.below}


@pytest.mark.needs(feature=Feature.BARE_SCOPE)
def test_scope_has_the_processes_and_no_others(container: Container) -> None:
    """What runs in the container is below its scope."""
    processes = container.list_processes()
    names = set(processes.values()) - {"(sd-stubinit)"}

    assert container.pid in processes
    assert names == {"sh", "sleep"}


@pytest.mark.needs(feature=Feature.CGROUP_NAMESPACE)
def test_container_is_the_root_of_its_own_view(container: Container, main: str) -> None:
    """A cgroup namespace hides where in the guest's tree the container is."""
    seen = parse_places(container.read_output("cat", "/proc/1/cgroup"))

    assert seen[main] == "/"


@pytest.mark.needs(feature=Feature.OWN_COMMANDS)
@pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
def test_executed_command_is_where_the_container_is(container: Container) -> None:
    """A command that is executed in a container counts against the container's limits."""
    here, first = container.read_output("sh", "-c", "cat /proc/self/cgroup; echo; cat /proc/1/cgroup").split("\n\n")

    assert here.strip() == first.strip()
