"""App Container images: built, checked and shown by appc's own actool, and run by runtimes that know nothing of them.

Names and meanings are those of the App Container specification 0.8.11 (aci.md, ace.md and OS-SPEC.md in Debian's package
appc-spec). A runtime that runs ACIs itself gets the file; for others `plan_execution` does what an executor would.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from suites.lib.guest import Guest, Result
from suites.lib.rights import DEFAULT_CAPABILITIES, LacksError, Mount
from suites.lib.spec import PATH, ContainerOptions

__all__ = ["VERSION", "ImageRunner", "Images", "make_manifest", "parse_quantity", "plan_execution"]

VERSION = "0.8.11"
"""The specification's version that manifests name; it is the last one."""

UNITS = {"": 1, **{letter: 1000**n for n, letter in enumerate("KMGTPE", 1)}}
UNITS |= {f"{letter}i": 1024**n for n, letter in enumerate("KMGTPE", 1)}

BUILD = r"""
mkdir -p "$1" && printf '%s\n' "$4" >"$1/manifest" && { [ -d "$1/rootfs" ] || cp -a "$2" "$1/rootfs"; } || exit
actool build --overwrite $5 "$1" "$3"
"""

UNPACK = r"""
mkdir -p "$2" && { gzip -dc "$1" 2>/dev/null || cat "$1"; } | tar -xf - -C "$2"
"""


def make_manifest(name: str, app: Mapping[str, Any] | None = None, **more: object) -> dict[str, Any]:
    """Return an image manifest for Linux on amd64; `app` needs no user and group, which are root's then."""
    labels = [{"name": "os", "value": "linux"}, {"name": "arch", "value": "amd64"}]
    manifest: dict[str, Any] = {"acKind": "ImageManifest", "acVersion": VERSION, "name": name, "labels": labels}
    if app is not None:
        manifest["app"] = {"user": "0", "group": "0", **app}
    return manifest | more


class Images:
    """Image archives in a directory of the guest."""

    def __init__(self, guest: Guest, directory: str, tree: str) -> None:
        self.guest = guest
        self.directory = directory
        self.tree = tree
        """The root file system of every image."""

    def build(self, name: str, manifest: Mapping[str, Any], *, layout: str | None = None) -> Result:
        """Build `path(name)` from a layout, NAME.layout without one, which gets a rootfs if it has none.

        A layout that several images share is packed without compression, which is slow in an emulated guest.
        """
        words = (f"{self.directory}/{layout or name}.layout", self.tree, self.get_path(name), json.dumps(manifest))
        return self.guest.sh(BUILD, *words, "--no-compression" if layout else "")

    def get_path(self, name: str) -> str:
        """Return where an image archive is."""
        return f"{self.directory}/{name}.aci"

    def read_manifest(self, path: str) -> dict[str, Any]:
        """Return what actool shows as an archive's manifest."""
        shown: dict[str, Any] = json.loads(self.guest.do('actool cat-manifest "$1"', path))
        return shown

    def unpack(self, path: str) -> str:
        """Unpack an archive next to it, and return the directory with its manifest and rootfs."""
        directory = f"{path}.unpacked"
        self.guest.do(UNPACK, path, directory)
        return directory


@runtime_checkable
class ImageRunner(Protocol):
    """What an engine has that runs images itself, as their manifests say."""

    def run_image(self, name: str, path: str, volumes: Mapping[str, str], *, registered: bool = False) -> Result:
        """Run an image archive as a container of a name to its end, with a directory of the guest for each mount point.

        With `registered` the metadata service knows the container (ace.md, App Container Metadata Service).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """The user and group of an app, found in its image (aci.md, user and group)."""

    user: int
    group: int


def plan_execution(
    guest: Guest, root: str, manifest: Mapping[str, Any], volumes: Mapping[str, str]
) -> tuple[tuple[str, ...], ContainerOptions]:
    """Return the command and the options by which a runtime does what an executor of the image would.

    Args:
        guest: Where the image is.
        root: Its rendered root file system.
        manifest: Its manifest.
        volumes: Directory of the guest for each of its mount points, by name.

    Raises:
        LacksError: It asks for what has to be done by the runtime itself.
        KeyError: A mount point has no volume.
    """
    app = manifest["app"]
    for feature, wanted in {
        "event handlers": app.get("eventHandlers"),
        "dependencies": manifest.get("dependencies"),
    }.items():
        if wanted:
            raise LacksError(feature)
    identity = _find_identity(guest, root, app)
    if identity.user != identity.group:
        raise LacksError("a group that is not its user's")
    variables = {pair["name"]: pair["value"] for pair in app.get("environment", ())}
    options = ContainerOptions(
        rootfs=root,
        read_only=False,
        user=identity.user,
        groups=tuple(app.get("supplementaryGIDs", ())),
        working_directory=app.get("workingDirectory", "/"),
        environment={"PATH": PATH, "AC_APP_NAME": manifest["name"].rpartition("/")[2], **variables},
        mounts=[
            Mount(source=volumes[point["name"]], target=point["path"], read_only=point.get("readOnly", False))
            for point in app.get("mountPoints", ())
        ],
        capabilities=DEFAULT_CAPABILITIES,
        no_new_privileges=False,
    )
    for isolator in app.get("isolators", ()):
        options |= _convert_isolator(isolator["name"], isolator["value"])
    return tuple(app["exec"]), options


def _find_identity(guest: Guest, root: str, app: Mapping[str, Any]) -> _Identity:
    found = []
    for word, file in ((app["user"], "passwd"), (app["group"], "group")):
        path = f"{root}/etc/{file}"
        entries = (line.split(":") for line in guest.read(path)[path].splitlines())
        number = next((fields[2] for fields in entries if fields[0] == word), word)
        if word.startswith("/"):
            number = guest.do(f'stat -c %{"u" if file == "passwd" else "g"} "$1"', f"{root}{word}")
        found.append(int(number))
    return _Identity(user=found[0], group=found[1])


def _convert_isolator(name: str, value: Any) -> ContainerOptions:
    """Return what an isolator is in a runtime's options."""
    options = ContainerOptions()
    match name:
        case "resource/memory":
            options["memory"] = int(parse_quantity(value["limit"]))
        case "resource/cpu":
            options["cpu"] = parse_quantity(value["limit"])
        case "os/linux/capabilities-retain-set":
            options["capabilities"] = tuple(value["set"])
        case "os/linux/capabilities-remove-set":
            options["capabilities"] = tuple(sorted(set(DEFAULT_CAPABILITIES) - set(value["set"])))
        case "os/linux/no-new-privileges":
            options["no_new_privileges"] = value
        case "os/linux/oom-score-adj":
            options["oom_score_adj"] = value
        case "os/linux/seccomp-remove-set" if value.get("errno") == "EPERM":
            options["syscalls_refused"] = tuple(value["set"])
        case _:
            raise LacksError(f"the isolator {name}")
    return options


def parse_quantity(text: str) -> float:
    """Return a quantity of a resource in its base unit: bytes, CPUs (ace.md, Resource Isolators): "64Mi", "1G", "500m".

    Raises:
        ValueError: It is none.
    """
    found = re.fullmatch(r"([0-9.]+)(m|[KMGTPE]i?)?", text)
    if found is None:
        raise ValueError(f"`{text}` is no quantity: a number, with one of m, K, Ki, M, Mi and so on after it.")
    return float(found[1]) / 1000 if found[2] == "m" else float(found[1]) * UNITS[found[2] or ""]
