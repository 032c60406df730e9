"""What keeps a guest that has broken into QEMU from the rest of this computer: system calls refused, a user of its own.

Which of it QEMU, its version and this user can have is tried, with a QEMU that has no machine; it takes a tenth of a second.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.accel import QEMU
from harness.wait import Deadline

__all__ = ["USERS", "Confinement", "probe_confinement"]

USERS = range(60706, 61184)
"""Numbers of users that nobody has, see https://systemd.io/UIDS-GIDS; each guest's QEMU has one of them."""

SANDBOX = "on,obsolete=deny,spawn=deny,resourcecontrol=deny"
"""What QEMU's filter of system calls refuses (qemu(1), -sandbox): above all, to start programs."""

UNPRIVILEGED = ("-sandbox", f"{SANDBOX},elevateprivileges=deny")

AS_USER = (("-runas", "{user}:{user}"), ("-run-with", "user={user}:{user}"))
"""How QEMU is made another user once it has opened its files; the second since 9.1. It cannot be refused to become one then."""

CAP_KILL = 5
"""Bit of a process's capabilities (capabilities(7)) without which root cannot end other users' processes."""

TRIAL = (QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none", "-qmp", "stdio")
GOODBYE = b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'

SECONDS = 20.0
"""How long a trial may take on a busy computer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """How QEMU is confined on this computer.

    Attributes:
        options: Words of its command line, with {user} for the number of a user.
        says: What it is, a whole sentence.
    """

    options: tuple[str, ...]
    says: str

    @property
    def whole(self) -> bool:
        """Whether QEMU has the filter, and is no root."""
        return "-sandbox" in self.options and (os.geteuid() != 0 or any("{user}" in word for word in self.options))

    def make_options(self, number: int) -> list[str]:
        """Return the options for one of the guests of this moment; a number chooses its user."""
        return [word.format(user=USERS[number % len(USERS)]) for word in self.options]


NONE = Confinement(options=(), says="QEMU takes no -sandbox here and has all rights of its user.")

_found: dict[tuple[Path, int], Confinement] = {}


def probe_confinement(deadline: Deadline) -> Confinement:
    """Return the strictest confinement that this computer's QEMU takes.

    Raises:
        DeadlineError: A trial took too long.
        InfrastructureError: QEMU is not installed.
    """
    path = proc.require(QEMU)
    asked = (path, path.stat().st_mtime_ns)
    if asked not in _found:
        _found[asked] = next((each for each in _list_confinements() if _is_taken(each, deadline)), NONE)
    return _found[asked]


def _list_confinements() -> Iterator[Confinement]:
    """List what can be had, the strictest first."""
    filtered = "QEMU's system calls are filtered (-sandbox)"
    if os.geteuid() != 0:
        yield Confinement(options=UNPRIVILEGED, says=f"{filtered}, and it is no root.")
        return
    if _may_kill():
        for name, value in AS_USER:
            options = ("-sandbox", SANDBOX, name, value)
            yield Confinement(options=options, says=f"{filtered}, and each guest's QEMU has a user of its own.")
    yield Confinement(options=UNPRIVILEGED, says=f"{filtered}; it stays root, as it cannot be another user here.")


def _may_kill() -> bool:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        (mask,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
    except (OSError, ValueError):
        return False
    return bool(int(mask, 16) >> CAP_KILL & 1)


def _is_taken(wanted: Confinement, deadline: Deadline) -> bool:
    argv = [*TRIAL, *wanted.make_options(0)]
    within = deadline.within(SECONDS, "trial of QEMU's sandbox")
    return proc.run(argv, deadline=within, expect=None, stdin=GOODBYE).code == 0
