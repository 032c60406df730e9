"""What the suites booted and inside need of the library, without a guest."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from suites.lib.guest import Guest
from suites.lib.oci import OciEngine, make_config
from suites.lib.rootfs import FULL
from suites.lib.spec import Spec
from suites.runtimes.nspawn import Nspawn
from tests.helpers.fake_host import FakeHost


def spec(**changes: Any) -> Spec:
    return Spec(name="c-0001", argv=("/sbin/init",), rootfs="/r", boots=True, **changes)


@pytest.mark.parametrize(("cgroups", "access"), [("guest", "rw"), ("read-only", "ro")])
def test_bundle_has_the_tree_of_the_guest(cgroups: str, access: str) -> None:
    """The guest's tree is bound in the place of the container's own, and there is no cgroup namespace."""
    made = make_config("runc", spec(cgroups=cgroups))
    trees = [mount for mount in made["mounts"] if mount["destination"] == "/sys/fs/cgroup"]

    assert [(tree["source"], tree["options"]) for tree in trees] == [("/sys/fs/cgroup", ["rbind", access])]
    assert "cgroup" not in {namespace["type"] for namespace in made["linux"]["namespaces"]}
    assert "cgroup" in {namespace["type"] for namespace in make_config("runc", spec())["linux"]["namespaces"]}


def test_bundle_allows_the_calls_that_are_listed() -> None:
    """Everything else is refused, as in docker's profile."""
    made = make_config("runc", spec(syscalls_allowed=("read", "write")))["linux"]["seccomp"]

    assert made["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["syscalls"] == [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]


def test_options_of_nspawn_come_after_the_usual_ones() -> None:
    """A case's own option is the last of its kind, and so the one that counts."""
    host = FakeHost(stdout="7\n")
    Nspawn(Guest(host), 252).start(spec(words=("--link-journal=guest",), cgroups="guest"))

    asked = list(host.asked[0])
    assert asked.index("--link-journal=no") < asked.index("--link-journal=guest") < asked.index("--")
    program = asked.index("systemd-nspawn")
    assert asked[program - 2 : program] == ["env", "SYSTEMD_NSPAWN_USE_CGNS=0"]


def test_statistics_are_numbers() -> None:
    """What `events --stats` and systemd say becomes bytes and tasks."""
    data = {"data": {"memory": {"usage": {"usage": 1024}}, "pids": {"current": 3}}}

    assert OciEngine(Guest(FakeHost(stdout=json.dumps(data))), "runc", {}).read_statistics("c") == (1024, 3)
    assert Nspawn(Guest(FakeHost(stdout="MemoryCurrent=9\nTasksCurrent=2\n")), 252).read_statistics("c") == (9, 2)


def test_full_system_wants_its_own_units_and_those_of_the_case(tmp_path: Path) -> None:
    """What the image's makers masked is unmasked, what runs the guest is gone, and the target waits for the case's services."""
    units = tmp_path / "etc/systemd/system"
    for path in ("etc/systemd/system", "etc/systemd/journald.conf.d", "usr/lib/systemd/system"):
        (tmp_path / path).mkdir(parents=True)
    (units / "systemd-logind.service").symlink_to("/dev/null")
    (units / "ssh.service").write_text("[Service]\n", encoding="utf-8")
    (tmp_path / "usr/lib/systemd/system/systemd-networkd.service").write_text("[Service]\n", encoding="utf-8")
    subprocess.run(("sh", "-ec", FULL, "sh", "a.service", "[Service]\nUser=1"), cwd=units, check=True, timeout=30)

    assert not (units / "systemd-logind.service").is_symlink()
    assert not (units / "ssh.service").exists()
    assert (units / "a.service").read_text(encoding="utf-8") == "[Service]\nUser=1\n"
    assert (
        "Wants=harness-ready.service a.service" in (units / "harness.target").read_text(encoding="utf-8").splitlines()
    )
    wanted = [path.name for path in (units / "multi-user.target.wants").iterdir()]
    assert wanted == ["systemd-networkd.service"]
