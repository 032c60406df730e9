"""Images for rkt (ACI), made in the guest: a tar archive with a `make_manifest` and the directory `rootfs`.

The manifest is that of appc's specification 0.8.11, section "Image Manifest Schema".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suites.lib.guest import Guest
from suites.runtimes.rkt.command import Seccomp

__all__ = ["Aci", "Isolators", "build", "make_port"]

NOTIFY = "appc.io/executor/supports-systemd-notify"

BUILD = r"""
directory=$(mktemp -d) && printf '%s\n' "$2" >"$directory/manifest" || exit
tar -cf "$3" --numeric-owner -C "$directory" manifest --transform='flags=rh;s,^\.,rootfs,' -C "$1" .
code=$?
rm -r "$directory"
exit $code
"""
"""Names in the archive change, and so do targets of hard links, which are such names; those of symbolic links stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolators:
    """Isolators of an image (appc's specification, section "Isolators"); None and empty are what rkt does without.

    Attributes:
        memory: A quantity: "42Mi".
        cpu: A quantity: "900m".
        cpu_shares: Weight among others.
        oom_score_adj: Its /proc/PID/oom_score_adj.
        no_new_privileges: Whether execve(2) gives no privileges.
        retained: Capabilities that it keeps.
        removed: Capabilities that it loses.
        seccomp: Which system calls it has.
    """

    memory: str | None = None
    cpu: str | None = None
    cpu_shares: int | None = None
    oom_score_adj: int | None = None
    no_new_privileges: bool | None = None
    retained: Sequence[str] = ()
    removed: Sequence[str] = ()
    seccomp: Seccomp | None = None

    def format_json(self) -> list[dict[str, Any]]:
        """Return the member `isolators` of a manifest."""
        values: dict[str, Any] = {
            "resource/memory": self.memory and {"limit": self.memory},
            "resource/cpu": self.cpu and {"limit": self.cpu},
            "os/linux/cpu-shares": self.cpu_shares,
            "os/linux/oom-score-adj": self.oom_score_adj,
            "os/linux/no-new-privileges": self.no_new_privileges,
            "os/linux/capabilities-retain-set": {"set": list(self.retained)} if self.retained else None,
            "os/linux/capabilities-remove-set": {"set": list(self.removed)} if self.removed else None,
        }
        if self.seccomp is not None:
            errno = {"errno": self.seccomp.errno} if self.seccomp.errno else {}
            values[f"os/linux/seccomp-{self.seccomp.mode}-set"] = {"set": list(self.seccomp.calls), **errno}
        return [{"name": name, "value": value} for name, value in values.items() if value is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aci:
    """An image of an app.

    Attributes:
        name: A host's name with a path: "example.com/app".
        argv: The app's process; its first word is a path.
        user: User id or name.
        group: Group id or name.
        environment: The app's variables.
        isolators: What it may use and do.
        ports: See `make_port`.
        mounts: Paths of mount points by their names.
        notifies: Whether the app reports when it is ready, by sd_notify(3).
        more: Further members of the part `app`: workingDirectory, supplementaryGIDs, eventHandlers.
    """

    name: str
    argv: Sequence[str]
    user: int | str = 0
    group: int | str = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    isolators: Isolators = Isolators()
    ports: Sequence[Mapping[str, Any]] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    notifies: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def make_manifest(self) -> dict[str, Any]:
        """Return its manifest."""
        app: dict[str, Any] = {
            "exec": list(self.argv),
            "user": str(self.user),
            "group": str(self.group),
            "environment": [{"name": name, "value": value} for name, value in self.environment.items()],
            "isolators": self.isolators.format_json(),
            "ports": list(self.ports),
            "mountPoints": [{"name": name, "path": path} for name, path in self.mounts.items()],
            **self.more,
        }
        return {
            "acKind": "ImageManifest",
            "acVersion": "0.8.11",
            "name": self.name,
            "labels": [{"name": "os", "value": "linux"}, {"name": "arch", "value": "amd64"}],
            "app": app,
            "annotations": [{"name": NOTIFY, "value": "true"}] if self.notifies else [],
        }


def make_port(name: str, number: int, *, protocol: str = "tcp", socket_activated: bool = False) -> dict[str, Any]:
    """Return a port of an image; where it is socket-activated, the guest's service manager listens for the app."""
    return {
        "name": name, "protocol": protocol, "port": number, "count": 1, "socketActivated": socket_activated,
    }  # fmt: skip


def build(guest: Guest, rootfs: str, image: Aci, path: str) -> None:
    """Make the image file `path` of the guest from a tree of the guest."""
    guest.do(BUILD, rootfs, json.dumps(image.make_manifest()), path)
