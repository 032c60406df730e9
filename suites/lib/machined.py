"""What machined knows of a container."""

from suites.lib.engine import Container
from suites.lib.guest import Guest

__all__ = ["find_machine"]


def find_machine(guest: Guest, container: Container) -> str:
    """Return what machined calls a container: the machine of its scope, where it can with the container's name."""
    script = r'cd /run/systemd/machines && grep -lxF "SCOPE=$1" [!u]* && exit; grep -lxF "SCOPE=$2" [!u]*; :'
    return guest.do(script, container.scope, container.scope.replace("\\", "\\\\")).strip()
