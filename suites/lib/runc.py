"""runc with its systemd cgroup driver: `machine.slice:runc:NAME` makes the scope `runc-NAME.scope`."""

import json
from collections.abc import Sequence
from typing import Any

from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.runtime import PATH, Container, Spec

__all__ = ["Runc", "bundle_config", "connect"]

BUNDLE = r"""
mkdir -p "$1" && printf '%s\n' "$2" >"$1/config.json" || exit
"""

START = (
    BUNDLE
    + r"""
runc --systemd-cgroup run --detach --pid-file "$1/pid" --bundle "$1" "$3" </dev/null >"$1/output" 2>&1 || {
    cat "$1/output" >&2; exit 1; }
cat "$1/pid"
"""
)

FORGET = r"""
n=50
while [ -e "/run/systemd/transient/$scope" ]; do
    [ $((n -= 1)) -gt 0 ] || { echo "systemd still has $scope" >&2; exit 1; }
    sleep 0.1
done
rm -rf "$bundle"
"""

RUN = (
    BUNDLE
    + r"""
bundle=$1 scope=$4
runc --log "$1/log" --systemd-cgroup run --bundle "$1" "$3" </dev/null
code=$?
[ ! -d "/run/runc/$3" ] || runc delete --force "$3" >&2
"""
    + FORGET
    + "exit $code\n"
)

STOP = (
    r"""
orderly=no scope=$2 bundle=$3
if [ -d "/run/runc/$1" ]; then
    pid=$(cat "$3/pid" 2>/dev/null)
    n=$5
    runc kill "$1" "$4" 2>/dev/null
    while [ -n "$pid" ] && [ -d "/proc/$pid" ] && [ $((n -= 1)) -gt 0 ]; do sleep 0.1; done
    [ -d "/proc/$pid" ] || orderly=yes
    runc delete --force "$1" >&2 || exit
fi
"""
    + FORGET
    + "echo $orderly\n"
)

CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
)  # fmt: skip
"""What containers usually have."""

SYSTEMD_CAPABILITIES = (
    "CAP_AUDIT_CONTROL", "CAP_DAC_READ_SEARCH", "CAP_LEASE", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE", "CAP_SYS_TTY_CONFIG",
)  # fmt: skip
"""What a systemd needs besides; nspawn gives them to every container."""

READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
MASKED_PATHS = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware")

SPECIAL = "nosuid", "noexec", "nodev"
"""Mount options of kernel file systems."""


class Runc:
    """runc's command line."""

    name = "runc"
    traces = ("/run/runc",)

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def scope(self, name: str) -> str:
        """The scope unit that has a container's processes; runc does not escape the name."""
        return f"runc-{name}.scope"

    def start(self, spec: Spec) -> int:
        """Start a container that outlives the command."""
        return int(self.guest.do(START, _bundle(spec), json.dumps(bundle_config(spec)), spec.name))

    def run(self, spec: Spec) -> Result:
        """Run a container to its end, its output on pipes."""
        return self.guest.sh(RUN, _bundle(spec), json.dumps(bundle_config(spec)), spec.name, self.scope(spec.name))

    def execute(self, container: Container, argv: Sequence[str], user: int) -> Result:
        """Run a command with `runc exec`."""
        words = ("--user", f"{user}:{user}", container.name, *argv)
        return self.guest.sh('runc --systemd-cgroup exec "$@" </dev/null', *words)

    def stop(self, spec: Spec) -> bool:
        """Ask a systemd to shut down, and kill everything else; then make runc forget it."""
        # SIGRTMIN+3 is systemd's "halt" (systemd(1), section Signals); with glibc it is number 37.
        how = ("37", "200") if spec.boots else ("KILL", "50")
        result = self.guest.sh(STOP, spec.name, self.scope(spec.name), _bundle(spec), *how)
        if result.code != 0:
            raise CommandFailedError("runc kill and delete", result)
        return result.out.split()[-1:] == ["yes"]

    def names(self) -> frozenset[str]:
        """The containers that runc knows."""
        return frozenset(self.guest.do("runc list --quiet").split())


def bundle_config(spec: Spec) -> dict[str, Any]:
    """The bundle's config.json (OCI runtime specification 1.0.2, config.md and config-linux.md)."""
    capabilities = sorted(CAPABILITIES + (SYSTEMD_CAPABILITIES if spec.boots else ()))
    environment = {"PATH": PATH, **({"container": "runc"} if spec.boots else {}), **spec.environment}
    linux: dict[str, Any] = {
        "cgroupsPath": f"machine.slice:runc:{spec.name}",
        "resources": _resources(spec),
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "maskedPaths": list(MASKED_PATHS),
    }
    if not spec.boots:
        linux["readonlyPaths"] = list(READ_ONLY_PATHS)
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": list(spec.argv),
            "cwd": "/",
            "env": [f"{name}={value}" for name, value in environment.items()],
            "user": {"uid": spec.user, "gid": spec.user},
            # A user's process gets none, as execve(2) would have it.
            "capabilities": {
                kind: capabilities if kind == "bounding" or not spec.user else []
                for kind in ("bounding", "effective", "permitted")
            },
            "noNewPrivileges": not spec.boots,
        },
        "root": {"path": spec.rootfs, "readonly": spec.read_only},
        "hostname": spec.name,
        "mounts": _mounts(spec),
        "linux": linux,
    }


def _resources(spec: Spec) -> dict[str, Any]:
    resources: dict[str, Any] = {"devices": [{"allow": False, "access": "rwm"}]}
    if spec.memory is not None:
        resources["memory"] = {"limit": spec.memory}
    if spec.pids is not None:
        resources["pids"] = {"limit": spec.pids}
    if spec.cpu is not None:
        resources["cpu"] = {"period": 100_000, "quota": int(spec.cpu * 100_000)}
    return resources


def _mounts(spec: Spec) -> list[dict[str, Any]]:
    access = "rw" if spec.boots else "ro"
    system: list[tuple[str, str, tuple[str, ...]]] = [
        ("/proc", "proc", SPECIAL),
        ("/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        ("/dev/pts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
        ("/dev/shm", "tmpfs", (*SPECIAL, "mode=1777", "size=65536k")),
        ("/dev/mqueue", "mqueue", SPECIAL),
        ("/sys", "sysfs", (*SPECIAL, "ro")),
        ("/sys/fs/cgroup", "cgroup", (*SPECIAL, "relatime", access)),
        ("/tmp", "tmpfs", ("nosuid", "nodev", "mode=1777")),
        ("/run", "tmpfs", ("nosuid", "nodev", "mode=755")),
    ]
    binds = [
        {"destination": mount.target, "type": "none", "source": mount.source,
         "options": ["rbind", "ro" if mount.read_only else "rw"]}
        for mount in spec.mounts
    ]  # fmt: skip
    return [
        {"destination": target, "type": kind, "source": kind, "options": list(options)}
        for target, kind, options in system
    ] + binds


def _bundle(spec: Spec) -> str:
    return f"/run/{spec.name}.bundle"


def connect(guest: Guest) -> Runc:
    """The engine, in this guest."""
    return Runc(guest)
