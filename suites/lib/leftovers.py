"""What containers left in the guest: cgroups, mounts, units, entries of the runtime, network namespaces."""

from collections.abc import Iterator
from contextlib import contextmanager

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.runtime import ContainerRuntime

__all__ = ["Leftovers"]

SNAPSHOT = r"""
for path in /sys/fs/cgroup/*/ /sys/fs/cgroup/*/*/ /sys/fs/cgroup/machine.slice/*/ /sys/fs/cgroup/*/machine.slice/*/; do
    [ ! -e "${path}cgroup.procs" ] || [ -h "${path%/}" ] || echo "cgroup $path"
done
for path in /run/systemd/transient/* /run/harness*; do [ ! -e "$path" ] || echo "path $path"; done
for directory; do
    case $directory in
    [0-9]*) known="$known $directory" ;;
    *) for path in "$directory"/*; do [ ! -e "$path" ] || echo "path $path"; done ;;
    esac
done
for process in /proc/[0-9]*; do
    [ -e "$process/ns/net" ] && [ ! "$process/ns/net" -ef /proc/1/ns/net ] || continue
    for pid in $known; do [ ! "$process/ns/net" -ef "/proc/$pid/ns/net" ] || continue 2; done
    while read -r place; do process="$process $place"; done <"$process/cgroup"
    echo "netns $process"
done 2>/dev/null
while read -r _ _ _ _ point _; do echo "mount $point"; done </proc/1/mountinfo
"""
"""Uses the shell's own commands only: each process would cost tens of milliseconds under TCG, for every case."""

COMES_AND_GOES = ("/run/credentials", "/run/user", "/run/systemd/transient/session-", "/run/harness-")
"""Beginnings of what the guest's own services and logins make and remove, and the suites' own directories."""

NETNS = "mount /run/netns"
"""What the first named network namespace makes, and no one takes away (ip-netns(8))."""

GUEST = ("system.slice", "user.slice", "init.scope", "machine.slice", "-.mount")
"""cgroups of the guest itself; systemd 247 makes the last one when it is reloaded."""

TRIES = 6


class Leftovers:
    """Compares what is in the guest with what was there when this was made.

    Containers that run do not count, nor do those of other workers, which are told by their names.
    """

    script = SNAPSHOT
    """What looks; a suite that makes other things in the guest has a script that looks for them, too."""

    def __init__(self, guest: Guest, runtime: ContainerRuntime) -> None:
        self.guest = guest
        self.runtime = runtime
        self._known = self._take_snapshot()

    @contextmanager
    def ignore_new(self) -> Iterator[None]:
        """Provide a context in which what is made is no leftover: a suite's own networks, which it removes itself."""
        before = self._take_snapshot()
        yield
        self._known |= self._take_snapshot() - before

    def find(self) -> list[str]:
        """Return what is new and stays, once only. Kernel and systemd are given two seconds or so to tidy up."""
        if not self.runtime.dirty:
            return []
        self.runtime.dirty = False
        new = self._take_snapshot() - self._known
        for _ in range(TRIES - 1):
            if not new:
                return []
            self.guest.sh("sleep 0.1")
            # What stays is there in every look; other workers' things that have no name yet come and go.
            new &= self._take_snapshot()
        self._known |= new
        return sorted(new)

    def _take_snapshot(self) -> set[str]:
        live = self.runtime.live
        known = [str(container.pid) for container in live.values()]
        text = self.guest.do(self.script, *self.runtime.engine.traces, *known)
        # Unit names escape dashes, and mountinfo escapes the backslash of that again.
        text = self.runtime.engine.replace_names(text.replace(r"\134x2d", "-").replace(r"\x2d", "-"))
        lines = [line for line in text.splitlines() if line != NETNS]
        counted = [line for line in lines if self._does_count(line) and not any(name in line for name in live)]
        # A process is itself wherever it is.
        return {" ".join(line.split()[:2]) if line.startswith("netns ") else line for line in counted}

    def _does_count(self, line: str) -> bool:
        kind, _, path = line.partition(" ")
        if kind == "cgroup":
            parts = path.strip("/").split("/")[3:]
            # A runtime's own cgroup stays when its containers are gone, as docker's does.
            if parts and f"/{parts[-1]}" == self.runtime.engine.parent:
                return False
            # That it leaves these is known, and a case of its own.
            forgotten = Feature.RDMA_REMOVED in self.runtime.engine.lacks and path.startswith("/sys/fs/cgroup/rdma/")
            return (
                self._is_ours(path)
                and not forgotten
                and not (parts and parts[-1] in GUEST)
                and not {"system.slice", "user.slice"} & set(parts)
            )
        if kind == "netns":
            return self._is_ours(path)
        return not path.startswith(COMES_AND_GOES) and self._is_ours(path)

    def _is_ours(self, text: str) -> bool:
        """Return whether something is not another worker's."""
        return "harness-" not in text or f"{self.runtime.prefix}-" in text
