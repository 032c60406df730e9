"""The kinds of fault: a row of the table each. A new one is a row here, and what it does in `points` or `ssh_double`."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import ExitCode
from tests.faults.world import BASELINE

__all__ = ["KINDS", "Kind"]

SOUND = frozenset({BASELINE})
BROKEN = frozenset({BASELINE, ExitCode.INFRASTRUCTURE})
REFUSED = BROKEN | {ExitCode.USAGE}
KILLED = frozenset({-9})
STOPPED = frozenset({ExitCode.INTERRUPTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault.

    Attributes:
        name: Its name in the table.
        where: What counts the points: the changes that a run or a bisection makes, the questions that guests are asked, or
            nothing, where it is so from the beginning. Of a `pair`, two runs in two PID namespaces, the first is disturbed.
        what: What happens; a name in `points.ACTIONS` or `ssh_double.BAD_DAYS`.
        codes: Exit codes that are right.
        errors: Whether a cell or case may be an error by it.
        again: Whether it happens at each later change, too.
        private: Whether it needs file systems or namespaces of its own.
    """

    name: str
    where: Literal["harness", "guest", "always", "pair", "bisection"]
    what: str
    codes: frozenset[int]
    errors: bool = False
    again: bool = False
    private: bool = False


def harness(
    what: str, codes: frozenset[int], *, errors: bool = False, again: bool = False, private: bool = False
) -> Kind:
    """Return a kind that befalls the harness at one of its changes."""
    return Kind(name=what, where="harness", what=what, codes=codes, errors=errors, again=again, private=private)


def bisection(what: str) -> Kind:
    """Return a kind that befalls a bisection at one of its changes."""
    return Kind(name=f"bisection-{what}", where="bisection", what=what, codes=SOUND)


def always(what: str, codes: frozenset[int] = SOUND) -> Kind:
    """Return a kind that is so from the beginning."""
    return Kind(name=what, where="always", what=what, codes=codes)


def guest(what: str, codes: frozenset[int] = BROKEN, *, errors: bool = True) -> Kind:
    """Return a kind that befalls a guest, or a process that has to do with one, at a question."""
    return Kind(name=f"guest-{what}", where="guest", what=what, codes=codes, errors=errors)


KINDS = {
    kind.name: kind
    for kind in (
        harness("kill", KILLED),
        harness("int", STOPPED),
        harness("term", STOPPED),
        harness("hup", STOPPED),
        harness("int-twice", STOPPED),
        harness("term-hup", STOPPED),
        harness("disk-full", REFUSED, errors=True, private=True),
        harness("no-inodes", REFUSED, errors=True, private=True),
        harness("store-read-only", REFUSED, errors=True, again=True),
        harness("runs-read-only", REFUSED, errors=True, again=True),
        harness("tmp-read-only", REFUSED, errors=True, again=True),
        harness("quota", REFUSED, errors=True, again=True),
        harness("io-error", REFUSED, errors=True),
        harness("no-processes", REFUSED, errors=True, again=True),
        harness("no-memory-for-processes", REFUSED, errors=True),
        harness("no-descriptors", REFUSED, errors=True),
        harness("file-size", REFUSED, errors=True),
        harness("reader-gone", SOUND),
        harness("clock-forwards", SOUND),
        harness("clock-backwards", SOUND),
        harness("stopped", SOUND),
        harness("children-killed", BROKEN, errors=True),
        harness("sockets-removed", BROKEN, errors=True),
        harness("tmp-cleaned", BROKEN, errors=True),
        always("locale-c"),
        always("output-closed"),
        always("output-full", frozenset({ExitCode.INFRASTRUCTURE})),
        always("terminal-resized"),
        *(
            Kind(name=f"pair-{what}", where="pair", what=what, codes=codes, private=True)
            for what, codes in (("nothing", SOUND), ("kill", frozenset({137})), ("term", STOPPED))
        ),
        bisection("kill"),
        bisection("int"),
        bisection("term-hup"),
        guest("panic"),
        guest("pid1-dies"),
        guest("pid1-crash"),
        guest("disk-fails"),
        guest("oom", SOUND, errors=False),
        guest("sshd-dies"),
        guest("network-cut"),
        guest("reboots"),
        guest("half-event", SOUND, errors=False),
        guest("qemu-killed"),
        guest("qemu-stopped"),
        guest("master-killed", SOUND, errors=False),
        guest("pytest-killed"),
        guest("harness-killed", KILLED),
        guest("ssh-killed"),
        guest("large-answer"),
    )
}
"""By its name each kind of fault in a run."""
