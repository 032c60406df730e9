"""What a guest really is, asked of the guest itself."""

from dataclasses import dataclass

from harness.errors import InfrastructureError
from harness.machine.guest import Machine
from harness.model import CgroupMode, parse_major_version
from harness.wait import Deadline

__all__ = ["Facts", "detect_cgroup_mode", "prove", "read_facts"]

SCRIPT = """\
echo "systemd=$(systemctl show --property=Version --value)"
echo "systemctl=$(systemctl --version | head -n 1)"
echo "kernel=$(uname -r)"
echo "root=$(stat -f -c %T /sys/fs/cgroup)"
echo "unified=$(stat -f -c %T /sys/fs/cgroup/unified 2>/dev/null)"
(. /etc/os-release && echo "release=$VERSION_ID")
sed 's/^/init=/' /proc/1/cgroup
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a guest is.

    Attributes:
        systemd: Full version of the systemd that is PID 1: "252.39-1~deb12u1".
        systemctl: First line of `systemctl --version`.
        kernel: Release of its kernel.
        cgroup: cgroup mode in which it is.
        release: Which release of its distro it is, by os-release(5); empty where that has no number.
    """

    systemd: str
    systemctl: str
    kernel: str
    cgroup: CgroupMode
    release: str = ""

    @property
    def systemd_major(self) -> str:
        """Major version of its systemd: "252"."""
        return parse_major_version(self.systemd)


def read_facts(machine: Machine, *, deadline: Deadline) -> Facts:
    """Ask a guest what it is; raises InfrastructureError if it does not answer, or answers nonsense."""
    answers: dict[str, list[str]] = {}
    for line in machine.run(SCRIPT, deadline=deadline).out.splitlines():
        key, _, value = line.partition("=")
        answers.setdefault(key, []).append(value)
    try:
        mode = detect_cgroup_mode(answers["root"][0], answers["unified"][0], answers["init"])
        return Facts(
            systemd=answers["systemd"][0],
            systemctl=answers["systemctl"][0],
            kernel=answers["kernel"][0],
            cgroup=mode,
            release=answers.get("release", [""])[0],
        )
    except (KeyError, ValueError) as error:
        raise InfrastructureError(
            f"The guest {machine.name} does not say what it is: {error}; got {answers}."
        ) from error


def detect_cgroup_mode(root: str, unified: str, init: list[str]) -> CgroupMode:
    """Return the cgroup mode, from the types of two file systems (systemd.io/CGROUP_DELEGATION) and PID 1's cgroups.

    `root` and `unified` are types as `stat -f -c %T` says them, or ""; `init` are the lines of /proc/1/cgroup.

    Raises:
        ValueError: It is none of the three.
    """
    if root == "cgroup2fs":
        return CgroupMode.UNIFIED
    if root == "tmpfs" and any(":name=systemd:" in line for line in init):
        return CgroupMode.HYBRID if unified == "cgroup2fs" else CgroupMode.LEGACY
    raise ValueError(f"/sys/fs/cgroup is {root or 'nothing'} and /sys/fs/cgroup/unified is {unified or 'nothing'}")


def prove(
    machine: Machine,
    *,
    systemd: str,
    cgroup: CgroupMode,
    deadline: Deadline,
    revision: str | None = None,
    release: str = "",
) -> Facts:
    """Make sure that a guest is what was asked for, before anything is said about what runs in it.

    Of `systemd` the major version counts. `revision` is that from which PID 1 and systemctl must have been built, as
    their version string has it; `release` must be that of os-release, and is empty for any.

    Raises:
        InfrastructureError: It is something else; the message has both.
    """
    found = read_facts(machine, deadline=deadline)
    wrong = []
    if found.systemd_major != parse_major_version(systemd):
        wrong.append(f"asked for systemd {systemd}, booted systemd {found.systemd}")
    if revision is not None:
        built = {"PID 1": found.systemd, "systemctl": found.systemctl}
        wrong += [f"asked for revision {revision}, {it} is {was}" for it, was in built.items() if revision not in was]
    if release not in {"", found.release}:
        wrong.append(f"asked for the release {release}, booted {found.release or 'one without a number'}")
    if found.cgroup != cgroup:
        wrong.append(f"asked for {cgroup}, booted {found.cgroup}")
    if wrong:
        raise InfrastructureError(
            f"The guest {machine.name} is not what it should be: {'; '.join(wrong)}.",
            hint=f"The kernel command line is in {machine.files.record}, what came of it in {machine.files.console}.",
        )
    return found
