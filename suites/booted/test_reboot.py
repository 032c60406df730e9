"""A container whose systemd reboots it: it begins again under its name, and the guest does not."""

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rootfs import READY
from suites.lib.runtime import BOOT_SECONDS, ContainerRuntime

pytestmark = pytest.mark.needs(feature=Feature.NSPAWN_OPTIONS)

AGAIN = r"""
n=$4
until
    pid=$2
    while IFS== read -r key value; do [ "$key" != LEADER ] || pid=$value; done <"/run/systemd/machines/$1"
    [ "$pid" != "$2" ] && [ -e "/proc/$pid/root$3" ]
do
    [ $((n -= 1)) -gt 0 ] || exit 1
    sleep 0.5
done 2>/dev/null
cat "/proc/$pid/comm"
"""


def test_container_boots_again_from_inside(runtime: ContainerRuntime, guest: Guest) -> None:
    """`systemctl reboot` in a container ends its first process and boots it again, with the same machine and scope."""
    boot = "/proc/sys/kernel/random/boot_id"
    before = guest.read(boot)[boot]
    with runtime.boot() as container:
        container.execute("systemctl", "reboot")
        comm = guest.do(AGAIN, container.name, str(container.pid), READY, str(2 * BOOT_SECONDS))
        state = guest.do('systemctl is-active "$1"', container.scope).strip()
        listed = runtime.list()

    assert comm.strip() == "systemd"
    assert (state, container.name in listed) == ("active", True)
    assert guest.read(boot)[boot] == before
