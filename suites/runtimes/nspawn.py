"""systemd-nspawn, the engine of rkt's stage1, registered with machined as rkt registers its pods.

A container is a transient service that is the nspawn process, and a scope that has the container's
processes, so that neither hangs on the ssh session that started it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from suites.lib import apps
from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.rights import Mount
from suites.lib.spec import PATH, Spec

__all__ = ["Nspawn", "connect"]

OWN_SCOPE = 259
"""Version of systemd since which nspawn allocates the scope of its container."""

START = r"""
unit=$1 seconds=$2; shift 2
systemd-run --quiet --collect --unit="$unit" --property=Type=notify --property=NotifyAccess=all \
    --property=KillMode=mixed --property=TimeoutStartSec=180 --property=TimeoutStopSec="$seconds" \
    --property="ExecStopPost=/bin/sh -c 'echo \$\$SERVICE_RESULT \$\$EXIT_STATUS >/run/$unit.result'" -- "$@" >&2 || {
    journalctl --unit="$unit" --output=cat --lines=20 --no-pager >&2; exit 1; }
machinectl show --property=Leader --value "$unit"
"""

RUN = r"""
name=$1 scope=$2; shift 2
"$@" </dev/null
code=$?
n=50
while [ -e "/run/systemd/machines/$name" ] || [ -e "/run/systemd/transient/$scope" ]; do
    [ $((n -= 1)) -gt 0 ] || break
    sleep 0.1
done
exit $code
"""

STOP = r"""
[ ! -e "/run/systemd/transient/$1.service" ] || systemctl stop "$1.service" 2>/dev/null
[ ! -e "/run/systemd/machines/$1" ] || systemctl kill --signal=KILL "$2" 2>/dev/null
n=50
while [ -e "/run/systemd/machines/$1" ] || [ -e "/run/systemd/transient/$2" ]; do
    [ $((n -= 1)) -gt 0 ] || { echo "machined still has $1 or its scope" >&2; exit 1; }
    sleep 0.1
done
# What an nspawn that was killed could not remove; the second is there since systemd 257, and a mount; the place
# of the third is that of systemd 262.
[ ! -d "/run/systemd/nspawn/propagate/$1" ] || rmdir "/run/systemd/nspawn/propagate/$1"
for exported in "/run/systemd/nspawn/unix-export/$1" "/run/systemd/nspawn/$1/unix-export"; do
    [ ! -d "$exported" ] || { umount "$exported" 2>/dev/null; rmdir "$exported"; }
done
rmdir "/run/systemd/nspawn/$1/"* "/run/systemd/nspawn/$1" 2>/dev/null
[ ! -e "/run/$1.result" ] || { cat "/run/$1.result"; rm -f "/run/$1.result"; }
"""

JOIN = 'pid=$1 uid=$2 procs=$3; shift 3\nfor file in $procs; do [ ! -e "$file" ] || echo $$ >"$file" || exit; done\n'
"""A cgroup that is gone holds no process any more: a systemd that was upgraded may give up a hierarchy."""
ENTER = (
    'nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup --setuid "$uid" --setgid "$uid" -- env -i "$@"'
)

ENDED = """
n=600
until read -r _ status <"/run/$1.result"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done 2>/dev/null
echo "$status"
"""

CAPABILITIES = (
    "AUDIT_CONTROL", "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_OWNER",
    "KILL", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_NICE", "SYS_PTRACE",
    "SYS_RESOURCE", "SYS_TTY_CONFIG",
)  # fmt: skip
"""What every container gets (systemd-nspawn(1), --capability=), with the one that comes with --private-network."""

LACKS = {
    Feature.BOUND_CGROUPS: "systemd-nspawn mounts the tree itself",
    Feature.EVENT_HANDLERS: "systemd-nspawn runs what it is told and nothing before it",
    Feature.METADATA_SERVICE: "systemd-nspawn serves nothing",
    Feature.POD_MANIFEST: "systemd-nspawn knows no pods",
    Feature.POD_SYSTEMD: "a systemd is in a container of nspawn where its image has one",
    Feature.PROCESSES_IN_SCOPE: "systemd-nspawn keeps a cgroup below the scope for them",
    Feature.READ_ONLY_CGROUPS: "systemd-nspawn delegates a part of the cgroup tree to the container",
    Feature.READ_ONLY_SYSRQ: "systemd-nspawn allows it outside of user namespaces",
    Feature.SCOPE_IN_EVERY_CONTROLLER: "systemd makes a scope in the controllers that it manages",
    Feature.NUMERIC_GROUPS: "systemd-nspawn takes them from the image's group file, by the user's name",
    Feature.NOTIFICATION_BY_ANY: "systemd-nspawn listens to process 1 of the container only",
    Feature.PRIVATE_PROPAGATION: "systemd-nspawn mounts everything as a slave of the guest",
    Feature.READ_ONLY_KERNEL_FILES: "systemd-nspawn can bind read-only what is in the image or the guest, not in /proc",
    Feature.MASKED_KERNEL_FILES: "systemd-nspawn has no masked path below /proc",
    Feature.OWN_COMMANDS: "machined starts them, where the container has a D-Bus daemon (suite booted)",
    Feature.ROOTLESS: "systemd-nspawn is for root; since systemd 256 a user has it by further services (systemd-nsresourced, systemd-mountfsd)",
    Feature.PAUSE: "systemd-nspawn leaves it to systemctl, which can on cgroup v2 only",
    Feature.TERMINALS: "machinectl shell asks the D-Bus daemon of a container for it",
}


class Nspawn:
    """systemd-nspawn's command line, with machinectl's and systemctl's."""

    name = "nspawn"
    parent = "/machine.slice"
    service = "systemd-nspawn"
    devices = "/dev"
    traces = ("/run/systemd/machines", "/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export")

    def __init__(self, guest: Guest, version: int, *, seccomp: bool = True) -> None:
        self.guest = guest
        self.version = version
        self.seccomp = seccomp

    def get_scope(self, name: str) -> str:
        """Return the scope unit that has a container's processes.

        Since systemd 259 nspawn asks for it itself and calls it by the machine's name (commit 814db2ae79);
        before that machined did, with a prefix and dashes escaped as in systemd-escape(1).
        """
        if self.version >= OWN_SCOPE:
            return f"{name}.scope"
        escaped = re.sub(r"[^A-Za-z0-9:_.]", lambda found: f"\\x{ord(found[0]):02x}", name)
        return f"machine-{escaped}.scope"

    @property
    def lacks(self) -> Mapping[Feature, str]:
        """What nspawn's command line has no word for."""
        # A newer systemd loads the library when it needs it, and goes on without.
        missing = {} if self.seccomp else {Feature.SYSCALL_FILTER: "the guest has no libseccomp for its systemd"}
        return LACKS | missing

    def prepare_command(self, spec: Spec) -> tuple[str, ...]:
        """Return the command line, for a service manager to read.

        The container's output is nspawn's own in the journal, as it passes through nspawn's terminal.
        """
        return tuple(word.replace("$", "$$") for word in self._make_argv(spec, "--console=read-only"))

    def start(self, spec: Spec) -> int:
        """Start a container; nspawn notifies its service manager when it runs, for a systemd when it has booted."""
        # The service manager replaces variables in the command lines of its services (systemd.service(5)).
        argv = [word.replace("$", "$$") for word in self._make_argv(spec)]
        if spec.apps:
            script, words = apps.make_script(tuple(spec.apps))
            self.guest.do(script, spec.rootfs, *words)
        return int(self.guest.do(START, spec.name, str(spec.stop_seconds), *argv))

    def run(self, spec: Spec) -> Result:
        """Run a container to its end, its output on pipes."""
        return self.guest.sh(RUN, spec.name, self.get_scope(spec.name), *self._make_argv(spec, "--pipe"))

    def execute(self, container: Container, argv: Sequence[str], user: int) -> Result:
        """Run a command in the container's namespaces and in the cgroup of its first process.

        `machinectl shell` would need a D-Bus daemon in the container.
        """
        procs = {
            f"{container.hierarchies.points[hierarchy]}{path.rstrip('/')}/cgroup.procs"
            for hierarchy, path in container.places.items()
            if path != "/"
        }
        variables = [f"{name}={value}" for name, value in {"PATH": PATH, **container.spec.environment}.items()]
        words = (str(container.pid), str(user), " ".join(sorted(procs)), *variables, *argv)
        return self.guest.sh(JOIN + ENTER, *words)

    def get_update_command(self, name: str, memory: int) -> tuple[str, ...]:
        """Return `systemctl set-property` for the scope; it is forgotten with the guest's next boot."""
        return ("systemctl", "set-property", "--runtime", self.get_scope(name), f"MemoryMax={memory}")

    def read_statistics(self, name: str) -> tuple[int, int]:
        """Return what systemd counts for the scope, as `machinectl status` shows it; it has to answer, too."""
        script = 'machinectl status "$1" >/dev/null && systemctl show --property=MemoryCurrent,TasksCurrent "$2"'
        said = dict(line.split("=") for line in self.guest.do(script, name, self.get_scope(name)).splitlines())
        return int(said["MemoryCurrent"]), int(said["TasksCurrent"])

    def stop(self, spec: Spec) -> bool:
        """Stop the service: nspawn asks a systemd to shut down, and kills everything else."""
        result = self.guest.sh(STOP, spec.name, self.get_scope(spec.name))
        if result.code != 0:
            raise CommandFailedError("systemctl stop", result)
        return result.out.split()[:1] == ["success"]

    def get_limits_path(self, name: str) -> str:  # noqa: ARG002 - it is the same for all
        """Return nothing: the scope itself has the limits."""
        return ""

    def replace_names(self, text: str) -> str:
        """Return the text as it is: containers are called by their names."""
        return text

    def list_names(self) -> frozenset[str]:
        """Return the containers that machined knows."""
        return frozenset(line.split()[0] for line in self.guest.do("machinectl list --no-legend").splitlines())

    def wait_end(self, container: Container) -> int:
        """Return what the service's manager saw; the number of a status, not the name of a signal."""
        return int(self.guest.do(ENDED, container.name))

    def read_statuses(self, container: Container) -> Mapping[str, int]:
        """Return the files in which the pod keeps them."""
        files = [f"{container.spec.rootfs}{apps.STATUS}/{app.name}" for app in container.spec.apps]
        return {path.rpartition("/")[2]: int(text) for path, text in self.guest.read(*files).items() if text.strip()}

    def _make_argv(self, spec: Spec, *more: str) -> tuple[str, ...]:
        limits = {
            "MemoryMax": spec.memory,
            "MemorySwapMax": spec.swap,
            "TasksMax": spec.pids,
            "CPUQuota": None if spec.cpu is None else f"{spec.cpu * 100:.0f}%",
        }
        return (
            *(("env", "SYSTEMD_NSPAWN_USE_CGNS=0") if spec.cgroups else ()), "systemd-nspawn", "--quiet", f"--machine={spec.name}", f"--directory={spec.rootfs}",
            "--register=yes", *_format_network(spec), "--link-journal=no", *more,
            *(("--boot", "--notify-ready=yes") if spec.boots else () if spec.first else ("--as-pid2",)),
            *(("--read-only",) if spec.read_only else ()),
            *((f"--user={spec.user}",) if spec.user else ()),
            *(f"--setenv={name}={value}" for name, value in spec.environment.items()),
            *_format_binds(spec),
            *(f"--property={name}={value}" for name, value in limits.items() if value is not None),
            *_format_rights(spec), *spec.words,
            "--", *(spec.argv[1:] if spec.boots else spec.argv),
        )  # fmt: skip


def _format_network(spec: Spec) -> list[str]:
    """Return the options for a container's network; without one it shares the guest's."""
    if spec.network is None:
        return ["--private-network"]
    # Without a network of its own making nspawn would lay the guest's resolv.conf over that of the container.
    return [] if spec.network == "host" else [f"--network-namespace-path={spec.network}", "--resolv-conf=off"]


def _format_binds(spec: Spec) -> list[str]:
    """Return the mounts of a container, and of each app at its place in the pod."""
    mounts = list(spec.mounts)
    for app in spec.apps:
        mounts.append(Mount(source=app.rootfs, target=apps.get_root(app), read_only=True))
        mounts += [replace(mount, target=apps.get_root(app) + mount.target) for mount in app.mounts]
    return [
        f"--bind{'-ro' if mount.read_only else ''}={mount.source}:{mount.target}:"
        + ("rbind" if mount.recursive else "norbind")
        for mount in mounts
    ]


def _format_rights(spec: Spec) -> list[str]:
    """Return the options for what a container may do and sees."""
    given = {
        "--hostname": spec.hostname,
        "--uuid": spec.machine_id,
        "--private-users": "" if spec.private_users is None else f"{spec.private_users}:65536",
        "--no-new-privileges": "" if spec.no_new_privileges is None else "yes" if spec.no_new_privileges else "no",
        "--oom-score-adjust": "" if spec.oom_score_adj is None else str(spec.oom_score_adj),
        "--rlimit": "" if spec.open_files is None else f"NOFILE={spec.open_files}",
        "--chdir": "" if spec.working_directory == "/" else spec.working_directory,
        "--kill-signal": f"SIG{spec.stop_signal}" if spec.stop_signal else "",
    }
    words = [f"{option}={value}" for option, value in given.items() if value]
    if spec.capabilities is not None:
        usual = {f"CAP_{name}" for name in CAPABILITIES}
        words += [f"--capability={name}" for name in sorted({*spec.capabilities} - usual)]
        words += [f"--drop-capability={name}" for name in sorted(usual - {*spec.capabilities})]
    words += [f"--system-call-filter=~{name}" for name in spec.syscalls_refused]
    words += [f"--inaccessible={path}" for path in spec.masked]
    words += [f"--bind-ro=+{path}:{path}" for path in spec.read_only_paths]
    for device in (*spec.devices, *(device for app in spec.apps for device in app.devices)):
        words += [f"--bind={device}", f"--property=DeviceAllow={device} rw"]
    return words


def connect(guest: Guest, _flavor: str | None = None, /) -> Nspawn:
    """Return the engine, in this guest."""
    said = guest.do("systemd-nspawn --version; ls /usr/lib/*/libseccomp.so.* /usr/lib/libseccomp.so.* 2>/dev/null; :")
    return Nspawn(guest, int(re.findall(r"\d+", said)[0]), seccomp="libseccomp" in said)
