"""systemd-nspawn, the engine of rkt's stage1, registered with machined as rkt registers its pods.

A container is a transient service that is the nspawn process, and a scope that has the container's
processes, so that neither hangs on the ssh session that started it.
"""

import re
from collections.abc import Sequence

from suites.lib.guest import CommandFailedError, Guest, Result
from suites.lib.runtime import PATH, Container, Spec

__all__ = ["Nspawn", "connect"]

OWN_SCOPE = 259
"""Version of systemd since which nspawn allocates the scope of its container."""

START = r"""
unit=$1; shift
systemd-run --quiet --collect --unit="$unit" --property=Type=notify --property=NotifyAccess=all \
    --property=KillMode=mixed --property=TimeoutStopSec=20 \
    --property="ExecStopPost=/bin/sh -c 'echo \$\$SERVICE_RESULT >/run/$unit.result'" -- "$@" >&2 || {
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

JOIN = 'pid=$1 uid=$2 procs=$3; shift 3\nfor file in $procs; do echo $$ >"$file" || exit; done\n'
ENTER = (
    'nsenter --target "$pid" --mount --uts --ipc --net --pid --cgroup --setuid "$uid" --setgid "$uid" -- env -i "$@"'
)


class Nspawn:
    """systemd-nspawn's command line, with machinectl's and systemctl's."""

    name = "nspawn"
    traces = ("/run/systemd/machines", "/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export")

    def __init__(self, guest: Guest, version: int) -> None:
        self.guest = guest
        self.version = version

    def scope(self, name: str) -> str:
        """The scope unit that has a container's processes.

        Since systemd 259 nspawn asks for it itself and calls it by the machine's name (commit 814db2ae79);
        before that machined did, with a prefix and dashes escaped as in systemd-escape(1).
        """
        if self.version >= OWN_SCOPE:
            return f"{name}.scope"
        escaped = re.sub(r"[^A-Za-z0-9:_.]", lambda found: f"\\x{ord(found[0]):02x}", name)
        return f"machine-{escaped}.scope"

    def start(self, spec: Spec) -> int:
        """Start a container; nspawn tells its service manager when it runs, for a systemd when it has booted."""
        # The service manager replaces variables in the command lines of its services (systemd.service(5)).
        argv = [word.replace("$", "$$") for word in self._argv(spec)]
        return int(self.guest.do(START, spec.name, *argv))

    def run(self, spec: Spec) -> Result:
        """Run a container to its end, its output on pipes."""
        return self.guest.sh(RUN, spec.name, self.scope(spec.name), *self._argv(spec, "--pipe"))

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

    def stop(self, spec: Spec) -> bool:
        """Stop the service: nspawn asks a systemd to shut down, and kills everything else."""
        result = self.guest.sh(STOP, spec.name, self.scope(spec.name))
        if result.code != 0:
            raise CommandFailedError("systemctl stop", result)
        return result.out.strip() == "success"

    def names(self) -> frozenset[str]:
        """The containers that machined knows."""
        return frozenset(line.split()[0] for line in self.guest.do("machinectl list --no-legend").splitlines())

    def _argv(self, spec: Spec, *more: str) -> tuple[str, ...]:
        limits = {
            "MemoryMax": spec.memory,
            "TasksMax": spec.pids,
            "CPUQuota": None if spec.cpu is None else f"{spec.cpu * 100:.0f}%",
        }
        return (
            "systemd-nspawn", "--quiet", f"--machine={spec.name}", f"--directory={spec.rootfs}",
            "--register=yes", "--private-network", "--link-journal=no", *more,
            *(("--boot", "--notify-ready=yes") if spec.boots else ("--as-pid2",)),
            *(("--read-only",) if spec.read_only else ()),
            *((f"--user={spec.user}",) if spec.user else ()),
            *(f"--setenv={name}={value}" for name, value in spec.environment.items()),
            *(f"--bind{'-ro' if mount.read_only else ''}={mount.source}:{mount.target}" for mount in spec.mounts),
            *(f"--property={name}={value}" for name, value in limits.items() if value is not None),
            "--", *(spec.argv[1:] if spec.boots else spec.argv),
        )  # fmt: skip


def connect(guest: Guest) -> Nspawn:
    """The engine, in this guest."""
    said = guest.do("systemd-nspawn --version")
    return Nspawn(guest, int(re.findall(r"\d+", said)[0]))
