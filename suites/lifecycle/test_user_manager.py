"""A scope of a user's own service manager, in which a container of that user has left cgroups of its root."""

from collections.abc import Iterator

import pytest

from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.needs(cgroup="unified")

USER = "1"
"""The user `daemon`, which every system has."""

UP = r"""
unit=user@$1.service runtime=/run/user/$1
mkdir -p "$runtime" "/run/systemd/system/$unit.d" && chown "$1:$1" "$runtime" && chmod 0700 "$runtime" || exit
# Without the session that a login makes, and the variables that come with it.
printf '[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=%s\n' "$runtime" >"/run/systemd/system/$unit.d/harness.conf"
systemctl daemon-reload && systemctl start "$unit" || exit
"""

DOWN = r"""
systemctl stop "user@$1.service"; systemctl reset-failed "user@$1.service" 2>/dev/null
rm -rf "/run/systemd/system/user@$1.service.d" "/run/user/$1"
systemctl daemon-reload
"""

SCOPE = r"""
user=$1 unit=$2
place=/sys/fs/cgroup/user.slice/user-$user.slice/user@$user.service/app.slice/$unit.scope
start() {
    setpriv --reuid="$user" --regid="$user" --clear-groups env XDG_RUNTIME_DIR="/run/user/$user" \
        DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$user/systemd/private" \
        systemd-run --user --quiet --scope --unit="$unit" --slice=app.slice --property=Delegate=yes "$@"
}
start sleep 1115 &
n=100; until grep -q . "$place/cgroup.procs" 2>/dev/null; do [ $((n -= 1)) -gt 0 ] || exit; sleep 0.1; done
read -r pid <"$place/cgroup.procs"
# What a systemd in the container does as its root, who is another user outside: a tree with controllers on.
mkdir -p "$place/payload/init" && echo "$pid" >"$place/payload/init/cgroup.procs" &&
    echo +pids >"$place/cgroup.subtree_control" && echo +pids >"$place/payload/cgroup.subtree_control" || exit
kill -KILL "$pid"; wait $!
n=50; while [ -e "$place" ] && [ $((n -= 1)) -gt 0 ]; do sleep 0.1; done
[ ! -e "$place" ] || echo "stays"
start true && echo "starts again"
"""


@pytest.fixture(scope="module")
def user(guest: Guest) -> Iterator[str]:
    """A user whose service manager runs."""
    try:
        guest.do(UP, USER)
        yield USER
    finally:
        guest.do(DOWN, USER)


def test_scope_of_a_user_goes_with_its_container(user: str, runtime: ContainerRuntime, guest: Guest) -> None:
    """When the last process has ended the scope goes, though its user may not remove what is below, and its name is free.

    The user's manager has to ask the guest's for it (systemd#37938).
    """
    said = guest.do(SCOPE, user, f"{runtime.prefix}-contained").split("\n")

    assert said[:-1] == ["starts again"]
