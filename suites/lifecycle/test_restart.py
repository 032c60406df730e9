"""That a container or service can be started again at once under its name, whatever it left."""

import pytest

from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.fixtures import SLEEP

START = r"""
unit=$1; shift
systemd-run --quiet --unit="$unit" --property=KillMode=mixed --property=TimeoutStopSec=20 \
    --property=SuccessExitStatus='0 143' -- "$@"
"""

RESTART = r"""
ready() { n=200; until [ -e "$1/ready" ]; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done; rm -f "$1/ready"; }
ready "$2"
for time in 1 2; do systemctl restart "$1.service" && ready "$2" || exit; done
systemctl show --property=ActiveState,NRestarts "$1.service" | sort
"""

DELEGATED = r"""
place=/sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)
mkdir "$place/inner" && echo $$ >"$place/inner/cgroup.procs" && echo +pids >"$place/cgroup.subtree_control" || exit
exec sleep 1111
"""

DELEGATE = r"""
systemd-run --quiet --unit="$1" --property=Delegate=yes --property=Restart=always --property=RestartSec=0 -- sh -c "$2" || exit
inner() { grep -q . "/sys/fs/cgroup/system.slice/$1.service/inner/cgroup.procs" 2>/dev/null; }
n=50; until inner "$1"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
systemctl restart "$1.service" || exit
n=50; until inner "$1"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
systemctl kill --signal=KILL "$1.service"; sleep 1
n=50; until inner "$1"; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
systemctl show --property=ActiveState,Result "$1.service" | sort
"""

WITHOUT_MAIN = r"""
systemd-run --quiet --unit="$1" --property=Type=notify --property=NotifyAccess=all --property=Delegate=yes --property=KillMode=process \
    --property=TimeoutStopSec=5 -- sh -c "sleep 1113 & echo \$\$! >/run/$1.child; systemd-notify --ready; exec sleep 1112" || exit
kill -KILL "$(systemctl show --property=MainPID --value "$1.service")"
n=50; while [ "$(systemctl is-active "$1.service")" = active ] && [ $((n -= 1)) -gt 0 ]; do sleep 0.1; done
systemctl show --property=ActiveState,MainPID "$1.service" | sort
kill -0 "$(cat "/run/$1.child")" && echo alive
"""
"""A service as that of containerd, whose containers stay when it goes; its command's `$` are doubled for systemd."""

FORGET_CHILD = 'kill -KILL "$(cat "/run/$1.child")"; rm -f "/run/$1.child"'

TIDY = 'systemctl stop "$1.service"; systemctl reset-failed "$1.service"'


def test_service_of_a_container_restarts_at_once(runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """A service that is a container can be restarted again and again, as nothing of the last one holds its name."""
    payload = ("sh", "-c", "trap 'exit 0' TERM; : >/mnt/a/ready; while :; do sleep 0.2; done")
    mounts = (Mount(source=shared, target="/mnt/a"),)
    with runtime.prepare(*payload, first=True, mounts=mounts) as (name, command):
        try:
            guest.do(START, name, *command)
            said = guest.do(RESTART, name, shared).split()
            listed = runtime.list()
        finally:
            guest.sh(TIDY, name)

    assert said == ["ActiveState=active", "NRestarts=0"]
    assert len(listed) >= 1


def test_name_is_free_when_the_first_process_was_killed(runtime: ContainerRuntime, guest: Guest) -> None:
    """A container whose first process was killed from outside can be started again under its name at once."""
    with runtime.start("sh", "-c", f"sleep 1111 & {SLEEP}") as container:
        guest.do('kill -KILL "$1"', str(container.pid))
        with runtime.start_again(container) as again:
            assert again.name in runtime.list()
            assert again.pid != container.pid


@pytest.mark.needs(cgroup="unified")
def test_delegated_service_restarts(runtime: ContainerRuntime, guest: Guest) -> None:
    """A service with Delegate= that left controllers on below it starts again, when asked and by itself."""
    name = f"{runtime.prefix}-delegated"
    try:
        said = guest.do(DELEGATE, name, DELEGATED.replace("$", "$$")).split()
    finally:
        guest.sh(TIDY, name)

    assert said == ["ActiveState=active", "Result=success"]


def test_service_without_its_main_process_is_not_active(runtime: ContainerRuntime, guest: Guest) -> None:
    """A service with Delegate= whose main process was killed is failed, though others of it live on (flatcar#1157)."""
    name = f"{runtime.prefix}-headless"
    try:
        said = guest.do(WITHOUT_MAIN, name).split()
    finally:
        guest.sh(FORGET_CHILD, name)
        guest.sh(TIDY, name)

    assert said == ["ActiveState=failed", "MainPID=0", "alive"]
