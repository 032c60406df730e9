"""From a container of the suites to a pod of rkt."""

from collections.abc import Callable
from typing import Any

from suites.lib import rkt_nets
from suites.lib.rights import App as SpecApp
from suites.lib.rights import LacksError, Mount, Rights
from suites.lib.rkt_command import App, Pod, Seccomp, Volume
from suites.lib.rkt_images import Isolators
from suites.lib.rkt_versions import Version, require
from suites.lib.runtime import Spec

__all__ = ["LACKS", "Image", "pod"]

Image = Callable[[str, Isolators], str]
"""Makes an image of a tree and isolators, and returns its id."""

LACKS = {
    "pids limit": "appc has no isolator for the number of processes",
    "cgroup namespace": "rkt turns nspawn's cgroup namespaces off (rkt#2989)",
    "systemd of one's own": "a pod's PID 1 is the systemd of rkt's stage1",
    "commands in the container's cgroup": "`rkt enter` joins namespaces only",
    "status of a stopped app": "rkt notes what its systemd shows of an app, which may not have ended by then",
    "exit status later": "rkt itself ends with the status; `rkt status` has it for each app",
    "masked kernel files": "rkt hides a fixed set of paths",
    "masked paths": "rkt hides a fixed set of paths",
    "read-only paths": "rkt protects a fixed set of paths",
    "limit of open files": "appc has no isolator for open files",
    "machine id": "machined knows a pod by its UUID",
    "process 1": "a pod's PID 1 is the systemd of rkt's stage1",
    "root directory": "a pod's root is its stage1, in which the apps have theirs",
    "standard error": "an app's errors come by the pod's console, as its output does",
    "chosen private users": "--private-users takes a range of rkt's own choosing",
    "groups of a named user": "rkt gives a user the groups that are named, and none of the image's",
    "commands as a user": "`rkt enter` runs commands as root only",
    "order of apps": "rkt starts and stops the apps of a pod all at once",
    "raising by a user": "systemd turns no-new-privileges on for a user's filter, and rkt filters every app (rkt#3896)",
    "the guest's system": "rkt would have to make an image of all that the guest has",
    "networks that its caller makes": "rkt calls the plugins itself, with the configurations in /etc/rkt/net.d",
    "networks of both kinds of addresses": "rkt notes and reports an address of IPv4 for each network, and no other",
    "ports that lead back": "rkt masks the source of packets only if that is 127.0.0.1 (its networking/portfwd.go)",
    "private propagation": "rkt has no option for the propagation of a volume",
}

WITHOUT_OPTION = ("masked", "read_only_paths", "open_files")
"""Rights for which rkt has no option."""


def pod(spec: Spec, version: Version, image: Image) -> Pod:
    """The pod that a container is: one app of the container's name, or its apps.

    Raises:
        LacksError: rkt has no word for something that was asked for.
        NotYetError: This release has none.
    """
    wrong = {
        "pids": spec.pids, "machine_id": spec.machine_id, "private_users": spec.private_users, "system": spec.system,
        "boots": spec.boots and not spec.apps,
        **{name: any(getattr(rights, name) for rights in (spec, *spec.apps)) for name in WITHOUT_OPTION},
    }  # fmt: skip
    asked = [name for name, value in wrong.items() if value]
    if asked:
        raise LacksError(f"rkt has no option for {', '.join(asked)}, which {spec.name} asks for")
    volumes: list[Volume] = []
    apps = tuple(_app(app, volumes, version, image) for app in spec.apps) or (_single(spec, volumes, version, image),)
    return Pod(
        apps=apps,
        volumes=tuple(volumes),
        hostname=spec.hostname or spec.name,
        ports=rkt_nets.ports(spec.networks) if spec.networks else (),
        nets=rkt_nets.words(spec.networks) if spec.networks else (spec.network or "none",),
        environment=spec.environment,
        uuid_file=f"/run/{spec.name}.uuid",
    )


def _single(spec: Spec, volumes: list[Volume], version: Version, image: Image) -> App:
    mounts = _mounts(spec, spec.mounts, volumes)
    if spec.read_only:
        # As other runtimes do: a place for temporary files.
        volumes.append(Volume(name="tmp", mode="1777"))
        mounts.append(("tmp", "/tmp"))
    return App(
        image=image(spec.rootfs, _isolators(spec, version)),
        name=spec.name,
        argv=spec.argv,
        user=spec.user,
        group=spec.user,
        memory=spec.memory,
        cpu=spec.cpu,
        mounts=mounts,
        read_only=spec.read_only,
        **_rights(spec),
    )


def _app(app: SpecApp, volumes: list[Volume], version: Version, image: Image) -> App:
    return App(
        image=image(app.rootfs, _isolators(app, version)),
        name=app.name,
        argv=app.argv,
        user=app.user,
        group=app.group,
        environment=app.environment,
        mounts=_mounts(app, app.mounts, volumes),
        **_rights(app),
    )


def _mounts(rights: Rights, mounts: Any, volumes: list[Volume]) -> list[tuple[str, str]]:
    """Make a volume of each mount, and of each device, which is a volume of itself."""
    found: list[tuple[str, str]] = []
    for mount in (*mounts, *(Mount(source=device, target=device) for device in rights.devices)):
        name = f"v{len(volumes)}"
        volumes.append(Volume(name=name, source=mount.source, read_only=mount.read_only, recursive=mount.recursive))
        found.append((name, mount.target))
    return found


def _isolators(rights: Rights, version: Version) -> Isolators:
    """What only an image can say."""
    if rights.no_new_privileges is not None:
        require(version, "no new privileges")
    return Isolators(no_new_privileges=rights.no_new_privileges)


def _rights(rights: Rights) -> dict[str, Any]:
    return {
        "retained": rights.capabilities or (),
        "groups": rights.groups,
        "seccomp": Seccomp(mode="remove", errno="EPERM", calls=rights.syscalls_refused)
        if rights.syscalls_refused
        else None,
        "working_directory": "" if rights.working_directory == "/" else rights.working_directory,
        "oom_score_adj": rights.oom_score_adj,
    }
