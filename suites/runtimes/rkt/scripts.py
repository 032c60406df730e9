"""What rkt's adapter runs in the guest: scripts that put several commands into one, as each one over ssh costs time."""

__all__ = ["CONFIGURE", "DATA", "ENDED", "FILES", "FIRST", "INSIDE", "NAMES", "RUN", "START", "STOP"]

DATA = "/var/lib/rkt"

START = r"""
unit=$1 limit=$2 seconds=$3; shift 3
systemd-run --quiet --collect --unit="$unit" --property=Type=notify --property=NotifyAccess=all \
    --property=KillMode=mixed --property=TimeoutStartSec="$limit" --property=TimeoutStopSec="$seconds" \
    --property="ExecStopPost=/bin/sh -c 'echo \$\$SERVICE_RESULT \$\$EXIT_STATUS >/run/$unit.result'" \
    -- /bin/sh -c '"$$@"; exit $$?' sh "$@" >&2 || {
    journalctl --sync; journalctl --unit="$unit" --output=cat --lines=20 --no-pager >&2; exit 1; }
"""
"""Starts a pod, and waits until its systemd says that its apps are started, or (before 231) that it is there itself."""

FILES = r"""
read -r uuid <"/run/$1.uuid" || [ -n "$uuid" ] || exit
cd "$2/pods/run/$uuid" || exit
# Where the stage1 is mounted in the pod's own mount namespace only, it is the root of the pod's processes.
read -r pid 2>/dev/null <ppid && read -r child _ </proc/$pid/task/$pid/children && root=/proc/$child/root
[ -h stage1/rootfs/flavor ] && root=stage1/rootfs
read -r version 2>/dev/null <"$root/systemd-version"
# The flavor host has no such file, and systemctl is asked, as by the program itself (stage1/init/common/pod.go, GetFlavor).
[ -n "$version" ] || [ "$(readlink "$root/flavor")" != host ] || version=v$(systemctl --version | sed -n '1s/[^0-9]*\([0-9]*\).*/\1/p')
read -r subcgroup <subcgroup || :
printf '%s\n' "$uuid" "$subcgroup" "$(readlink "$root/flavor")" "$version"
"""

NAMES = f"""
grep -sH "" /run/*.uuid {DATA}/pods/*/*/netns
"""
"""The UUIDs of the pods that containers are, and where each pod's network namespace is mounted."""

INSIDE = 'pid=$1; shift; exec nsenter --target "$pid" --mount --uts --ipc --net --pid --root --wd -- "$@" </dev/null'
"""Runs a command in a pod's own system, for which rkt has none: `rkt enter` goes to an app's tree."""

CONFIGURE = r"""
mkdir -p "$1/net.d" && cd "$1/net.d" || exit
shift
while [ $# -gt 1 ]; do printf '%s\n' "$2" >"$1"; shift 2; done
"""

FIRST = r"""
for place; do
    [ -e "$place/cgroup.procs" ] && read -r any <"$place/cgroup.procs" || continue
    all=" $(tr '\n' ' ' <"$place/cgroup.procs")"
    for pid in $all; do
        parent=$(sed -n 's/^PPid:\t//p' "/proc/$pid/status")
        case $all in *" $parent "*) ;; *) echo "$place $pid"; exit ;; esac
    done
done
exit 1
"""
"""The process of an app whose parent is none of the app's: its first one; and the cgroup among several where it is."""

FORGET = (
    r"""
# Of a pod that could not be prepared no one else knows the UUID.
[ -e "/run/$unit.uuid" ] || rkt gc --grace-period=0s >/dev/null
[ ! -e "/run/$unit.uuid" ] || {
    read -r uuid <"/run/$unit.uuid" || :
    n=50
    while [ -e "/run/systemd/machines/rkt-$uuid" ]; do [ $((n -= 1)) -gt 0 ] || break; sleep 0.1; done
    # A pod's lock is free some time after its last process has ended.
    n=50
    until said=$(rkt rm --uuid-file="/run/$unit.uuid" 2>&1); do
        [ $((n -= 1)) -gt 0 ] || { echo "$said" >&2; exit 1; }
        sleep 0.1
    done
    rm -f "/run/$unit.uuid"
}
rm -rf "/run/$unit.rkt"
# A service that was started again has a pod for each time, of which the file names the last one.
for pod in """
    + DATA
    + r"""/pods/run/*; do
    [ ! -d "$pod" ] || grep -qs "${pod##*/}" /run/*.uuid || rkt rm "${pod##*/}" >/dev/null 2>&1
done
"""
)

RUN = (
    r"""
unit=$1 limit=$2; shift 2
began=$(date +%s)
timeout --kill-after=5 "$limit" "$@" </dev/null
code=$?
[ $(($(date +%s) - began)) -lt "$limit" ] || echo "the pod did not end within $limit seconds" >&2
"""
    + FORGET
    + "exit $code\n"
)

STOP = (
    r"""
unit=$1 seconds=$2
orderly=yes
if [ -e "/run/systemd/transient/$unit.service" ]; then
    rkt stop --uuid-file="/run/$unit.uuid" >&2 || orderly=no
    n=$((seconds * 10))
    while [ -e "/run/systemd/transient/$unit.service" ] && [ $((n -= 1)) -gt 0 ]; do sleep 0.1; done
    [ ! -e "/run/systemd/transient/$unit.service" ] || {
        orderly=no
        rkt stop --force --uuid-file="/run/$unit.uuid" >&2
        systemctl stop "$unit.service" >&2
    }
fi
"""
    + FORGET
    + r"""
result=
[ ! -e "/run/$unit.result" ] || { read -r result <"/run/$unit.result"; rm -f "/run/$unit.result"; }
echo "$orderly $result"
"""
)

ENDED = """
n=300
until read -r _ status <"/run/$1.result"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done 2>/dev/null
echo "$status"
"""
