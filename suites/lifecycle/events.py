"""What happens to the guest of a container that runs, and the container before and after it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from suites.lib.engine import Container
from suites.lib.runtime import ContainerRuntime
from suites.lifecycle.state import ContainerState

__all__ = ["EVENTS", "Change", "WatchedContainer"]

CHANGE = r"""
systemctl "$@" || exit
# All is as before when its bus is: machined is asked over it.
n=300
until systemctl show --property=Version >/dev/null 2>&1 && machinectl list >/dev/null 2>&1; do
    [ $((n -= 1)) -gt 0 ] || exit 1
    sleep 0.1
done
"""

UNIT = r"""
systemd-run --quiet --wait --collect --unit="$1" --slice=machine.slice --property=MemoryMax=33554432 \
    --property=CPUQuota=20% --property=TasksMax=20 --property=IOAccounting=yes --property=DevicePolicy=closed -- true
"""
"""A unit next to the containers' scopes, with limits and devices of its own."""


def _change(*words: str) -> Callable[[ContainerRuntime], str]:
    return lambda runtime: runtime.guest.do(CHANGE, *words)


EVENTS: Mapping[str, Callable[[ContainerRuntime], object]] = {
    "daemon-reload": _change("daemon-reload"),
    "daemon-reexec": _change("daemon-reexec"),
    "machined": _change("restart", "systemd-machined.service"),
    "dbus": _change("restart", "dbus.service"),
    "journald": _change("restart", "systemd-journald.service"),
    "unit": lambda runtime: runtime.guest.do(UNIT, f"{runtime.prefix}-other"),
    "container": lambda runtime: runtime.run("true"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A container before and after something happened to its guest."""

    container: Container
    before: ContainerState
    after: ContainerState


class WatchedContainer:
    """A container to whose guest things happen one after the other; what one of them changed is not there for the next."""

    def __init__(
        self, start: Callable[[], AbstractContextManager[Container]], read: Callable[[Container], ContainerState]
    ) -> None:
        self._start = start
        self._read = read
        self._stack = ExitStack()
        self._last: Change | None = None

    def watch(self, event: Callable[[], object]) -> Change:
        """Let something happen, and return what the container was before and is after it."""
        if self._last is None or self._last.after != self._last.before:
            self.close()
            container = self._stack.enter_context(self._start())
            before = self._read(container)
        else:
            container, before = self._last.container, self._last.after
        try:
            event()
            self._last = Change(container=container, before=before, after=self._read(container))
        except BaseException:
            self.close()
            raise
        return self._last

    def close(self) -> None:
        """End the container."""
        self._last = None
        self._stack.close()
