"""A tiny initrd of our own: busybox, the few kernel modules that a disk needs, and a short init.

Distributions' initrds look for disks of every kind and take seconds under emulation; this one knows
where it is. It is a cpio archive in the "newc" format (Linux, Documentation/driver-api/early-userspace/
buffer-format.rst), written here because that is shorter than calling a tool for it.
"""

import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.errors import InfrastructureError

__all__ = ["INIT", "load_modules", "make_cpio", "make_initrd", "order_modules"]

INIT = Path(__file__).with_name("init.sh")
"""What runs as PID 1 of the initrd."""

DIRECTORY = 0o040755
EXECUTABLE = 0o100755
FILE = 0o100644
DEVICE = 0o020600

Entry = tuple[str, int, bytes]


def make_cpio(entries: Iterable[Entry], *, devices: Mapping[str, tuple[int, int]] | None = None) -> bytes:
    """Return an archive in the newc format.

    An entry is a path, a mode (with its file type) and content, parents first; `devices` has major and minor numbers.
    """
    numbers = devices or {}
    parts: list[bytes] = []
    for inode, (name, mode, data) in enumerate((*entries, ("TRAILER!!!", 0, b"")), 1):
        major, minor = numbers.get(name, (0, 0))
        path = name.encode() + b"\0"
        # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        parts += [_pad(header), _pad(data)]
    return b"".join(parts)


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def order_modules(wanted: Iterable[str], dependencies: str) -> list[str]:
    """Return paths of the modules to load, each after those that it needs.

    Those that this kernel does not have, or has built in, are left out. `dependencies` is modules.dep, see depmod(8).
    """
    needs: dict[str, list[str]] = {}
    paths: dict[str, str] = {}
    for line in dependencies.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
        paths[_get_module_name(path)] = path
    order: dict[str, None] = {}

    def add(path: str) -> None:
        if path not in order:
            for need in reversed(needs[path]):
                add(need)
            order[path] = None

    for name in wanted:
        if name.replace("-", "_") in paths:
            add(paths[name.replace("-", "_")])
    return list(order)


def _get_module_name(path: str) -> str:
    return PurePosixPath(path).name.partition(".ko")[0].replace("-", "_")


def make_initrd(*, busybox: bytes, modules: Path, wanted: Iterable[str]) -> bytes:
    """Return the initrd for a guest; raises InfrastructureError if the archive is not that of exactly one kernel."""
    return make_cpio(_list_entries(busybox, load_modules(modules, wanted)), devices={"dev/console": (5, 1)})


def load_modules(modules: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Return modules and what they need, uncompressed, by file name, in the order in which they are loaded; see `make_initrd`."""
    with tarfile.open(modules) as archive:
        files = {str(PurePosixPath(member.name)): member for member in archive.getmembers() if member.isfile()}
        kernels = {path.split("/")[0] for path in files if path.endswith("/modules.dep")}
        if len(kernels) != 1:
            raise InfrastructureError(
                f"The guest has the modules of {len(kernels)} kernels instead of one: {', '.join(sorted(kernels))}."
            )
        (kernel,) = kernels

        def content(path: str) -> bytes:
            file = archive.extractfile(files[f"{kernel}/{path}"])
            assert file is not None
            return file.read()

        order = order_modules(wanted, content("modules.dep").decode())
        return {_get_module_name(path) + ".ko": _decompress(path, content(path)) for path in order}


def _list_entries(busybox: bytes, modules: Mapping[str, bytes]) -> Iterator[Entry]:
    for directory in ("bin", "dev", "modules"):
        yield directory, DIRECTORY, b""
    # Without a console of its own PID 1 has no standard output before it mounts /dev.
    yield "dev/console", DEVICE, b""
    yield "bin/busybox", EXECUTABLE, busybox
    yield "init", EXECUTABLE, INIT.read_bytes().replace(b"#!/bin/sh", b"#!/bin/busybox sh", 1)
    for name, data in modules.items():
        yield f"modules/{name}", FILE, data
    yield "modules/order", FILE, "".join(f"{name}\n" for name in modules).encode()


def _decompress(path: str, data: bytes) -> bytes:
    """Return a module's content; Debian compresses modules with xz since trixie."""
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".gz"):
        return zlib.decompress(data, wbits=zlib.MAX_WBITS | 16)
    if path.endswith(".ko"):
        return data
    raise InfrastructureError(f"The kernel module {path} is compressed in a way that the harness cannot read.")
