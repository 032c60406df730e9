"""Flatcar's disks: a verified release as it was published, booted with its own kernel and provisioned by Ignition.

Nothing in the image is changed. What a guest needs beside it (a user's key, the harness's sshd, its network) is an
Ignition document that is made from images/flatcar: each file in `units/` is a unit, each in `tree/` a file of the root
file system, and image.yaml says which units are masked.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from harness import catalog, debian, flatcar, image, proc, yamlfile
from harness.catalog import Distro
from harness.errors import InfrastructureError, UsageError
from harness.flatcar import Fetched, Release, grub, ignition
from harness.flatcar.ignition import Document, File, Link, Unit, User
from harness.image import ImageSpec
from harness.store import Artifact, Store, file_digest
from harness.wait import Deadline
from harness.writing import refusing

__all__ = ["FlatcarFile", "build", "document", "inputs", "no_cgroup_v1", "pin"]

ARCHITECTURE = "amd64"

RECIPE = 2
"""Raised when images are made differently."""

USERS = ("root", "core")
"""Who may log in with the machine's key."""

BUSYBOX_FROM = "bookworm"
"""Debian release whose static busybox the suites' containers are made from; Flatcar has none."""

EXECUTABLE = ".sh"
"""End of the names of the files in `tree/` that are programs."""


class FlatcarFile(Distro):
    """images/flatcar/image.yaml as a whole.

    Attributes:
        channels: Release streams by name.
        mask: Units that systemd shall not start.
        not_wanted: Units that multi-user.target shall not start.
        without_generators: Generators (systemd.generator(7)) that shall not run.
        cgroup_v1: Options without which a kernel has no whole cgroup v1, each with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    channels: Mapping[str, catalog.Channel]
    mask: tuple[str, ...] = ()
    not_wanted: tuple[str, ...] = ()
    without_generators: tuple[str, ...] = ()
    cgroup_v1: Mapping[str, str] = {}


def pin(spec: ImageSpec, store: Store, deadline: Deadline) -> ImageSpec:
    """The same with the exact release that its channel has now; see `flatcar.resolve` for what it raises."""
    return spec if spec.release else replace(spec, release=_release(spec, store, deadline).version)


def inputs(spec: ImageSpec) -> Mapping[str, Any]:
    """What the image depends on: the release and who vouches for it, and the files of the document.

    Raises:
        UsageError: The key file cannot be read.
    """
    file = _read(spec)
    key = spec.key if spec.key is not None else spec.files / "key.yaml"
    with refusing(f"The key file {key} cannot be read", hint="--key or HARNESS_KEY names another one."):
        digest = file_digest(key)
    return {
        "recipe": RECIPE,
        "release": spec.release,
        "key": digest,
        "flatcar": file.model_dump(mode="json", exclude={"channels", "numbered", "name", "description"}),
        "files": image.file_digests(
            [*(spec.files / "units").rglob("*"), *(spec.files / "tree").rglob("*")], spec.files
        ),
    }


def build(spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:
    """Fill a directory with a verified release; see `image.Maker`.

    Raises:
        TrustError: The release is not what was signed.
        InfrastructureError: It cannot be had, or is no image that the harness can boot.
    """
    file = _read(spec)
    proc.require("qemu-img")
    release = _release(spec, store, deadline)
    fetched = flatcar.obtain(release, store, deadline, log, mirror=spec.mirror, key=spec.key, files=spec.files)
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(fetched.disk), str(directory / image.DISK)]
    proc.run(argv, deadline=deadline, output=log)
    shutil.copyfile(fetched.kernel, directory / image.KERNEL)
    shutil.copyfile(fetched.packages, directory / image.PACKAGES)
    shutil.copy(_busybox(store, deadline).path / image.BUSYBOX, directory / image.BUSYBOX)
    rendered = document(spec.files, file).render(ignition.spec_for(fetched.version))
    (directory / image.IGNITION).write_text(rendered, encoding="utf-8")
    facts = {
        "systemd": fetched.systemd,
        "kernel_version": _kernel_version(fetched),
        "release": fetched.version,
        "arguments": list(grub.arguments(fetched.disk, fetched.kernel, deadline)),
        "no_cgroup_v1": no_cgroup_v1(fetched.config, file.cgroup_v1),
    }
    (directory / image.FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts | {"sha512": fetched.sha512, "fingerprint": fetched.fingerprint}


def no_cgroup_v1(config: Path | None, options: Mapping[str, str]) -> str:
    """Why a kernel has no whole cgroup v1: sentences, or nothing where its configuration does not say so.

    Args:
        config: The kernel's configuration, or None where it is not known.
        options: Options without which it has not, each with the reason.
    """
    text = config.read_text(encoding="utf-8", errors="replace") if config is not None else ""
    missing = [name for name in options if re.search(rf"^# CONFIG_{name} is not set$", text, re.MULTILINE)]
    return " ".join(f"The kernel was built without CONFIG_{name}: {options[name]}" for name in missing)


def document(files: Path, file: FlatcarFile) -> Document:
    """What a guest becomes at its first boot.

    Args:
        files: images/flatcar.
        file: Its image.yaml.
    """
    tree = files / "tree"
    masked = (
        *(f"system/multi-user.target.wants/{unit}" for unit in file.not_wanted),
        *(f"system-generators/{name}" for name in file.without_generators),
    )
    return Document(
        users=tuple(User(name=name, ssh_keys=(image.SSH_KEY,)) for name in USERS),
        files=tuple(
            File(
                path=f"/{path.relative_to(tree)}",
                content=path.read_bytes(),
                mode=0o755 if path.suffix == EXECUTABLE else 0o644,
            )
            for path in sorted(tree.rglob("*"))
            if path.is_file()
        ),
        units=(
            *(
                Unit(name=path.name, contents=path.read_text(encoding="utf-8"), enabled=True)
                for path in sorted((files / "units").iterdir())
            ),
            *(Unit(name=name, mask=True) for name in file.mask),
        ),
        links=tuple(Link(path=f"/etc/systemd/{path}", target="/dev/null") for path in masked),
    )


def _read(spec: ImageSpec) -> FlatcarFile:
    return yamlfile.load(spec.files / "image.yaml", FlatcarFile)


def _release(spec: ImageSpec, store: Store, deadline: Deadline) -> Release:
    file = _read(spec)
    if spec.channel not in file.channels:
        raise UsageError(f"Flatcar has no channel `{spec.channel}`; known are {', '.join(file.channels)}.")
    # An LTS stream such as lts-2024 is a part of its channel, and a number says by itself which.
    wanted = f"{spec.channel.partition('-')[0]}@{spec.release}" if spec.release else spec.channel
    return flatcar.resolve(wanted, ARCHITECTURE, store, deadline, mirror=spec.mirror, files=spec.files)


def _busybox(store: Store, deadline: Deadline) -> Artifact:
    """A static busybox for guests that have none, from Debian's package."""

    def fill(directory: Path) -> Mapping[str, Any]:
        with tempfile.TemporaryDirectory(prefix="harness-busybox-") as name:
            home, tree = Path(name, "apt"), Path(name, "tree")
            home.mkdir()
            tree.mkdir()
            known = debian.open_apt(BUSYBOX_FROM, home, deadline)
            (record,) = known.packages(["busybox-static"], deadline)
            (package,) = known.download({"busybox-static": record["Version"]}, tree, deadline)
            debian.unpack(package, tree, deadline)
            found = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists())
            shutil.copyfile(found, directory / image.BUSYBOX)
            (directory / image.BUSYBOX).chmod(0o755)
        return {"title": f"busybox {record['Version']}"}

    return store.obtain("busybox", {"release": BUSYBOX_FROM, "recipe": RECIPE}, fill, deadline)


def _kernel_version(fetched: Fetched) -> str:
    text = fetched.packages.read_text(encoding="utf-8")
    found = re.search(r"^sys-kernel/coreos-kernel-(\d[^\s:]*?)(?:-r\d+)?(?:::\S*)?\s*$", text, re.MULTILINE)
    if found is None:
        raise InfrastructureError(f"The list of packages of Flatcar {fetched.version} has no kernel in it.")
    return found[1]
