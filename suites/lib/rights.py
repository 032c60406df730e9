"""What a container, or an app in a pod, may do and sees: the words that all runtimes share.

Each runtime has its own for them: options of nspawn, an OCI bundle, isolators of rkt, properties of a unit.
"""

from dataclasses import dataclass, field
from typing import TypedDict

__all__ = ["CAPABILITY_NUMBERS", "DEFAULT_CAPABILITIES", "App", "LacksError", "Mount", "Rights", "RightsOptions"]

CAPABILITY_NUMBERS = {
    "CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5, "CAP_SETGID": 6,
    "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13, "CAP_SYS_CHROOT": 18,
    "CAP_MKNOD": 27, "CAP_AUDIT_WRITE": 29, "CAP_SETFCAP": 31,
}  # fmt: skip
"""Bits of the sets in /proc/PID/status (linux/capability.h)."""

DEFAULT_CAPABILITIES = tuple(sorted(CAPABILITY_NUMBERS))
"""What containers usually have, and an app of appc without an isolator for it (ace.md, capabilities-remove-set)."""


class LacksError(Exception):
    """A runtime has no word for what was asked of it; the text says what. See `Engine.lacks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A directory or file of the guest that a container sees.

    Attributes:
        source: Path in the guest.
        target: Path in the container.
        read_only: Whether the container may not write to it.
        recursive: Whether what is mounted below the source is seen, too.
        propagation: Which way later mounts below it travel: "slave" from the guest to the container, "private" in
            neither direction; None for what the runtime does.
    """

    source: str
    target: str
    read_only: bool = False
    recursive: bool = True
    propagation: str | None = None


class RightsOptions(TypedDict, total=False):
    """What a case may ask for; see `Rights` for the meanings."""

    capabilities: tuple[str, ...] | None
    no_new_privileges: bool | None
    syscalls_refused: tuple[str, ...]
    devices: tuple[str, ...]
    groups: tuple[int, ...]
    masked: tuple[str, ...]
    read_only_paths: tuple[str, ...]
    oom_score_adj: int | None
    open_files: int | None
    working_directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the first process may do, and what it finds.

    Attributes:
        capabilities: Exactly these, as "CAP_CHOWN", are its bounding set; None for what the runtime gives.
        no_new_privileges: Whether execve(2) gives no privileges; None for what the runtime does.
        syscalls_refused: System calls that fail with EPERM.
        devices: Device nodes of the guest that it has too, and may read and write.
        groups: Supplementary group ids.
        masked: Paths whose content it does not see.
        read_only_paths: Paths that it cannot write to.
        oom_score_adj: Its /proc/PID/oom_score_adj; None for what the runtime gives.
        open_files: Limit of its open files, soft and hard (RLIMIT_NOFILE).
        working_directory: Where it starts.
    """

    capabilities: tuple[str, ...] | None = None
    no_new_privileges: bool | None = None
    syscalls_refused: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    masked: tuple[str, ...] = ()
    read_only_paths: tuple[str, ...] = ()
    oom_score_adj: int | None = None
    open_files: int | None = None
    working_directory: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class App(Rights):
    """One of several apps of a pod.

    Attributes:
        name: Its name, unique in the pod.
        argv: Its process; a systemd looks for a program without a path only where its own are.
        rootfs: Its root file system.
        user: User id of the process.
        group: Group id of the process.
        environment: Its variables.
        mounts: Directories of the guest that it sees.
        after: Apps of the pod that are started before it, and stopped after it.
        stop_seconds: How long it has to end when it is asked, before it is killed.
    """

    name: str
    argv: tuple[str, ...]
    rootfs: str
    user: int = 0
    group: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    after: tuple[str, ...] = ()
    stop_seconds: int = 30
