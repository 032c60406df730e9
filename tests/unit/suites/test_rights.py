"""What the adapters make of the rights that a container or an app was given; no guest is needed."""

import subprocess
from pathlib import Path
from typing import Any

from suites.lib import apps
from suites.lib.guest import Guest
from suites.lib.oci import make_config
from suites.lib.rights import App, Mount
from suites.lib.spec import Spec
from suites.runtimes.nspawn import Nspawn
from tests.helpers.fake_host import FakeHost


def spec(**changes: Any) -> Spec:
    return Spec(name="c-0001", argv=("sh",), rootfs="/r", **changes)


def words(wanted: Spec) -> tuple[str, ...]:
    """Return the command line that nspawn gets."""
    host = FakeHost()
    Nspawn(Guest(host), 252).run(wanted)
    return host.asked[0]


def test_nspawn_keeps_exactly_the_capabilities() -> None:
    """Of those that nspawn gives, all others are dropped; those that it does not give are added."""
    given = words(spec(capabilities=("CAP_CHOWN", "CAP_SYS_TIME")))

    assert "--capability=CAP_SYS_TIME" in given
    assert "--capability=CAP_CHOWN" not in given
    assert "--drop-capability=CAP_CHOWN" not in given
    assert {"--drop-capability=CAP_MKNOD", "--drop-capability=CAP_NET_ADMIN"} <= set(given)


def test_nspawn_is_asked_for_no_rights_without_a_word() -> None:
    """A container that asks for nothing gets nspawn's own defaults."""
    begun = ("--drop", "--capab", "--system-call", "--no-new", "--private-users", "--inacc", "--rlimit", "--hostname")

    assert not [word for word in words(spec()) if word.startswith(begun)]


def test_mounts_say_whether_they_are_recursive() -> None:
    """Both runtimes are told, in their own words."""
    mounts = (Mount(source="/a", target="/b"), Mount(source="/c", target="/d", recursive=False, propagation="slave"))

    assert {"--bind=/a:/b:rbind", "--bind=/c:/d:norbind"} <= set(words(spec(mounts=mounts)))
    assert [mount["options"] for mount in make_config("runc", spec(mounts=mounts))["mounts"][-2:]] == [
        ["rbind", "rw"],
        ["bind", "rw", "rslave"],
    ]


def test_bundle_has_the_rights() -> None:
    """Capabilities, system calls, devices and users are in config.json as the OCI's specification spells them."""
    config = make_config(
        "runc",
        spec(capabilities=("CAP_KILL",), syscalls_refused=("mkdir",), private_users=70000, groups=(5,)),
        {"/dev/x": {"type": "b", "major": 7, "minor": 3}},
    )

    assert config["process"]["capabilities"]["bounding"] == ["CAP_KILL"]
    assert config["process"]["user"]["additionalGids"] == [5]
    assert config["linux"]["seccomp"]["syscalls"] == [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]
    assert config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 70000, "size": 65536}]
    assert config["linux"]["devices"] == [{"path": "/dev/x", "fileMode": 0o666, "type": "b", "major": 7, "minor": 3}]
    assert config["linux"]["resources"]["devices"][1] == {
        "allow": True, "access": "rw", "type": "b", "major": 7, "minor": 3,
    }  # fmt: skip


def test_apps_become_services(tmp_path: Path) -> None:
    """The script writes one unit for each app, wanted by the pod's target, with users that the systemd can find."""
    app = App(
        name="web", argv=("sh", "-c", 'echo "$X" 5%'), rootfs="/r", user=1000, group=50, groups=(60,),
        environment={"A": 'b "c" \\d'}, masked=("/proc/x",), after=("db",), no_new_privileges=False,
    )  # fmt: skip
    script, arguments = apps.make_script((app,))
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    subprocess.run(("sh", "-c", script, "sh", str(tmp_path), *arguments), check=True, timeout=30)
    unit = (tmp_path / "etc/systemd/system/web.service").read_text().splitlines()

    assert (tmp_path / "etc/systemd/system/harness.target.wants/web.service").read_text().splitlines() == unit
    assert not (tmp_path / "etc/systemd/system/harness.target.wants/pod-end.service").is_symlink()
    assert {"RootDirectory=/opt/stage2/web/rootfs", "User=1000", "Group=50", "NoNewPrivileges=no"} <= set(unit)
    assert "InaccessiblePaths=+/proc/x" in unit
    assert any(line.startswith("After=") and line.endswith(" db.service") for line in unit)
    assert 'ExecStart="sh" "-c" "echo \\"$$X\\" 5%%"' in unit
    assert (tmp_path / "rkt/env/web").read_text() == 'A="b \\"c\\" \\d"\n'
    assert (tmp_path / "etc/passwd").read_text() == "app1000:x:1000:50::/:/bin/false\n"
    assert (tmp_path / "etc/group").read_text() == "app50:x:50:\napp60:x:60:\n"
