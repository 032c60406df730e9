"""What a container is made from: what a case may ask for, and the specification that an engine gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from suites.lib.rights import App, Mount, Rights, RightsOptions
from suites.lib.runtime_networks import NetworkRequest

__all__ = ["MIB", "PATH", "ContainerOptions", "Spec"]

MIB = 1024 * 1024

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ContainerOptions(RightsOptions, total=False):
    """What a case may ask for; see `Spec` for the meanings. Without a `rootfs` it is a small one."""

    memory: int
    swap: int
    pids: int
    cpu: float
    user: int | str
    environment: Mapping[str, str]
    mounts: Sequence[Mount]
    read_only: bool
    hostname: str
    machine_id: str
    private_users: int | None
    first: bool
    stop_signal: str
    stop_seconds: int
    apps: Sequence[App]
    system: bool
    rootfs: str
    network: str | None
    networks: NetworkRequest | None
    words: Sequence[str]
    syscalls_allowed: Sequence[str]
    cgroups: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Rights):
    """A container to be made; with what its first process may do.

    Attributes:
        name: Its name, unique in the guest.
        argv: Its first process.
        rootfs: Its root file system.
        boots: Whether the first process is a systemd, which manages its own part of the cgroup tree.
        memory: Limit in bytes.
        swap: Limit of what is swapped out, in bytes.
        pids: Limit of processes and threads.
        cpu: Limit in CPUs: 0.5 is half of one.
        user: User of the first process: its id, which is also the group's, or its name in the image.
        environment: Variables of the first process.
        mounts: Directories and files of the guest that it sees.
        read_only: Whether its root file system cannot be written.
        hostname: Its host name; its name without it.
        machine_id: 32 hexadecimal digits by which the service manager knows it; the runtime takes some without it.
        private_users: First id of the guest's 65536 that are users and groups 0 to 65535 in it; None for the same.
        first: Whether its first process has to be process 1, which gets the sockets and the signals; a runtime may
            put an init of its own before it otherwise.
        stop_signal: Name of the signal, as "TERM", that asks its first process to end; it is killed without it.
        stop_seconds: How long it has to end when it is asked, before it is killed.
        apps: The apps that its systemd runs, each a service of its own; for a container that boots.
        system: Whether its root file system is the guest's own system with a writable layer.
        network: Path of the network namespace that it joins, "host" for the guest's own; None for a new one
            that has nothing but its loopback interface.
        networks: What it wants of a runtime that makes networks itself (`Networking`); other ones do not look at it.
        words: Options of systemd-nspawn's own, for a runtime with `Feature.NSPAWN_OPTIONS`.
        cgroups: What it sees of cgroups: "guest" for the guest's own tree, and "read-only" for that without the right to
            write to it; nothing for a tree of its own, as the runtime makes it.
        syscalls_allowed: The only system calls that it may make, as in docker's profile; nspawn has such a list of its own.
    """

    name: str
    argv: tuple[str, ...]
    rootfs: str
    boots: bool = False
    memory: int | None = None
    swap: int | None = None
    pids: int | None = None
    cpu: float | None = None
    user: int | str = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    read_only: bool = True
    hostname: str = ""
    machine_id: str = ""
    private_users: int | None = None
    first: bool = False
    stop_signal: str = ""
    stop_seconds: int = 20
    apps: Sequence[App] = ()
    system: bool = False
    network: str | None = None
    networks: NetworkRequest | None = None
    words: Sequence[str] = ()
    syscalls_allowed: Sequence[str] = ()
    cgroups: str = ""
