"""The kernel of a Flatcar double, with its initramfs in the same file: our first stage, and Debian's real Ignition in it."""

import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.distros import initrd
from harness.distros.debian import apt
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["FILES", "SCRIPTS", "kernel_of", "tools"]

FILES = Path(__file__).with_name("flatcar_shaped")

MIB = 1 << 20

RECIPE = 1
"""Raised when the programs are chosen differently."""

FIRST_STAGE = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "ext4", "dm-mod", "dm-verity", "qemu_fw_cfg", "virtio_net", "pvpanic",
    "pvpanic-mmio", "sha256-generic", "virtio-rng",
)  # fmt: skip

TOOLS_FROM = "bookworm"
"""Release whose Ignition and libraries are in the initramfs, whatever is in /usr; bullseye has no Ignition."""

TOOLS = {
    "ignition": ("usr/lib/dracut/modules.d/30ignition/ignition", "usr/bin/ignition"),
    "cryptsetup-bin": ("usr/sbin/veritysetup", "sbin/veritysetup"),
    "util-linux": ("usr/sbin/findfs", "sbin/findfs"),
}
"""Programs of the initramfs, by Debian's package, with the places where it may be."""

LIBRARIES = (
    "libc6", "libblkid1", "libcryptsetup12", "libargon2-1", "libssl3", "libjson-c5", "libdevmapper1.02.1", "libudev1",
    "libselinux1", "libpcre2-8-0", "libuuid1", "libpopt0",
)  # fmt: skip

LINKED = (
    "ld-linux-x86-64", "libc.so", "libblkid", "libcryptsetup", "libargon2", "libcrypto", "libjson-c", "libdevmapper",
    "libudev", "libselinux", "libpcre2-8", "libuuid", "libpopt", "libpthread", "libdl", "libm.so", "libresolv",
)  # fmt: skip
"""Beginnings of the names of the libraries that these programs load."""

SCRIPTS = {"useradd": "usermod.sh", "usermod": "usermod.sh", "setfiles": "setfiles.sh"}
"""What Ignition calls in the initramfs, and what that is here."""

LINK = 0o120777


def tools(store: Store, deadline: Deadline) -> Artifact:
    """Return the programs and libraries of the initramfs, unpacked."""
    wanted = (*TOOLS, *LIBRARIES)

    def fill(directory: Path) -> Mapping[str, str]:
        with tempfile.TemporaryDirectory() as name:
            known = apt.open_apt(TOOLS_FROM, Path(name), deadline)
            versions = {record["Package"]: record["Version"] for record in known.find_packages(wanted, deadline)}
            packages = Path(name, "packages")
            packages.mkdir()
            for package in known.download(versions, packages, deadline):
                apt.unpack_package(package, directory, deadline)
        return {"title": "tools of the initramfs of Flatcar's double"}

    return store.obtain("flatcar-tools", {"recipe": RECIPE, "wanted": list(wanted)}, fill, deadline)


def kernel_of(work: Path, programs: Path) -> bytearray:
    """Join the kernel with the initramfs behind it in one file, where its header says (Linux, Documentation/x86/boot.rst).

    A loader that is given no initramfs leaves the two fields as they are, and loads the whole file at 1 MiB.
    """
    kernel = bytearray((work / "vmlinuz").read_bytes())
    archive = _initramfs(work, programs)
    setup = (kernel[0x1F1] + 1) * 512
    # What unpacks the kernel has its stack and its page tables behind its own end.
    kernel += b"\0" * (MIB - (len(kernel) - setup) % MIB + MIB)
    struct.pack_into("<II", kernel, 0x218, MIB + len(kernel) - setup, len(archive))
    return kernel + archive


def _initramfs(work: Path, programs: Path) -> bytes:
    made = work / "initramfs"
    modules = initrd.load_modules(work / "modules.tar", FIRST_STAGE)
    entries = list(_entries(work, programs, modules))
    made.write_bytes(initrd.make_cpio(entries, devices={"dev/console": (5, 1)}))
    return subprocess.run(["zstd", "-q", "-10", "-c", made], check=True, capture_output=True, timeout=60).stdout


def _entries(work: Path, programs: Path, modules: Mapping[str, bytes]) -> Iterator[tuple[str, int, bytes]]:
    for directory in (
        "bin",
        "sbin",
        "dev",
        "modules",
        "lib",
        "lib/x86_64-linux-gnu",
        "lib64",
        "usr",
        "usr/bin",
        "usr/sbin",
    ):
        yield directory, initrd.DIRECTORY, b""
    yield "dev/console", initrd.DEVICE, b""
    yield "bin/busybox", initrd.EXECUTABLE, (work / "busybox").read_bytes()
    yield "init", initrd.EXECUTABLE, _script("init.sh")
    for name, file in SCRIPTS.items():
        yield f"sbin/{name}", initrd.EXECUTABLE, _script(file)
    for places in TOOLS.values():
        path = next(programs / place for place in places if (programs / place).exists())
        yield f"sbin/{path.name}", initrd.EXECUTABLE, path.read_bytes()
    seen = set()
    for path in sorted(programs.glob("**/*.so*")):
        if path.name.startswith(LINKED) and path.name not in seen and path.parent.name in {"x86_64-linux-gnu", "lib64"}:
            seen.add(path.name)
            if path.is_symlink():
                yield f"lib/x86_64-linux-gnu/{path.name}", LINK, path.readlink().name.encode()
            else:
                yield f"lib/x86_64-linux-gnu/{path.name}", initrd.EXECUTABLE, path.read_bytes()
    yield "lib64/ld-linux-x86-64.so.2", LINK, b"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    for name, data in modules.items():
        yield f"modules/{name}", initrd.FILE, data
    yield "modules/order", initrd.FILE, "".join(f"{name}\n" for name in modules).encode()


def _script(name: str) -> bytes:
    return (FILES / name).read_bytes().replace(b"#!/bin/sh", b"#!/bin/busybox sh", 1)
