"""That many services with cgroups of their own can be started at once, as on a computer that starts all its containers."""

import pytest

from suites.lib.guest import Guest
from suites.lib.leftovers import Leftovers
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.needs(cgroup="unified")

EMULATED, PHYSICAL = 20, 100
"""How many: an emulated guest starts some in a second. As many containers would take it minutes."""

UNIT = r"""
[Service]
Slice=machine.slice
Delegate=yes
ExecStart=/bin/sh -c 'cd /sys/fs/cgroup/machine.slice/%n && mkdir supervisor payload && echo $$$$ >supervisor/cgroup.procs && \
    echo "+pids +memory" >cgroup.subtree_control && { sleep 1116 & echo $$! >payload/cgroup.procs; } && : >"$$0/%n" && wait' {}
"""
"""What systemd-nspawn does in its service: a cgroup for itself and one for the container, with controllers on."""

START = r"""
directory=$1 text=$2; shift 2
mkdir "$directory" || exit
for unit; do printf %s "$text" >"/run/systemd/system/$unit" || exit; done
systemctl daemon-reload && systemctl start --no-block "$@" || exit
end=$(($(cut -d . -f 1 /proc/uptime) + 90))
until [ "$(ls "$directory" | wc -l)" -ge $# ] || [ "$(cut -d . -f 1 /proc/uptime)" -ge $end ]; do sleep 0.2; done
for unit; do
    [ ! -e "$directory/$unit" ] || continue
    echo "$unit"
    journalctl --unit="$unit" --output=cat --lines=3 --no-pager >&2
done
"""

STOP = r"""
directory=$1; shift
systemctl stop "$@"; systemctl reset-failed "$@" 2>/dev/null
for unit; do rm -f "/run/systemd/system/$unit"; done
rm -rf "$directory"
systemctl daemon-reload
"""


def test_all_of_many_start(runtime: ContainerRuntime, guest: Guest, leftovers: Leftovers) -> None:
    """Of many services that are started at once each can make the cgroups of a container below its own (systemd#14247)."""
    number = PHYSICAL if guest.sh("systemd-detect-virt").out.strip() == "kvm" else EMULATED
    directory = f"/run/{runtime.prefix}-started"
    units = [f"{runtime.prefix}-many-{n}.service" for n in range(number)]
    try:
        with leftovers.ignore_new():
            said = guest.sh(START, directory, UNIT.replace("{}", directory), *units)
    finally:
        guest.do(STOP, directory, *units)

    assert (said.code, said.out.split()) == (0, []), said.err
