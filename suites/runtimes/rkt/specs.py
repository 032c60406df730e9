"""From a container of the suites to a pod of rkt."""

from collections.abc import Callable
from typing import Any

from suites.lib.features import Feature
from suites.lib.rights import App as SpecApp
from suites.lib.rights import LacksError, Mount, Rights
from suites.lib.spec import Spec
from suites.runtimes.rkt import nets
from suites.runtimes.rkt.command import PodSpec, RuntimeApp, Seccomp, Volume
from suites.runtimes.rkt.images import Isolators
from suites.runtimes.rkt.versions import Version, require

__all__ = ["LACKS", "Image", "make_pod"]

Image = Callable[[str, Isolators], str]
"""Makes an image of a tree and isolators, and returns its id."""

LACKS = {
    Feature.BARE_SCOPE: "a pod's scope has the systemd of its stage1, with its journal",
    Feature.DELEGATED_CGROUPS: "what nspawn delegates is the stage1's, and no app's",
    Feature.PAYLOAD: "an app is a service below the pod's systemd",
    Feature.PROCESSES_IN_SCOPE: "an app is a service below the pod's systemd",
    Feature.READ_ONLY_CGROUPS: "the pod's systemd manages a part of the cgroup tree",
    Feature.SCOPE_IN_EVERY_CONTROLLER: "systemd makes a scope in the controllers that it manages",
    Feature.SUPERVISOR: "rkt becomes the nspawn of its stage1, which is one with the pod",
    Feature.PIDS_LIMIT: "appc has no isolator for the number of processes",
    Feature.SWAP_LIMIT: "appc has no isolator for swap",
    Feature.NSPAWN_OPTIONS: "rkt writes the command line of its nspawn itself",
    Feature.SHELL: "a pod has no D-Bus daemon",
    Feature.STATISTICS: "rkt counts nothing",
    Feature.PAUSE: "rkt has no word for it",
    Feature.UPDATE: "rkt has no word for it",
    Feature.TERMINALS: "`rkt enter` takes the terminal of its caller, and makes none",
    Feature.CGROUP_NAMESPACE: "rkt turns nspawn's cgroup namespaces off (rkt#2989)",
    Feature.OWN_SYSTEMD: "a pod's PID 1 is the systemd of rkt's stage1",
    Feature.COMMANDS_IN_CGROUP: "`rkt enter` joins namespaces only",
    Feature.STOPPED_STATUS: "rkt notes what its systemd shows of an app, which may not have ended by then",
    Feature.LATER_STATUS: "rkt itself ends with the status; `rkt status` has it for each app",
    Feature.MASKED_KERNEL_FILES: "rkt hides a fixed set of paths",
    Feature.MASKED_PATHS: "rkt hides a fixed set of paths",
    Feature.READ_ONLY_PATHS: "rkt protects a fixed set of paths",
    Feature.OPEN_FILES: "appc has no isolator for open files",
    Feature.MACHINE_ID: "machined knows a pod by its UUID",
    Feature.PROCESS_1: "a pod's PID 1 is the systemd of rkt's stage1",
    Feature.ROOT_DIRECTORY: "a pod's root is its stage1, in which the apps have theirs",
    Feature.STANDARD_ERROR: "an app's errors come by the pod's console, as its output does",
    Feature.CHOSEN_PRIVATE_USERS: "--private-users takes a range of rkt's own choosing",
    Feature.IMAGE_GROUPS: "rkt gives a user the groups that are named, and none of the image's",
    Feature.COMMANDS_AS_USER: "`rkt enter` runs commands as root only",
    Feature.APP_ORDER: "rkt starts and stops the apps of a pod all at once",
    Feature.ROOTLESS: "rkt runs pods for root only",
    Feature.RAISING_BY_USER: "rkt itself sets NoNewPrivileges= for a user's app with a filter, as every app has one (rkt#3896)",
    Feature.GUEST_SYSTEM: "rkt would have to make an image of all that the guest has",
    Feature.JOINED_NETWORKS: "rkt calls the plugins itself, with the configurations in /etc/rkt/net.d",
    Feature.BOTH_ADDRESSES: "rkt notes and reports an address of IPv4 for each network, and no other",
    Feature.PORTS_BACK: "rkt masks the source of packets only if that is 127.0.0.1 (its networking/portfwd.go)",
    Feature.PRIVATE_PROPAGATION: "rkt has no option for the propagation of a volume",
}

DEVICES = "/tmp"
"""Where an app sees its devices: below /dev systemd 233 and later lays a /dev of its own over them (rkt_devices_test.go)."""

WITHOUT_OPTION = ("masked", "read_only_paths", "open_files")
"""Rights for which rkt has no option."""


def make_pod(spec: Spec, version: Version, image: Image) -> PodSpec:
    """Return the pod that a container is: one app of the container's name, or its apps.

    Raises:
        LacksError: rkt has no word for something that was asked for.
        NotYetError: This release has none.
    """
    wrong = {
        "pids": spec.pids, "swap": spec.swap, "machine_id": spec.machine_id, "private_users": spec.private_users, "system": spec.system,
        "boots": spec.boots and not spec.apps,
        **{name: any(getattr(rights, name) for rights in (spec, *spec.apps)) for name in WITHOUT_OPTION},
    }  # fmt: skip
    asked = [name for name, value in wrong.items() if value]
    if asked:
        raise LacksError(f"rkt has no option for {', '.join(asked)}, which {spec.name} asks for")
    volumes: list[Volume] = []
    apps = tuple(_make_app(app, volumes, version, image) for app in spec.apps) or (
        _make_single(spec, volumes, version, image),
    )
    return PodSpec(
        apps=apps,
        volumes=tuple(volumes),
        hostname=spec.hostname or spec.name,
        ports=nets.list_ports(spec.networks) if spec.networks else (),
        nets=nets.format_words(spec.networks) if spec.networks else (spec.network or "none",),
        environment=spec.environment,
        uuid_file=f"/run/{spec.name}.uuid",
    )


def _make_single(spec: Spec, volumes: list[Volume], version: Version, image: Image) -> RuntimeApp:
    mounts = _make_mounts(spec, spec.mounts, volumes)
    if spec.read_only:
        # As other runtimes do: a place for temporary files.
        volumes.append(Volume(name="tmp", mode="1777"))
        mounts.append(("tmp", "/tmp"))
    return RuntimeApp(
        image=image(spec.rootfs, _make_isolators(spec, version)),
        name=spec.name,
        argv=spec.argv,
        user=spec.user,
        group=spec.user,
        memory=spec.memory,
        cpu=spec.cpu,
        mounts=mounts,
        read_only=spec.read_only,
        **_convert_rights(spec),
    )


def _make_app(app: SpecApp, volumes: list[Volume], version: Version, image: Image) -> RuntimeApp:
    return RuntimeApp(
        image=image(app.rootfs, _make_isolators(app, version)),
        name=app.name,
        argv=app.argv,
        user=app.user,
        group=app.group,
        environment=app.environment,
        mounts=_make_mounts(app, app.mounts, volumes),
        **_convert_rights(app),
    )


def _make_mounts(rights: Rights, mounts: Any, volumes: list[Volume]) -> list[tuple[str, str]]:
    """Make a volume of each mount, and of each device, which is a volume of itself."""
    found: list[tuple[str, str]] = []
    for mount in (*mounts, *(_place_device(device) for device in rights.devices)):
        name = f"v{len(volumes)}"
        volumes.append(Volume(name=name, source=mount.source, read_only=mount.read_only, recursive=mount.recursive))
        found.append((name, mount.target))
    return found


def _place_device(device: str) -> Mount:
    return Mount(source=device, target=f"{DEVICES}/{device.rpartition('/')[2]}")


def _make_isolators(rights: Rights, version: Version) -> Isolators:
    """Return what only an image can say."""
    if rights.no_new_privileges is not None:
        require(version, "no new privileges")
    return Isolators(no_new_privileges=rights.no_new_privileges)


def _convert_rights(rights: Rights) -> dict[str, Any]:
    return {
        "retained": rights.capabilities or (),
        "groups": rights.groups,
        "seccomp": Seccomp(mode="remove", errno="EPERM", calls=rights.syscalls_refused)
        if rights.syscalls_refused
        else None,
        "working_directory": "" if rights.working_directory == "/" else rights.working_directory,
        "oom_score_adj": rights.oom_score_adj,
    }
