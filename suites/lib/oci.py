"""OCI runtimes with runc's command line, which crun takes over word for word.

With the systemd cgroup driver the cgroups path `machine.slice:PROGRAM:NAME` makes the scope `PROGRAM-NAME.scope`. With the
runtime's own, /PROGRAM/NAME is a path in the cgroup tree, and systemd knows nothing of it (runc, docs/systemd.md).

Each script gets the program as its first argument; `$driver` is its option for the driver.
"""

import errno
import json
from collections.abc import Mapping, Sequence
from typing import Any

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.rights import DEFAULT_CAPABILITIES, LacksError
from suites.lib.spec import PATH, Spec

__all__ = ["LACKS", "OciEngine", "make_config"]

BUNDLE = r"""
program=$1 driver=$2; shift 2
mkdir -p "$1" && printf '%s\n' "$2" >"$1/config.json" || exit
"""

START = (
    BUNDLE
    + r"""
"$program" $driver run --detach --pid-file "$1/pid" --bundle "$1" "$3" </dev/null >"$1/output" 2>&1 || {
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
"$program" --log "$1/log" $driver run --bundle "$1" "$3" </dev/null
code=$?
[ ! -d "/run/$program/$3" ] || "$program" delete --force "$3" >&2
"""
    + FORGET
    + "exit $code\n"
)

STOP = (
    r"""
program=$1; shift
orderly=no scope=$2 bundle=$3
if [ -d "/run/$program/$1" ]; then
    pid=$(cat "$3/pid" 2>/dev/null)
    n=$5
    "$program" kill "$1" "$4" 2>/dev/null
    while [ -n "$pid" ] && [ -d "/proc/$pid" ] && [ $((n -= 1)) -gt 0 ]; do sleep 0.1; done
    [ -d "/proc/$pid" ] || orderly=yes
    "$program" delete --force "$1" >&2 || exit
fi
"""
    + FORGET
    + "echo $orderly\n"
)

SYSTEMD = "--systemd-cgroup"
"""The option that has systemd make the cgroups."""

TERMINAL = "systemd-run --quiet --pty --wait --collect --"

SYSTEMD_CAPABILITIES = (
    "CAP_AUDIT_CONTROL", "CAP_DAC_READ_SEARCH", "CAP_LEASE", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE", "CAP_SYS_TTY_CONFIG",
)  # fmt: skip
"""What a systemd needs besides; nspawn gives them to every container."""

READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
MASKED_PATHS = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware")

LACKS = {
    Feature.CONTAINER_VARIABLE: "an OCI runtime sets no variable of its own",
    Feature.DELEGATED_CGROUPS: "the bundle mounts the cgroup tree read-only where nothing else is asked for",
    Feature.EVENT_HANDLERS: "a bundle's hooks run outside of the container",
    Feature.METADATA_SERVICE: "an OCI runtime serves nothing",
    Feature.PAYLOAD: "an OCI runtime puts a container's processes into its scope itself",
    Feature.READ_ONLY_BELOW: "`ro` of a bundle is the mount's own, and none of those below it",
    Feature.POD_MANIFEST: "an OCI runtime knows no pods",
    Feature.POD_SYSTEMD: "an OCI runtime runs the container's process and nothing else",
    Feature.SUPERVISOR: "an OCI runtime ends when the container runs",
    Feature.NSPAWN_OPTIONS: "an OCI runtime has none of them",
    Feature.SHELL: "machined knows no container of an OCI runtime",
    Feature.NAMED_USER: "config.json has user numbers only",
    Feature.MACHINED: "an OCI runtime registers no machine",
    Feature.SEVERAL_APPS: "a bundle has one process; pods are made by what calls the runtime",
    Feature.LATER_STATUS: "an OCI runtime does not keep the exit status of a detached container",
}
"""What no OCI runtime can do by its command line and a bundle."""

TREE = "/sys/fs/cgroup"

SPECIAL = "nosuid", "noexec", "nodev"
"""Mount options of kernel file systems."""


class OciEngine:
    """The command line of an OCI runtime.

    Attributes:
        name: The runtime's name, which is its command's, too.
        lacks: What it leaves to what calls it, or a bundle has no word for.
        below: Path below the scope of the cgroup that has the processes and their limits.
        driver: The option that chooses the cgroup driver; empty for the runtime's own.
        command: The program with that option.
    """

    service = ""
    devices = "/dev"

    def __init__(
        self, guest: Guest, name: str, lacks: Mapping[Feature, str], *, below: str = "", driver: str = SYSTEMD
    ) -> None:
        self.guest = guest
        self.name = name
        self.lacks = lacks
        self.below = below
        self.driver = driver
        self.command = (name, *([driver] if driver else ()))

    @property
    def parent(self) -> str:
        """Systemd's slice of machines, or a cgroup of the runtime's own, as docker has one."""
        return "/machine.slice" if self.driver else f"/{self.name}"

    @property
    def traces(self) -> tuple[str, ...]:
        """Its directory of containers."""
        return (f"/run/{self.name}",)

    def get_scope(self, name: str) -> str:
        """Return the scope unit that has a container's processes, or its cgroup; the name is not escaped."""
        return f"{self.name}-{name}.scope" if self.driver else name

    def prepare_command(self, spec: Spec) -> tuple[str, ...]:
        """Write the bundle; the command is the runtime's `run`."""
        self.guest.do(BUNDLE, self.name, self.driver, _get_bundle(spec), self._make_config(spec))
        return (*self.command, "run", "--bundle", _get_bundle(spec), spec.name)

    def start(self, spec: Spec) -> int:
        """Start a container that outlives the command."""
        return int(self.guest.do(START, self.name, self.driver, _get_bundle(spec), self._make_config(spec), spec.name))

    def run(self, spec: Spec) -> Result:
        """Run a container to its end, its output on pipes."""
        words = (_get_bundle(spec), self._make_config(spec), spec.name, self.get_scope(spec.name))
        return self.guest.sh(RUN, self.name, self.driver, *words)

    def execute(self, container: Container, argv: Sequence[str], user: int) -> Result:
        """Run a command with the runtime's `exec`."""
        words = (*self.command, "exec", "--user", f"{user}:{user}", container.name, *argv)
        return self.guest.sh('"$@" </dev/null', *words)

    def execute_on_terminal(self, container: Container, argv: Sequence[str]) -> Result:
        """Run a command with `exec --tty`; systemd-run gives the runtime the terminal that it wants for itself."""
        words = (*self.command, "exec", "--tty", container.name, *argv)
        return self.guest.sh(f'{TERMINAL} "$@" </dev/null', *words)

    def get_update_command(self, name: str, memory: int) -> tuple[str, ...]:
        """Return the runtime's `update`; what is swapped out may be as much again."""
        return (*self.command, "update", "--memory", str(memory), "--memory-swap", str(2 * memory), name)

    def read_statistics(self, name: str) -> tuple[int, int]:
        """Return what `events --stats` says."""
        said = self.guest.do('"$@"', *self.command, "events", "--stats", name)
        data = json.loads(said)["data"]
        return int(data["memory"]["usage"]["usage"]), int(data["pids"]["current"])

    def pause(self, name: str) -> None:
        """Freeze the container's cgroup."""
        self.guest.do('"$@"', *self.command, "pause", name)

    def resume(self, name: str) -> None:
        """Thaw it."""
        self.guest.do('"$@"', *self.command, "resume", name)

    def stop(self, spec: Spec) -> bool:
        """Ask a systemd to shut down, and kill everything else; then make the runtime forget it."""
        # SIGRTMIN+3 is systemd's "halt" (systemd(1), section Signals); with glibc it is number 37.
        signal = spec.stop_signal or ("37" if spec.boots else "KILL")
        how = (signal, str(spec.stop_seconds * 10))
        result = self.guest.sh(STOP, self.name, spec.name, self.get_scope(spec.name), _get_bundle(spec), *how)
        if result.code != 0:
            raise CommandFailedError(f"{self.name} kill and delete", result)
        return result.out.split()[-1:] == ["yes"]

    def get_limits_path(self, name: str) -> str:  # noqa: ARG002 - it is the same for all
        """Return where a container's processes are below its scope; nothing where that is the scope itself."""
        return self.below

    def replace_names(self, text: str) -> str:
        """Return the text as it is: containers are called by their names."""
        return text

    def list_names(self) -> frozenset[str]:
        """Return the containers that the runtime knows."""
        return frozenset(self.guest.do('"$1" list --quiet', self.name).split())

    def wait_end(self, container: Container) -> int:
        """Raise LacksError: see `LACKS`."""
        raise LacksError(f"{container.name}: {LACKS[Feature.LATER_STATUS]}")

    def read_statuses(self, container: Container) -> Mapping[str, int]:
        """Raise LacksError: see `LACKS`."""
        raise LacksError(f"{container.name}: {LACKS[Feature.SEVERAL_APPS]}")

    def _make_config(self, spec: Spec) -> str:
        shown = self.guest.do("stat -c '%n %t %T %F' \"$@\"", *spec.devices) if spec.devices else ""
        nodes = {}
        for line in shown.splitlines():
            path, major, minor, kind = line.split()[:4]
            nodes[path] = {"type": kind[0], "major": int(major, 16), "minor": int(minor, 16)}
        place = f"machine.slice:{self.name}:{spec.name}" if self.driver else f"{self.parent}/{spec.name}"
        config = make_config(self.name, spec, nodes)
        config["linux"]["cgroupsPath"] = place
        return json.dumps(config)


def make_config(program: str, spec: Spec, nodes: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return a bundle's config.json (OCI runtime specification 1.0.2, config.md and config-linux.md) without its cgroup.

    Devices of the guest that `spec` asks for are in `nodes`: type, major and minor by path.
    """
    nodes, limit = nodes or {}, spec.open_files
    usual = sorted(DEFAULT_CAPABILITIES + (SYSTEMD_CAPABILITIES if spec.boots else ()))
    capabilities = usual if spec.capabilities is None else sorted(spec.capabilities)
    environment = {"PATH": PATH, **({"container": program} if spec.boots else {}), **spec.environment}
    linux: dict[str, Any] = {
        "resources": _make_resources(spec, nodes),
        "namespaces": _list_namespaces(spec),
        # What runc does where nothing is said; crun would cut off all mounts of the guest.
        "rootfsPropagation": "rslave",
        "maskedPaths": [*MASKED_PATHS, *spec.masked],
        "devices": [{"path": path, "fileMode": 0o666, **node} for path, node in nodes.items()],
    }
    if not spec.boots:
        linux["readonlyPaths"] = [*READ_ONLY_PATHS, *spec.read_only_paths]
    if spec.syscalls_refused:
        refused = {"names": list(spec.syscalls_refused), "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}
    if spec.syscalls_allowed:
        allowed = {"names": list(spec.syscalls_allowed), "action": "SCMP_ACT_ALLOW"}
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allowed]}
    if spec.private_users is not None:
        linux["namespaces"].append({"type": "user"})
        mapping = {"containerID": 0, "hostID": spec.private_users, "size": 65536}
        linux |= {"uidMappings": [mapping], "gidMappings": [mapping]}
    return {
        "ociVersion": "1.0.2",
        "process": {
            "args": list(spec.argv),
            "cwd": spec.working_directory,
            "env": [f"{name}={value}" for name, value in environment.items()],
            "user": {
                "uid": spec.user,
                "gid": spec.user,
                **({"additionalGids": list(spec.groups)} if spec.groups else {}),
            },
            # A user's process gets none, as execve(2) would have it.
            "capabilities": {
                kind: capabilities if kind == "bounding" or not spec.user else []
                for kind in ("bounding", "effective", "permitted")
            },
            "noNewPrivileges": not spec.boots if spec.no_new_privileges is None else spec.no_new_privileges,
            **({} if spec.oom_score_adj is None else {"oomScoreAdj": spec.oom_score_adj}),
            "rlimits": [] if limit is None else [{"type": "RLIMIT_NOFILE", "soft": limit, "hard": limit}],
        },
        "root": {"path": spec.rootfs, "readonly": spec.read_only},
        "hostname": spec.hostname or spec.name,
        "mounts": _list_mounts(spec),
        "linux": linux,
    }


def _list_namespaces(spec: Spec) -> list[dict[str, str]]:
    joined = {"network": spec.network} if spec.network is not None else {}
    if spec.cgroups:
        joined["cgroup"] = "host"
    kinds = [kind for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup") if joined.get(kind) != "host"]
    return [{"type": kind, **({"path": joined[kind]} if kind in joined else {})} for kind in kinds]


def _make_resources(spec: Spec, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    allowed = [{"allow": True, "access": "rw", **node} for node in nodes.values()]
    resources: dict[str, Any] = {"devices": [{"allow": False, "access": "rwm"}, *allowed]}
    if spec.memory is not None:
        resources["memory"] = {"limit": spec.memory}
    if spec.memory is not None and spec.swap is not None:
        # The specification's word is for both together.
        resources["memory"]["swap"] = spec.memory + spec.swap
    if spec.pids is not None:
        resources["pids"] = {"limit": spec.pids}
    if spec.cpu is not None:
        resources["cpu"] = {"period": 100_000, "quota": int(spec.cpu * 100_000)}
    return resources


def _list_mounts(spec: Spec) -> list[dict[str, Any]]:
    access = "rw" if spec.boots else "ro"
    system: list[tuple[str, str, tuple[str, ...]]] = [
        ("/proc", "proc", SPECIAL),
        ("/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        ("/dev/pts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
        ("/dev/shm", "tmpfs", (*SPECIAL, "mode=1777", "size=65536k")),
        ("/dev/mqueue", "mqueue", SPECIAL),
        ("/sys", "sysfs", (*SPECIAL, "ro")),
        (TREE, "cgroup", (*SPECIAL, "relatime", access)),
        ("/tmp", "tmpfs", ("nosuid", "nodev", "mode=1777")),
        ("/run", "tmpfs", ("nosuid", "nodev", "mode=755")),
    ]
    binds = [
        {"destination": mount.target, "type": "none", "source": mount.source,
         "options": [
             "rbind" if mount.recursive else "bind", "ro" if mount.read_only else "rw",
             *([f"r{mount.propagation}"] if mount.propagation else ()),
         ]}
        for mount in spec.mounts
    ]  # fmt: skip
    mounts: list[dict[str, Any]] = [
        {"destination": target, "type": kind, "source": kind, "options": list(options)}
        for target, kind, options in system
    ]
    if spec.cgroups:
        access = "ro" if spec.cgroups == "read-only" else "rw"
        mounts[[target for target, _, _ in system].index(TREE)] = {
            "destination": TREE,
            "type": "none",
            "source": TREE,
            "options": ["rbind", access],
        }
    return mounts + binds


def _get_bundle(spec: Spec) -> str:
    return f"/run/{spec.name}.bundle"
