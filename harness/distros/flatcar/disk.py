"""Flatcar's disks: a verified release as it was published, booted with its own kernel and provisioned by Ignition.

Nothing in the image is changed. What a guest needs besides (a user's key, the harness's sshd, its network) is an
Ignition document that is made from images/flatcar: each file in `units/` is a unit, each in `tree/` a file of the root
file system, and image.yaml says which units are masked.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict

from harness import catalog, proc, yamlfile
from harness.catalog import DistroFile
from harness.catalog.named_values import PlainWord, UnitName
from harness.distros import protocol
from harness.distros.debian import apt
from harness.distros.flatcar import grub, hosts, ignition, release_store
from harness.distros.flatcar.ignition import Document, File, Link, Unit, User
from harness.distros.flatcar.ignition_values import check_unique
from harness.distros.flatcar.release_store import Fetched
from harness.distros.flatcar.releases import Release
from harness.distros.protocol import SSH_KEY, ImageSpec
from harness.errors import InfrastructureError, UsageError
from harness.store import Artifact, Store, hash_file
from harness.wait import Deadline
from harness.writing import translate_os_errors

__all__ = [
    "BUSYBOX", "IGNITION", "FlatcarFile", "build", "collect_inputs", "explain_no_cgroup_v1", "make_document", "pin",
]  # fmt: skip

IGNITION = "config.ign"
"""File of an image with the document that Ignition reads at the first boot."""

BUSYBOX = "busybox"
"""File of an image with a static busybox, of which Flatcar has none."""

ARCHITECTURE = "amd64"

RECIPE = 2
"""Raised when images are made differently."""

USERS = ("root", "core")
"""Who may log in with the machine's key."""

BUSYBOX_FROM = "bookworm"
"""Debian release whose static busybox the suites' containers are made from; Flatcar has none."""

EXECUTABLE = ".sh"
"""End of the names of the files in `tree/` that are programs."""


def _check_unique(names: tuple[str, ...]) -> tuple[str, ...]:
    check_unique(names, "name")
    return names


class FlatcarFile(DistroFile):
    """images/flatcar/image.yaml as a whole.

    Attributes:
        mask: Units that systemd must not start.
        not_wanted: Units that multi-user.target must not start.
        without_generators: Generators (systemd.generator(7)) that must not run.
        cgroup_v1: Options without which a kernel has no whole cgroup v1, each with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    channels: Mapping[str, catalog.DistroChannel]
    mask: Annotated[tuple[UnitName, ...], AfterValidator(_check_unique)] = ()
    not_wanted: Annotated[tuple[UnitName, ...], AfterValidator(_check_unique)] = ()
    without_generators: Annotated[tuple[PlainWord, ...], AfterValidator(_check_unique)] = ()
    cgroup_v1: Mapping[str, str] = {}


def pin(spec: ImageSpec, store: Store, deadline: Deadline) -> ImageSpec:
    """Return the same with the exact release that its channel has now; see `hosts.resolve` for what it raises."""
    return spec if spec.release else replace(spec, release=_find_release(spec, store, deadline).version)


def collect_inputs(spec: ImageSpec) -> Mapping[str, Any]:
    """Return what the image depends on: the release and who vouches for it, and the files of the document.

    Raises:
        UsageError: The key file cannot be read.
    """
    file = _read(spec)
    key = _find_key(spec) or spec.files / "key.yaml"
    with translate_os_errors(f"The key file {key} cannot be read", hint="--key or HARNESS_KEY names another one."):
        digest = hash_file(key)
    return {
        "recipe": RECIPE,
        "release": spec.release,
        "key": digest,
        "flatcar": file.model_dump(mode="json", exclude={"channels", "numbered", "name", "description"}),
        "files": protocol.digest_files(
            [*(spec.files / "units").rglob("*"), *(spec.files / "tree").rglob("*")], spec.files
        ),
    }


def build(spec: ImageSpec, directory: Path, store: Store, deadline: Deadline, log: Path) -> Mapping[str, Any]:
    """Fill a directory with a verified release; see `Distro.build`.

    Raises:
        TrustError: The release is not what was signed.
        InfrastructureError: It cannot be had, or is no image that the harness can boot.
    """
    file = _read(spec)
    proc.require("qemu-img")
    release = _find_release(spec, store, deadline)
    fetched = release_store.obtain(
        release, store, deadline, log, mirror=spec.get_option("mirror"), key=_find_key(spec), files=spec.files
    )
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(fetched.disk), str(directory / protocol.DISK)]
    proc.run(argv, deadline=deadline, output=log)
    shutil.copyfile(fetched.kernel, directory / protocol.KERNEL)
    shutil.copyfile(fetched.packages, directory / protocol.PACKAGES)
    shutil.copy(_obtain_busybox(store, deadline).path / BUSYBOX, directory / BUSYBOX)
    rendered = make_document(spec.files, file).render(ignition.choose_spec(fetched.version))
    (directory / IGNITION).write_text(rendered, encoding="utf-8")
    facts = {
        "systemd": fetched.systemd,
        "kernel_version": _find_kernel_version(fetched),
        "release": fetched.version,
        "arguments": list(grub.read_arguments(fetched.disk, fetched.kernel, deadline)),
        "no_cgroup_v1": explain_no_cgroup_v1(fetched.config, file.cgroup_v1),
    }
    protocol.write_facts(directory, facts)
    return facts | {"sha512": fetched.sha512, "fingerprint": fetched.fingerprint}


def explain_no_cgroup_v1(config: Path | None, options: Mapping[str, str]) -> str:
    """Return why a kernel has no whole cgroup v1: sentences, or nothing where its configuration does not say so."""
    text = config.read_text(encoding="utf-8", errors="replace") if config is not None else ""
    missing = [name for name in options if re.search(rf"^# CONFIG_{name} is not set$", text, re.MULTILINE)]
    return " ".join(f"The kernel was built without CONFIG_{name}: {options[name]}" for name in missing)


def make_document(files: Path, file: FlatcarFile) -> Document:
    """Return what a guest becomes at its first boot."""
    tree = files / "tree"
    masked = (
        *(f"system/multi-user.target.wants/{unit}" for unit in file.not_wanted),
        *(f"system-generators/{name}" for name in file.without_generators),
    )
    return Document(
        users=tuple(User(name=name, ssh_keys=(SSH_KEY,)) for name in USERS),
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


def _find_key(spec: ImageSpec) -> Path | None:
    value = spec.get_option("key")
    return Path(value) if value is not None else None


def _read(spec: ImageSpec) -> FlatcarFile:
    return yamlfile.load(spec.files / "image.yaml", FlatcarFile)


def _find_release(spec: ImageSpec, store: Store, deadline: Deadline) -> Release:
    file = _read(spec)
    if spec.channel not in file.channels:
        raise UsageError(f"Flatcar has no channel `{spec.channel}`; known are {', '.join(file.channels)}.")
    # An LTS stream such as lts-2024 is a part of its channel, and a number says by itself which.
    wanted = f"{spec.channel.partition('-')[0]}@{spec.release}" if spec.release else spec.channel
    return hosts.resolve(wanted, ARCHITECTURE, store, deadline, mirror=spec.get_option("mirror"), files=spec.files)


def _obtain_busybox(store: Store, deadline: Deadline) -> Artifact:
    """Return a static busybox for guests that have none, from Debian's package."""

    def fill(directory: Path) -> Mapping[str, Any]:
        with tempfile.TemporaryDirectory(prefix="harness-busybox-") as name:
            home, tree = Path(name, "apt"), Path(name, "tree")
            home.mkdir()
            tree.mkdir()
            known = apt.open_apt(BUSYBOX_FROM, home, deadline)
            (record,) = known.find_packages(["busybox-static"], deadline)
            (package,) = known.download({"busybox-static": record["Version"]}, tree, deadline)
            apt.unpack_package(package, tree, deadline)
            found = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists())
            shutil.copyfile(found, directory / BUSYBOX)
            (directory / BUSYBOX).chmod(0o755)
        return {"title": f"busybox {record['Version']}"}

    return store.obtain("busybox", {"release": BUSYBOX_FROM, "recipe": RECIPE}, fill, deadline)


def _find_kernel_version(fetched: Fetched) -> str:
    text = fetched.packages.read_text(encoding="utf-8")
    found = re.search(r"^sys-kernel/coreos-kernel-(\d[^\s:]*?)(?:-r\d+)?(?:::\S*)?\s*$", text, re.MULTILINE)
    if found is None:
        raise InfrastructureError(f"The list of packages of Flatcar {fetched.version} has no kernel in it.")
    return found[1]
