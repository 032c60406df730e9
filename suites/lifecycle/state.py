"""The state of a running container, as the guest and its own processes see it: what must be the same later."""

from dataclasses import dataclass

from suites.lib.engine import Container
from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.machined import find_machine

__all__ = ["GIVEN", "ContainerState", "read_state"]

GIVEN = "/dev/harness-given"
"""A device node of the guest that no driver has, so that systemd and the runtime know its numbers only."""

KNOBS = (
    "memory.max", "memory.limit_in_bytes", "memory.swap.max", "pids.max",
    "cpu.max", "cpu.weight", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares",
)  # fmt: skip

PROPERTIES = (
    "ActiveState,SubState,Slice,ControlGroup,Delegate,DevicePolicy,DeviceAllow,"
    "MemoryMax,MemoryLimit,MemorySwapMax,CPUQuotaPerSecUSec,TasksMax"
)
MACHINE = ("Leader=", "Unit=", "Class=", "Service=", "RootDirectory=", "Id=")

LOOK = r"""
try() { name=$1; shift; if said=$( ("$@") 2>&1); then echo "$name usable"; else echo "$name ${said##*: }"; fi; }
open() { : <"$1"; }
make() { mknod "$1" c 240 8 && : <"$1"; }
try given open "$1"
try disk open "$2"
try refused make /dev/harness-refused; rm -f /dev/harness-refused
for name in full null random urandom zero; do try "$name" open "/dev/$name"; done
(exec 3<>/dev/ptmx; set -- /dev/pts/[0-9]*; shift $(($# - 1)); try terminal open "$1")
while read -r place; do echo "place:$place"; done </proc/self/cgroup
"""
"""What a command in the container may open. The terminal that it makes is locked, which is not the same as forbidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """A running container at one moment.

    Attributes:
        knobs: Limits, by the control file; none where it is absent.
        controllers: Controllers of its scope in the v2 tree.
        places: Path of the first process, by hierarchy.
        processes: Processes below its scope, by the guest's ids.
        unit: What systemd says of its scope.
        machine: What machined says of it; nothing where the runtime registers none.
        listed: The containers that the runtime knows.
        executed: What a command in it found: the words of `LOOK` with their answers; empty if it could not run.
        refused: Why that command could not run; empty if it did.
    """

    knobs: dict[str, str]
    controllers: frozenset[str]
    places: dict[str, str]
    processes: frozenset[int]
    unit: str
    machine: str
    listed: frozenset[str]
    executed: dict[str, str]
    refused: str

    def get_limits(self, controller: str) -> dict[str, str]:
        """Return the limits of one controller, as "memory" or "memory.swap"."""
        return {file: text for file, text in self.knobs.items() if file.rpartition(".")[0] == controller and text}


def read_state(container: Container, guest: Guest, disk: str) -> ContainerState:
    """Return the state of a container which was given `GIVEN` and a disk."""
    # The answer of systemd comes after all that it had to do before.
    unit = guest.do('systemctl show --property="$1" "$2"', PROPERTIES, container.scope)
    offered = [file for file in KNOBS if _is_mounted(container, file)]
    tree = _read_controllers(container)
    machine = ""
    if Feature.MACHINED not in container.engine.lacks:
        name = find_machine(guest, container)
        machine = guest.sh('machinectl show "$1"', name).out if name else ""
    places = (f"{container.engine.devices}/{device.rpartition('/')[2]}" for device in (GIVEN, disk))
    looked = container.execute("sh", "-c", LOOK, "sh", *places)
    lines = looked.out.splitlines() if looked.code == 0 else []
    return ContainerState(
        knobs=container.read_knobs(*offered),
        controllers=tree,
        places=container.read_places(container.pid)[container.pid],
        processes=frozenset(container.list_processes()),
        unit="\n".join(sorted(unit.splitlines())),
        machine="\n".join(sorted(line for line in machine.splitlines() if line.startswith(MACHINE))),
        listed=container.engine.list_names(),
        executed={" ".join(words[:1]): " ".join(words[1:]) for words in map(str.split, lines)},
        refused="" if looked.code == 0 else f"{looked.code}: {looked.err or looked.out}",
    )


def _is_mounted(container: Container, file: str) -> bool:
    try:
        container.hierarchies.find_hierarchy(file.partition(".")[0])
    except LookupError:
        return False
    return True


def _read_controllers(container: Container) -> frozenset[str]:
    if container.hierarchies.mode != "unified":
        return frozenset()
    return frozenset(container.read_knobs("cgroup.controllers")["cgroup.controllers"].split())
