"""The parts of the suites' library that need no guest: what it reads, and what it asks a runtime for."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from suites.lib.cgroups import Hierarchies, parse_places
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.oci import make_config
from suites.lib.rights import Mount
from suites.lib.rootfs import Rootfs
from suites.lib.spec import MIB, Spec
from suites.runtimes import crun, find_adapter, runc
from suites.runtimes.nspawn import Nspawn
from tests.helpers.fake_host import FakeHost

# Lines of bookworm's own /proc/1/mountinfo, shortened.
UNIFIED = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
LEGACY = """\
28 23 0:25 / /sys/fs/cgroup ro,nosuid shared:4 - tmpfs tmpfs ro,size=4096k,mode=755
29 28 0:27 / /sys/fs/cgroup/systemd rw shared:5 - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
34 28 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
38 28 0:36 / /sys/fs/cgroup/memory rw shared:14 - cgroup cgroup rw,memory
"""
HYBRID = LEGACY + "30 28 0:28 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("mountinfo", "mode"),
    [
        (UNIFIED, "unified"),
        (LEGACY, "legacy"),
        (HYBRID, "hybrid"),
        (UNIFIED + LEGACY, "mixed"),
        ("29 23 0:26 / /elsewhere rw - cgroup2 cgroup2 rw\n", "mixed"),
        ("", "mixed"),
    ],
)
def test_mode_is_what_is_mounted(mountinfo: str, mode: str) -> None:
    """The mode comes from the mounts alone; what is none of systemd's three is not taken for one."""
    assert Hierarchies.parse(mountinfo, "").mode == mode


def test_hierarchy_of_a_controller() -> None:
    """A controller is governed by its own hierarchy on v1, and by the one tree in unified mode."""
    legacy, unified = Hierarchies.parse(LEGACY, ""), Hierarchies.parse(UNIFIED, "cpu memory")

    assert legacy.get_directory("cpu", "/machine.slice") == "/sys/fs/cgroup/cpu,cpuacct/machine.slice"
    assert unified.get_directory("memory", "/machine.slice") == "/sys/fs/cgroup/machine.slice"
    with pytest.raises(LookupError, match="No hierarchy `name=systemd` is mounted; there are unified"):
        unified.find_hierarchy("name=systemd")
    with pytest.raises(LookupError, match="pids"):
        legacy.find_hierarchy("pids")


def test_places_of_a_process() -> None:
    """Controllers that share a hierarchy share the path; a path may have a colon."""
    text = "4:cpu,cpuacct:/a\n1:name=systemd:/b:c\n0::/d\n"

    assert parse_places(text) == {"cpu": "/a", "cpuacct": "/a", "name=systemd": "/b:c", "unified": "/d"}


def test_guest_reads_many_files_in_one_command() -> None:
    """Files are told apart by grep's prefix; those that are absent are empty."""
    host = FakeHost(stdout="/a:1:2\n/a:3\n/c:\n")

    assert Guest(host).read("/a", "/b", "/c") == {"/a": "1:2\n3\n", "/b": "", "/c": "\n"}
    assert len(host.asked) == 1


def test_command_that_failed_says_where_and_why() -> None:
    """The message has the script's first line, the status, and what was said."""
    with pytest.raises(CommandFailedError, match=r"`mount x` ended with status 3 in the guest:\nsaid so"):
        Guest(FakeHost(rc=3)).do("\nmount x\nmore\n")


class BusyMount:
    """Runs a script on this computer, in a mount namespace where its argument is a mount that is busy for half a second."""

    rc, stdout, stderr = -1, "", ""

    def run(self, _: str, /, *args: str) -> "BusyMount":
        """Run it."""
        script, directory = args
        busy = 'mkdir "$1" && mount -t tmpfs harness "$1" && { (cd "$1" && exec sleep 0.5) & } && sleep 0.1\n'
        argv = ("unshare", "--mount", "sh", "-c", busy + script, "sh", directory)
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
        self.rc, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        return self


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root may mount.")
def test_root_file_system_that_is_busy_for_a_moment_is_removed(tmp_path: Path) -> None:
    """A mount that a process still uses when the container is gone is tried again; nothing of it is left."""
    host = BusyMount()

    Rootfs(Guest(host), str(tmp_path), "252").remove("pod")

    assert host.rc == 0, host.stderr
    assert "busy" in host.stderr
    assert not (tmp_path / "pod").exists()


def test_scopes_are_named_as_each_runtime_does() -> None:
    """For machined a dash in a name is escaped, as in rkt's pods; OCI runtimes take the name as it is, after their own."""
    guest = Guest(FakeHost(stdout="crun version 1.28\ntmpfs\n"))

    assert Nspawn(guest, 258).get_scope("rkt-6f1e_x") == r"machine-rkt\x2d6f1e_x.scope"
    assert Nspawn(guest, 259).get_scope("rkt-6f1e_x") == "rkt-6f1e_x.scope"
    assert runc.connect(guest).get_scope("rkt-6f1e") == "runc-rkt-6f1e.scope"
    assert crun.connect(guest).get_scope("rkt-6f1e") == "crun-rkt-6f1e.scope"


@pytest.mark.parametrize(
    ("flavor", "place", "scope", "option"),
    [
        (None, "machine.slice:runc:c-0001", "/machine.slice/runc-c-0001.scope", ["--systemd-cgroup"]),
        ("cgroupfs", "/runc/c-0001", "/runc/c-0001", []),
    ],
)
def test_runc_has_two_cgroup_drivers(flavor: str | None, place: str, scope: str, option: list[str]) -> None:
    """By default it has systemd make a scope; as `cgroupfs` it makes a cgroup itself, and there is no unit."""
    host = FakeHost(stdout="7\n")
    engine = runc.connect(Guest(host), flavor)
    engine.start(spec())

    assert f'"cgroupsPath": "{place}"' in host.asked[0][5]
    assert f"{engine.parent}/{engine.get_scope('c-0001')}" == scope
    assert engine.get_update_command("c-0001", MIB)[1:-5] == (*option, "update")
    assert (Feature.UNIT in engine.lacks) == (flavor is not None)


@pytest.mark.parametrize(("name", "below"), [("runc", ""), ("crun", "/container")])
def test_oci_runtimes_have_one_command_line(name: str, below: str) -> None:
    """The scripts name no runtime; the program is their first argument, and its own directory has its containers.

    What crun has below the scope, the guest says.
    """
    host = FakeHost(stdout="crun version 1.28\ntmpfs\n")
    engine = find_adapter(name).connect(Guest(host))
    host.asked.clear()  # where crun asked for its own version
    host.stdout = "7\n"

    assert engine.start(spec()) == 7
    engine.run(spec())
    engine.stop(spec())
    assert engine.list_names() == {"7"}
    assert engine.prepare_command(spec())[0] == name
    assert {name} == {words[2] for words in host.asked}
    assert not [words[1] for words in host.asked if "runc" in words[1]]
    assert (name, (f"/run/{name}",), below) == (engine.name, engine.traces, engine.get_limits_path("c-0001"))


@pytest.mark.parametrize(
    ("version", "tree", "below", "forgets"),
    [
        ("0.17", "tmpfs", "", True),
        ("0.17", "cgroup2fs", "/container", True),
        ("1.8.1", "tmpfs", "/container", False),
        ("1.21", "cgroup2fs", "/container", False),
    ],
)
def test_crun_is_known_by_its_version(version: str, tree: str, below: str, *, forgets: bool) -> None:
    """Its processes are below the scope, on v1 since the version that began with it; the oldest one forgets a controller."""
    engine = crun.connect(Guest(FakeHost(stdout=f"crun version {version}\ncommit: 0\n{tree}\n")))

    assert engine.get_limits_path("c-0001") == below
    assert (Feature.RDMA_REMOVED in engine.lacks) == forgets
    with pytest.raises(ValueError, match="does not say its version"):
        crun.connect(Guest(FakeHost(stdout="sh: crun: not found\n")))


def spec(**changes: Any) -> Spec:
    return Spec(name="c-0001", argv=("sh", "-c", "echo $HOME"), rootfs="/r", **changes)


def test_service_manager_leaves_variables_alone() -> None:
    """`$` is doubled where systemd would replace variables: in the command line of a service."""
    host = FakeHost(stdout="7\n")

    assert Nspawn(Guest(host), 252).start(spec()) == 7
    assert "echo $$HOME" in host.asked[0]
    Nspawn(Guest(host), 252).run(spec())
    assert "echo $HOME" in host.asked[1]


def test_bundle_asks_for_what_the_spec_says() -> None:
    """The limits, the user, the environment and the mounts are in config.json."""
    mount = Mount(source="/a", target="/b", read_only=True)
    config = make_config(
        "crun",
        spec(memory=64 * MIB, pids=9, cpu=0.5, user=1000, environment={"A": "b c"}, mounts=(mount,), read_only=True),
    )

    assert config["linux"]["resources"] == {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": 67108864},
        "pids": {"limit": 9},
        "cpu": {"period": 100000, "quota": 50000},
    }
    assert config["linux"]["rootfsPropagation"] == "rslave"
    assert config["process"]["user"] == {"uid": 1000, "gid": 1000}
    assert "A=b c" in config["process"]["env"]
    assert config["root"] == {"path": "/r", "readonly": True}
    assert {"destination": "/b", "type": "none", "source": "/a", "options": ["rbind", "ro"]} in config["mounts"]


def test_only_a_systemd_may_write_its_cgroups() -> None:
    """The cgroup tree is mounted writable for a container that boots, and for no other."""

    def options(boots: bool) -> list[str]:  # noqa: FBT001 - the one thing that differs
        mounts = make_config("runc", spec(boots=boots))["mounts"]
        return next(mount["options"] for mount in mounts if mount["type"] == "cgroup")

    assert "ro" in options(False)
    assert "rw" in options(True)


def test_result_is_plain() -> None:
    """A result is a value."""
    assert Result(code=0, out="a", err="") == Result(code=0, out="a", err="")
