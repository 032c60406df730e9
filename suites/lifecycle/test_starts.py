"""That many containers can be started at once, each as the service of its own that a template unit of systemd makes it."""

from contextlib import ExitStack

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.lib.spec import ContainerOptions

EMULATED, PHYSICAL = 20, 100
"""How many: an emulated guest starts one in a second, and with a processor of its own many."""

PAYLOAD = ": >/mnt/a/$(hostname); trap 'exit 0' TERM; while :; do sleep 0.5; done"

UNIT = """\
[Service]
Slice=machine.slice
Delegate=yes
KillMode=mixed
TimeoutStopSec=30
SuccessExitStatus=0 143
ExecStart={}
"""
"""As systemd-nspawn@.service has them."""

WRITE = 'while [ $# -gt 0 ]; do printf %s "$2" >"/run/systemd/system/$1" && shift 2 || exit; done'

START = r"""
directory=$1; shift
systemctl daemon-reload && systemctl start --no-block "$@" || exit
n=300; until [ "$(ls "$directory" | wc -l)" -ge $# ] || systemctl is-failed --quiet "$@"; do [ $((n -= 1)) -gt 0 ] || break; sleep 0.1; done
for unit; do
    systemctl is-failed --quiet "$unit" || continue
    echo "$unit"
    journalctl --unit="$unit" --output=cat --lines=5 --no-pager >&2
done
"""

STOP = r"""
systemctl stop "$@"; systemctl reset-failed "$@" 2>/dev/null
for unit; do rm -f "/run/systemd/system/$unit"; done
systemctl daemon-reload
"""


def _quote(word: str) -> str:
    """Return a word of a command line as a unit file has it (systemd.service(5), Command lines)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


@pytest.fixture
def number(guest: Guest) -> int:
    """How many containers are started."""
    return PHYSICAL if guest.sh("systemd-detect-virt").out.strip() == "kvm" else EMULATED


def test_all_of_many_start(number: int, runtime: ContainerRuntime, shared: str, guest: Guest) -> None:
    """Of many services that are containers and are started at once, none fails, and each gets to run (systemd#14247)."""
    options = ContainerOptions(mounts=(Mount(source=shared, target="/mnt/a"),))
    if Feature.NSPAWN_OPTIONS not in runtime.engine.lacks:
        # As in systemd-nspawn@.service: the container's cgroups are below those of its service. Machined is not asked, which
        # would take its time for each in an emulated guest, and nspawn waits for 25 s only.
        options["words"] = ("--keep-unit", "--register=no")
    units: dict[str, str] = {}
    with ExitStack() as stack:
        for _ in range(number):
            name, command = stack.enter_context(runtime.prepare("sh", "-c", PAYLOAD, **options))
            units[f"{name}.service"] = UNIT.format(" ".join(map(_quote, command)))
        stack.callback(guest.sh, STOP, *units)
        guest.do(WRITE, *(word for pair in units.items() for word in pair))
        said = guest.sh(START, shared, *units)
        started = guest.do('ls "$1"', shared).split()

    assert (said.code, said.out.split()) == (0, []), said.err
    assert {f"{name}.service" for name in started} == units.keys()
