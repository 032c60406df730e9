"""The command line of `rkt run` and `rkt prepare`, from values to words, and what a service manager is told to run it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from suites.lib.rights import LacksError
from suites.runtimes.rkt.versions import Version, require, spell

__all__ = [
    "PodSpec", "Port", "RuntimeApp", "Seccomp", "Volume", "format_prepare", "format_run", "format_run_prepared",
    "format_units", "quote_unit_word",
]  # fmt: skip

RUN_ONLY = ("nets", "hostname", "dns", "dns_search", "dns_options", "hosts", "registered", "uuid_file")
"""What a pod may be only when it is run: `rkt prepare` has no option for it (rkt/prepare.go of 1.25)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of a pod.

    Attributes:
        name: By which mounts name it.
        source: Path in the guest; None for one that is empty at first and goes with the pod.
        read_only: Whether no app may write to it; if not, it is what the image's mount point says.
        recursive: Whether what is mounted below the source is seen, too.
        mode: Mode of an empty one's directory, in octal digits.
    """

    name: str
    source: str | None = None
    read_only: bool = False
    recursive: bool = True
    mode: str = "0755"


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port of an image that is reached by one of the guest.

    Attributes:
        name: As the image calls it.
        port: The guest's port.
        address: The guest's address; all of them if empty.
    """

    name: str
    port: int
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seccomp:
    """A filter of system calls: only these (retain), or all but these (remove)."""

    mode: Literal["retain", "remove"]
    calls: tuple[str, ...]
    errno: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeApp:
    """An app of a pod: an image, and what is to be different from what the image says; None and empty are what it says.

    Attributes:
        image: Its id, name, or file.
        name: Its name, unique in the pod; the last part of the image's name without it.
        argv: Its process.
        user: User id or name.
        group: Group id or name.
        groups: Supplementary group ids.
        environment: Its variables.
        memory: Limit in bytes.
        cpu: Limit in CPUs.
        cpu_shares: Weight among others; 1024 is usual.
        retained: Its capabilities are these of the usual ones, as "CAP_CHOWN".
        removed: Its capabilities are the usual ones without these.
        seccomp: Which system calls it has.
        mounts: Paths that it sees volumes at, by the volume's name.
        read_only: Whether its root file system cannot be written.
        working_directory: Where it starts.
        oom_score_adj: Its /proc/PID/oom_score_adj.
    """

    image: str
    name: str = ""
    argv: tuple[str, ...] = ()
    user: int | str | None = None
    group: int | str | None = None
    groups: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: int | None = None
    cpu: float | None = None
    cpu_shares: int | None = None
    retained: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    seccomp: Seccomp | None = None
    mounts: Sequence[tuple[str, str]] = ()
    read_only: bool = False
    working_directory: str = ""
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """A pod to be made.

    Attributes:
        apps: Its apps, at least one.
        volumes: What its apps may mount.
        ports: Ports of its images that the guest has.
        nets: Names of networks, "host", "none", or with arguments "ptp:IP=172.16.28.9"; rkt's default if empty.
        hostname: Its host name; rkt-UUID if empty.
        dns: Name servers; "host" for the guest's, "none" for none.
        dns_search: Domains that names are looked up in.
        dns_options: Options of resolv.conf(5).
        hosts: Names by address, for /etc/hosts.
        environment: Variables of all apps.
        private_users: Whether its users are none of the guest's.
        registered: Whether the metadata service that runs in the guest knows it; it needs a network to the guest.
        uuid_file: File that gets its UUID.
    """

    apps: tuple[RuntimeApp, ...]
    volumes: tuple[Volume, ...] = ()
    ports: tuple[Port, ...] = ()
    nets: tuple[str, ...] = ()
    hostname: str = ""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    hosts: Sequence[tuple[str, str]] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    private_users: bool = False
    registered: bool = False
    uuid_file: str = ""


def format_run(version: Version, pod: PodSpec) -> tuple[str, ...]:
    """Return the words after `rkt run`.

    Raises:
        NotYetError: This release has no option for something.
        ValueError: A word would be taken for something else.
    """
    saved = [f"--uuid-file-save={pod.uuid_file}"] if pod.uuid_file else []
    return (*_format_prepared(version, pod), *_format_running(version, pod), *saved, *_format_apps(version, pod))


def format_prepare(version: Version, pod: PodSpec) -> tuple[str, ...]:
    """Return the words after `rkt prepare`; raises as `format_run` does, and LacksError for what is said when it is run."""
    asked = [name for name in RUN_ONLY if getattr(pod, name)]
    if asked:
        raise LacksError(f"`rkt prepare` has no option for {', '.join(asked)}; `rkt run-prepared` has, or `rkt run`")
    return (*_format_prepared(version, pod), *_format_apps(version, pod))


def format_run_prepared(version: Version, pod: PodSpec) -> tuple[str, ...]:
    """Return the words after `rkt run-prepared` but the UUID: what of a pod is said when it is run; raises NotYetError."""
    return tuple(_format_running(version, pod))


def _format_apps(version: Version, pod: PodSpec) -> list[str]:
    if not pod.apps:
        raise ValueError("a pod has at least one app")
    if any("---" in app.argv for app in pod.apps):
        raise ValueError("`---` ends the words of an app on rkt's command line, so that no app can have it as one")
    words: list[str] = []
    for number, app in enumerate(pod.apps):
        # The words of an app before this one end here; without any the end must not be there.
        if number and pod.apps[number - 1].argv[1:]:
            words.append("---")
        words += [app.image, *_format_app(version, app)]
        if app.argv[1:]:
            words += ["--", *app.argv[1:]]
    return words


def _format_prepared(version: Version, pod: PodSpec) -> list[str]:
    """Return what becomes a part of the pod's manifest."""
    words = [f"--volume={_format_volume(version, volume)}" for volume in pod.volumes]
    words += [f"--port={port.name}:{port.address + ':' if port.address else ''}{port.port}" for port in pod.ports]
    words += [f"--set-env={name}={value}" for name, value in pod.environment.items()]
    words += ["--private-users"] if pod.private_users else []
    return words


def _format_running(version: Version, pod: PodSpec) -> list[str]:
    words = [f"--net={','.join(pod.nets)}"] if pod.nets else []
    words += [f"{spell(version, 'hostname')}={pod.hostname}"] if pod.hostname else []
    if set(pod.dns) & {"host", "none"}:
        require(version, "dns of the host")
    words += [f"--dns={server}" for server in pod.dns]
    words += [f"--dns-search={domain}" for domain in pod.dns_search]
    words += [f"--dns-opt={option}" for option in pod.dns_options]
    words += [f"{spell(version, 'hosts')}={address}={name}" for address, name in pod.hosts]
    words += ["--mds-register"] if pod.registered else []
    return words


def _format_volume(version: Version, volume: Volume) -> str:
    if volume.source is None:
        return f"{volume.name},kind=empty,mode={volume.mode}"
    if "," in volume.source:
        raise ValueError(f"rkt's command line separates what it says of a volume by commas: {volume.source}")
    parts = [volume.name, "kind=host", f"source={volume.source}"]
    if volume.read_only:
        # Said in either way it replaces what the image's mount point says (stage1/init/common/mount.go).
        parts.append("readOnly=true")
    if not volume.recursive:
        parts.append(f"{spell(version, 'recursive volumes')}=false")
    return ",".join(parts)


def _format_app(version: Version, app: RuntimeApp) -> list[str]:
    def given(feature: str, value: object) -> list[str]:
        return [] if value is None or value in {"", ()} else [f"{spell(version, feature)}={value}"]

    words = given("app name", app.name)
    words += [f"--exec={app.argv[0]}"] if app.argv else []
    words += given("user", app.user) + given("group", app.group)
    words += given("supplementary groups", ",".join(map(str, app.groups)))
    words += [f"{spell(version, 'app environment')}={name}={value}" for name, value in app.environment.items()]
    words += [] if app.memory is None else [f"--memory={app.memory}"]
    words += [] if app.cpu is None else [f"--cpu={app.cpu * 1000:.0f}m"]
    words += given("cpu shares", app.cpu_shares)
    words += given("retained capabilities", ",".join(app.retained))
    words += given("removed capabilities", ",".join(app.removed))
    if app.seccomp is not None:
        errno = (f"errno={app.seccomp.errno}",) if app.seccomp.errno else ()
        words += given("seccomp", ",".join((f"mode={app.seccomp.mode}", *errno, *app.seccomp.calls)))
    words += [f"--mount=volume={name},target={path}" for name, path in app.mounts]
    words += given("read-only root", "true" if app.read_only else None)
    words += given("working directory", app.working_directory) + given("oom score", app.oom_score_adj)
    return words


def quote_unit_word(word: str) -> str:
    """Return a word of a command line in a unit file (systemd.service(5)): no variable and no specifier."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("%", "%%"), ("$", "$$")):
        word = word.replace(character, escaped)
    return f'"{word}"'


def format_units(name: str, argv: Sequence[str], *, listen: str = "", ready: bool = True) -> dict[str, str]:
    """Return the text of the units of a pod that is a service, by their names, as rkt's documentation has them.

    rkt has to be the main process of the service, so no shell stands before it.

    Args:
        name: Of the units.
        argv: rkt's command line.
        listen: What a socket of the guest listens on, "8080", whose first connection starts the service.
        ready: Whether the service has started only when the pod says so, by sd_notify(3).
    """
    service = [
        "[Service]", "Slice=machine.slice", "Delegate=yes", "KillMode=mixed",
        f"Type={'notify' if ready else 'simple'}", "NotifyAccess=all",
        "ExecStart=" + " ".join(map(quote_unit_word, argv)),
    ]  # fmt: skip
    units = {f"{name}.service": "\n".join(service) + "\n"}
    if listen:
        units[f"{name}.socket"] = f"[Socket]\nListenStream={listen}\n"
    return units
