"""Debian disks: mmdebstrap makes the tree, mkfs.ext4 takes it from there; no loop device, no root mount.

What goes into them is data: images/debian/image.yaml, the files in images/debian/tree, and
images/debian/finish.sh, which runs as mmdebstrap's last hook.
"""

import os
import re
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from harness import catalog, proc, yamlfile
from harness.catalog import DistroFile
from harness.catalog.named_values import KernelModule, PackageName, PathPattern, PlainWord, ReleaseName, UnitName
from harness.distros import initrd, protocol
from harness.distros.debian.access import find_subordinate_user, share_directory
from harness.distros.debian.apt import find_archive, format_sources_list
from harness.distros.protocol import ImageSpec
from harness.errors import InfrastructureError, UsageError
from harness.store import make_key
from harness.wait import Deadline

__all__ = [
    "MERGE",
    "TOOLS",
    "DebianFile",
    "build",
    "collect_inputs",
    "find_channel",
    "find_channel_with",
    "find_release",
]

TOOLS = ("mmdebstrap", "mkfs.ext4", "qemu-img")
"""What is run here; they are looked for before the work of minutes begins."""

MERGE = (
    'cd "$1" && for name in bin sbin lib lib32 lib64 libx32; do mkdir -p "usr/$name" && ln -s "usr/$name" "$name"; done'
)
"""What Debian's installer does for a merged /usr (usrmerge(7), debootstrap's --merged-usr)."""


class DebianChannel(catalog.DistroChannel):
    """A release stream of Debian.

    Attributes:
        release: Code name of the Debian release.
        pocket: A further suite of the archive from which `DebianFile.from_pocket` comes.
        packages: Packages that only this channel has.
        merge_usr: Whether /bin, /sbin and /lib have to be made links into /usr before anything is unpacked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    release: ReleaseName
    pocket: ReleaseName | None = None
    packages: tuple[PackageName, ...] = ()
    merge_usr: bool = False


class DebianFile(DistroFile):
    """images/debian/image.yaml as a whole.

    Attributes:
        packages: Packages in every guest, besides the essential ones.
        from_pocket: Source packages that come from a channel's pocket.
        without: Paths (dpkg's path-exclude patterns) that are not unpacked.
        mask: Units that systemd must not start.
        not_wanted: Units that multi-user.target must not start.
        without_generators: Generators (systemd.generator(7)) that must not run.
        modules: Kernel modules that the initrd loads.
        size: Virtual size of the disk in GiB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    channels: Mapping[str, DebianChannel]
    packages: tuple[PackageName, ...]
    from_pocket: tuple[PackageName, ...] = ()
    without: tuple[PathPattern, ...] = ()
    mask: tuple[UnitName, ...] = ()
    not_wanted: tuple[UnitName, ...] = ()
    without_generators: tuple[PlainWord, ...] = ()
    modules: tuple[KernelModule, ...]
    size: Annotated[int, Field(ge=1, le=64)]


def collect_inputs(spec: ImageSpec) -> Mapping[str, Any]:
    """Return what the image depends on: its file, its channel, and the harness's own data files.

    The archive's state is not part of it: an image is kept until it is asked for again after
    `harness cache prune`, like the disk images that other distributions publish.
    """
    file = _read(spec)
    digests = protocol.digest_files([*(spec.files / "tree").rglob("*"), spec.files / "finish.sh"], spec.files)
    return {
        "recipe": 1,
        "debian": {**file.model_dump(mode="json", exclude={"channels", "name", "description"})},
        "release": _find_channel(spec, file).model_dump(mode="json"),
        "files": digests,
        "init": protocol.digest_files([initrd.INIT], initrd.INIT.parent),
    }


def build(spec: ImageSpec, directory: Path, deadline: Deadline, log: Path) -> Mapping[str, Any]:
    """Fill a directory with a Debian image; see `Distro.build`.

    Raises:
        InfrastructureError: A tool is missing or failed, or the computer's apt knows no Debian archive.
    """
    for tool in TOOLS:
        proc.require(tool)
    file = _read(spec)
    channel = _find_channel(spec, file)
    # An ordinary user's mmdebstrap writes as another user, who cannot reach into a private store.
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="harness-image-", dir=directory if root else None) as name:
        work = Path(name)
        if not root:
            share_directory(work, find_subordinate_user())
        _prepare(work, spec, file, channel, deadline)
        _bootstrap(work, file, channel, deadline, log)
        _publish(work, directory, file, deadline, log)
    versions = dict(line.split(" ", 1) for line in (directory / protocol.PACKAGES).read_text("utf-8").splitlines())
    facts = {"systemd": versions["systemd"], "kernel_version": _find_kernel_version(versions)}
    protocol.write_facts(directory, facts)
    return facts


def find_release(spec: ImageSpec) -> str:
    """Return the code name of the Debian release that an image is; raises UsageError if there is no such channel."""
    return find_channel(spec).release


def find_channel(spec: ImageSpec) -> DebianChannel:
    """Return the channel of an image; raises UsageError if there is no such channel."""
    return _find_channel(spec, _read(spec))


def find_channel_with(spec: ImageSpec, systemd: str) -> DebianChannel:
    """Return the first channel that has a version of systemd; raises UsageError if there is none."""
    for channel in _read(spec).channels.values():
        if channel.systemd == systemd:
            return channel
    raise UsageError(f"No channel of Debian has systemd {systemd}.")


def _read(spec: ImageSpec) -> DebianFile:
    return yamlfile.load(spec.files / "image.yaml", DebianFile)


def _find_channel(spec: ImageSpec, file: DebianFile) -> DebianChannel:
    if spec.channel not in file.channels:
        raise UsageError(f"Debian has no channel `{spec.channel}`; known are {', '.join(sorted(file.channels))}.")
    return file.channels[spec.channel]


def _prepare(work: Path, spec: ImageSpec, file: DebianFile, channel: DebianChannel, deadline: Deadline) -> None:
    """Lay out what mmdebstrap and finish.sh read and write; whoever may enter the directory may do both."""
    shutil.copytree(spec.files / "tree", work / "tree")
    shutil.copy(spec.files / "finish.sh", work / "finish.sh")
    masked = (
        *(f"system/{unit}" for unit in file.mask),
        *(f"system/multi-user.target.wants/{unit}" for unit in file.not_wanted),
        *(f"system-generators/{name}" for name in file.without_generators),
    )
    pins = (f"Package: src:{name}\nPin: release n={channel.pocket}\nPin-Priority: 990\n" for name in file.from_pocket)
    texts = {
        "uuid": f"{uuid.UUID(bytes=bytes.fromhex(make_key(protocol.KIND, collect_inputs(spec)))[:16], version=4)}\n",
        "masked": "".join(f"{path}\n" for path in masked),
        "sources.list": format_sources_list(find_archive(deadline), channel.release, pocket=channel.pocket),
        "preferences": "\n".join(pins) if channel.pocket else "",
    }
    for name, text in texts.items():
        (work / name).write_text(text, encoding="utf-8")
    disk = work / "disk.raw"
    with disk.open("wb") as raw:
        raw.truncate(file.size << 30)
    for path in work.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    disk.chmod(0o666)


def _bootstrap(work: Path, file: DebianFile, channel: DebianChannel, deadline: Deadline, log: Path) -> None:
    proc.run(
        [
            "mmdebstrap", "--variant=essential", "--format=null",
            f"--include={','.join((*file.packages, *channel.packages))}",
            *(f"--dpkgopt=path-exclude={path}" for path in file.without),
            "--aptopt=Acquire::Languages none", "--aptopt=APT::Install-Recommends false",
            "--dpkgopt=force-unsafe-io",
            f'--setup-hook=mkdir -p "$1/etc/apt" && cp {shlex.quote(f"{work}/preferences")} "$1/etc/apt/preferences"',
            *((f"--setup-hook={MERGE}",) if channel.merge_usr else ()),
            f'--customize-hook=sh {shlex.quote(f"{work}/finish.sh")} {shlex.quote(str(work))} "$1"',
            channel.release, "/dev/null", str(work / "sources.list"),
        ],
        deadline=deadline,
        output=log,
        hint="Look for the first `E:` in that file; often the archive could not be reached.",
    )  # fmt: skip


def _publish(work: Path, directory: Path, file: DebianFile, deadline: Deadline, log: Path) -> None:
    # A qcow2 file is as small as its content for every tool, and not only for those that know holes.
    proc.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(work / "disk.raw"), str(directory / protocol.DISK)],
        deadline=deadline,
        output=log,
    )
    shutil.copyfile(work / "vmlinuz", directory / protocol.KERNEL)
    shutil.copyfile(work / "packages", directory / protocol.PACKAGES)
    busybox = (work / "busybox").read_bytes()
    archive = initrd.make_initrd(busybox=busybox, modules=work / "modules.tar", wanted=file.modules)
    (directory / protocol.INITRD).write_bytes(archive)


def _find_kernel_version(versions: Mapping[str, str]) -> str:
    for name in versions:
        found = re.fullmatch(r"linux-image-(\d.*)", name)
        if found:
            return found[1]
    raise InfrastructureError("The image's package list has no kernel in it, so it cannot boot.")
