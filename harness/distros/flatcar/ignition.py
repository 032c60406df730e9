"""Ignition documents from typed models: what a guest of Flatcar becomes at its first boot.

A document is written once and rendered in the format that a release reads: 3.3.0 (coreos.github.io/ignition,
configuration-v3_3), or 2.3.0 for releases before 3185, whose Ignition knows no other. What these models accept,
`ignition-validate` accepts too, without a warning; they refuse a little more, where Ignition would do nothing of what
was meant: a unit that is enabled but has no [Install], a user without a name.
"""

import base64
import json
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from harness.catalog.named_values import UnitName
from harness.distros.flatcar.ignition_values import (
    DropInName,
    LineText,
    Mode,
    NameText,
    PathText,
    UnitText,
    check_unique,
)
from harness.distros.flatcar.versions import Version
from harness.errors import UsageError

__all__ = [
    "Directory", "Document", "DropIn", "File", "IgnitionSpec", "KernelArguments", "Link", "Unit", "User", "choose_spec",
]  # fmt: skip

FIRST_V3 = 3185
"""First major of a release whose Ignition reads documents of version 3."""


class IgnitionSpec(StrEnum):
    """Formats of documents."""

    V2 = "2.3.0"
    V3 = "3.3.0"


def choose_spec(version: str) -> IgnitionSpec:
    """Return the format that a release reads; raises UsageError for what is no version."""
    return IgnitionSpec.V3 if Version.parse(version).major >= FIRST_V3 else IgnitionSpec.V2


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class User(_Part):
    """A user: one that the system has, or a new one.

    Attributes:
        ssh_keys: Public keys that may log in, each a line of authorized_keys.
        groups: Groups that it is a member of besides.
    """

    name: NameText
    ssh_keys: tuple[LineText, ...] = ()
    groups: tuple[NameText, ...] = ()

    @model_validator(mode="after")
    def _check_twins(self) -> Self:
        check_unique(self.ssh_keys, "key")
        check_unique(self.groups, "group")
        return self


class _Node(_Part):
    """What has a path and, unless it is root, an owner and a group."""

    path: PathText
    user: NameText | None = None
    group: NameText | None = None

    def render(self, spec: IgnitionSpec) -> dict[str, Any]:
        owner = {name: {"name": value} for name, value in (("user", self.user), ("group", self.group)) if value}
        return {"path": self.path, **owner, **({"filesystem": "root"} if spec is IgnitionSpec.V2 else {})}


class File(_Node):
    """A file of the root file system; what is there is replaced."""

    content: bytes
    mode: Mode = 0o644

    def render(self, spec: IgnitionSpec) -> dict[str, Any]:
        """Return the file as the format has it."""
        data = base64.b64encode(self.content).decode("ascii")
        source = {"source": f"data:;base64,{data}"}
        return super().render(spec) | {"overwrite": True, "mode": self.mode, "contents": source}


class Directory(_Node):
    """A directory of the root file system."""

    mode: Mode = 0o755

    def render(self, spec: IgnitionSpec) -> dict[str, Any]:
        """Return the directory as the format has it."""
        return super().render(spec) | {"mode": self.mode}


class Link(_Node):
    """A symbolic link in the root file system; what is there is replaced.

    Attributes:
        target: Where it points.
    """

    target: LineText

    def render(self, spec: IgnitionSpec) -> dict[str, Any]:
        """Return the link as the format has it."""
        return super().render(spec) | {"overwrite": True, "target": self.target}


class DropIn(_Part):
    """A part of a unit that another file has.

    Attributes:
        name: Its file: "10-harness.conf".
    """

    name: DropInName
    contents: UnitText


class Unit(_Part):
    """A unit of systemd.

    Attributes:
        contents: Its text; None for one that the system has.
        enabled: Whether it is enabled or disabled at the first boot; None to leave that to the system.
        mask: Whether nothing may start it.
    """

    name: UnitName
    contents: UnitText | None = None
    enabled: bool | None = None
    mask: bool = False
    drop_ins: tuple[DropIn, ...] = ()

    @model_validator(mode="after")
    def _check_sense(self) -> Self:
        check_unique((item.name for item in self.drop_ins), "drop-in")
        if self.mask and (self.contents is not None or self.enabled):
            raise ValueError(f"the unit {self.name} is masked, so it has no text and is not enabled")
        if self.enabled and self.contents is not None and "[Install]" not in self.contents.splitlines():
            raise ValueError(f"the unit {self.name} is enabled, but has no [Install] that would say where")
        return self

    def render(self) -> dict[str, Any]:
        """Return the unit, which both formats have alike."""
        unit: dict[str, Any] = {"name": self.name}
        if self.contents is not None:
            unit["contents"] = self.contents
        if self.enabled is not None:
            unit["enabled"] = self.enabled
        if self.mask:
            unit["mask"] = True
        if self.drop_ins:
            unit["dropins"] = [item.model_dump() for item in self.drop_ins]
        return unit


class KernelArguments(_Part):
    """Words of the kernel's command line, which Ignition writes down for the boot loader; it reboots if they change."""

    present: tuple[LineText, ...] = ()
    absent: tuple[LineText, ...] = ()

    @model_validator(mode="after")
    def _check_once(self) -> Self:
        check_unique((*self.present, *self.absent), "kernel argument")
        return self


class Document(_Part):
    """What a guest becomes.

    Attributes:
        directories: Directories, made before the files.
        links: Symbolic links; none may be on the way to something else of the document.
    """

    users: tuple[User, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    links: tuple[Link, ...] = ()
    units: tuple[Unit, ...] = ()
    kernel: KernelArguments = KernelArguments()

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        check_unique((item.name for item in self.users), "user")
        check_unique((item.name for item in self.units), "unit")
        paths = [item.path for item in (*self.directories, *self.files, *self.links)]
        check_unique(paths, "path")
        for kind, ways in (("link", self.links), ("file", self.files)):
            for way in ways:
                below = [path for path in paths if path.startswith(f"{way.path}/")]
                if below:
                    raise ValueError(f"the path {below[0]} goes through the {kind} {way.path}")
        return self

    def render(self, spec: IgnitionSpec) -> str:
        """Return the document as JSON; raises UsageError for kernel arguments that the format does not know."""
        kernel = {"shouldExist": list(self.kernel.present), "shouldNotExist": list(self.kernel.absent)}
        if spec is IgnitionSpec.V2 and any(kernel.values()):
            raise UsageError(
                f"Ignition documents of version {spec} have no kernel arguments; releases since 3185 have."
            )
        users = [
            {"name": user.name, "sshAuthorizedKeys": list(user.ssh_keys), "groups": list(user.groups)}
            for user in self.users
        ]
        parts: dict[str, dict[str, list[Any]]] = {
            "passwd": {"users": users},
            "storage": {
                "directories": [item.render(spec) for item in self.directories],
                "files": [item.render(spec) for item in self.files],
                "links": [item.render(spec) for item in self.links],
            },
            "systemd": {"units": [item.render() for item in self.units]},
            "kernelArguments": kernel,
        }
        filled = {name: {key: value for key, value in part.items() if value} for name, part in parts.items()}
        document = {"ignition": {"version": str(spec)}, **{name: part for name, part in filled.items() if part}}
        return json.dumps(document, indent=1) + "\n"
