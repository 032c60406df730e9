"""What rkt says of its pods, and where their cgroups are.

A pod's systemd is the one of its stage1, and so is the nspawn that moves its processes; only the flavor `host` has
the guest's. Where facts leave two readings, the places are given in the order in which they are likely.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from suites.lib.runtime_networks import AttachedNetwork

__all__ = ["PodCgroup", "Status", "parse_list", "parse_status", "parse_status_text"]

PAYLOAD = 239
"""Version of systemd since which nspawn puts a container's processes one level below its cgroup (systemd#8898)."""

PAYLOAD_DIRECTORY = "/payload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A pod as `rkt list` and `rkt status` report it.

    Attributes:
        uuid: Its UUID.
        state: In rkt's words: prepared, running, exited, "exited garbage", and others.
        apps: Names of its apps.
        codes: Exit statuses of the apps that have ended.
        networks: Its networks.
        pid: Its first process as the guest sees it, where that is reported.
        started: When it was started, in seconds since 1970, where that is reported. Those of its apps, which are not
            here, are in nanoseconds (lib/pod.go, lib/app.go).
    """

    uuid: str
    state: str
    apps: tuple[str, ...] = ()
    codes: Mapping[str, int]
    networks: tuple[AttachedNetwork, ...] = ()
    pid: int | None = None
    started: int | None = None


def parse_list(text: str) -> tuple[Status, ...]:
    """Read `rkt list --format=json`; an rkt without pods says null."""
    return tuple(_parse_status(pod) for pod in json.loads(text) or ())


def parse_status(text: str) -> Status:
    """Read `rkt status --format=json` of one pod."""
    return _parse_status(json.loads(text))


def _parse_status(pod: Mapping[str, Any]) -> Status:
    # `exit_code` is a member of lib.App; whether lib.Pod has `apps` and `pid` hangs on the release.
    apps = pod.get("apps") or ()
    return Status(
        uuid=pod["name"],
        state=pod["state"],
        apps=tuple(pod.get("app_names") or ()) or tuple(app["name"] for app in apps),
        codes={app["name"]: app["exit_code"] for app in apps if app.get("exit_code") is not None},
        networks=tuple(
            AttachedNetwork(network=net["netName"], interface=net["ifName"], address=net["ip"])
            for net in pod.get("networks") or ()
        ),
        pid=pod.get("pid"),
        started=pod.get("started_at"),
    )


def parse_status_text(uuid: str, text: str) -> Status:
    """Read `rkt status` as every release has it: lines NAME=VALUE, an app's as app-NAME=STATUS."""
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    codes = {name.removeprefix("app-"): int(value) for name, value in lines.items() if name.startswith("app-")}
    pid = lines.get("pid", "")
    # A pod that has no process has the id -1 in old releases.
    return Status(
        uuid=uuid, state=lines.get("state", ""), apps=tuple(codes), codes=codes, pid=int(pid) if pid.isdigit() else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCgroup:
    """Where a pod is in the cgroup tree, and what made it so.

    Attributes:
        subcgroup: The pod's unit as rkt has noted it, from the root of the hierarchy.
        flavor: Flavor of its stage1: coreos, host, src, kvm, fly.
        systemd: Version of its stage1's systemd; 0 where that is no number.
    """

    subcgroup: str
    flavor: str
    systemd: int

    @classmethod
    def parse(cls, subcgroup: str, flavor: str, systemd: str) -> "PodCgroup":
        """Read the contents of the files `subcgroup`, `flavor` (a link) and `systemd-version` ("v252")."""
        digits = systemd.strip().removeprefix("v")
        # As the main process of a service on v2 rkt notes where nspawn is going to put the pod (stage1/init/init.go,
        # getContainerSubCgroup), and else the unit.
        path = subcgroup.strip().rstrip("/")
        if path.endswith(f".service{PAYLOAD_DIRECTORY}"):
            path = path.removesuffix(PAYLOAD_DIRECTORY)
        return cls(
            subcgroup="/" + path.strip("/") if path else "",
            flavor=flavor.strip(),
            systemd=int(digits) if digits.isdigit() else 0,
        )

    @property
    def service(self) -> bool:
        """Whether rkt is the main process of a service, in which the pod is then, too."""
        return self.subcgroup.endswith(".service")

    @property
    def scope(self) -> str:
        """The unit of the guest that has the pod's processes."""
        return self.subcgroup.rpartition("/")[2]

    def list_roots(self, mode: str) -> tuple[str, ...]:
        """Return what the pod's systemd takes for the root, in the hierarchy of systemd; the likely one first.

        Args:
            mode: The guest's cgroup mode: legacy, hybrid or unified.
        """
        below, same = f"{self.subcgroup}{PAYLOAD_DIRECTORY}", self.subcgroup
        if self.systemd >= PAYLOAD:
            return (below,)
        if self.systemd == 0:
            # A version that is a name: rkt takes it for the oldest, though it most often is the newest.
            return (below, same)
        # In unified mode nspawn must not be in the cgroup that it gives away, as it is as a part of a service.
        return (below,) if self.service and mode == "unified" else (same,)

    def list_app_cgroups(self, name: str, mode: str) -> tuple[str, ...]:
        """Return the cgroups in which an app's processes may be, the likely one first.

        The same ones in v1's controllers: the pod's systemd uses its path in its own hierarchy for all of them.
        That is inferred, and seen with systemd 252.
        """
        return tuple(f"{root}/system.slice/{name}.service" for root in self.list_roots(mode))
