"""virtme-ng compared with us: the same kernel, the same accelerator, to the end of the same command.

virtme-ng (`pip install virtme-ng` in an environment of its own, 1.42 was tried) boots a kernel on this computer's own
root directory, over virtiofs or 9p. What it takes to make that work under Debian 12 without KVM:

- Debian's cloud kernel, which our images have, has virtiofs and no 9p, and virtme-ng does not speak to the virtiofsd
  of QEMU 7.2 (it wants the one in Rust, which Debian has since trixie). So both boot Debian's other kernel, which has
  9p: `apt-get download linux-image-6.1.0-50-amd64 && dpkg-deb -x linux-image-*.deb DIRECTORY`.
- It needs depmod, modprobe (`kmod`) and a static busybox (`busybox-static`) on PATH.
- On a computer without udevd its guest does not find the port for the exit status, and it ends with 255. What tells
  that the command ran is its own message, which comes with --verbose.
- By default it emulates `-cpu max`, as many processors as there are, and 1 GiB; it ends its guest in an orderly way,
  which takes a tenth of a second.
"""

import os
import re
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path

from bench.boot import ROOT
from harness import yamlfile
from harness.distros import initrd
from harness.distros.debian import disk
from harness.qemu import MachineSpec

__all__ = ["seconds", "with_kernel"]

PATIENCE = 180
RAN = "script exited with code 0"
REASON = re.compile(r"could not find|was found|unknown filesystem|failed to|does not have module", re.IGNORECASE)


def kernel_in(directory: Path) -> Path:
    """Return the kernel of an unpacked package."""
    (kernel,) = (directory / "boot").glob("vmlinuz-*")
    return kernel


def seconds(vng: str, directory: Path) -> float | str:
    """Seconds that virtme-ng takes to boot the kernel and run a command in it, or why it does not."""
    # It calls its own parts by their names.
    path = f"{Path(vng).absolute().parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    argv = [vng, "--run", str(kernel_in(directory)), "--disable-kvm", "--force-9p", "--verbose", "--", "true"]
    begin = time.monotonic()
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=PATIENCE, check=False, env={**os.environ, "PATH": path},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if RAN in done.stdout:
        return time.monotonic() - begin
    lines = done.stdout.strip().splitlines() or ["it said nothing"]
    # The last lines are the trace of a kernel that lost its init; why comes before.
    return next((line for line in lines if REASON.search(line)), lines[-1])


def with_kernel(spec: MachineSpec, directory: Path, into: Path) -> MachineSpec:
    """Our machine with the kernel of an unpacked package, and an initrd of its modules, instead of the image's.

    virtme-ng has made modules.dep there when it booted the kernel.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise SystemExit("A static busybox must be on PATH.")
    modules = into / "modules.tar"
    with tarfile.open(modules, "w") as archive:
        archive.add(directory / "lib" / "modules", ".")
    # The cloud kernel has this one built in; ext4 asks for it by a name that modules.dep does not know.
    wanted = ("crc32c_generic", *yamlfile.load(ROOT / "images" / "debian" / "image.yaml", disk.DebianFile).modules)
    (into / "initrd").write_bytes(
        initrd.make_initrd(busybox=Path(busybox).read_bytes(), modules=modules, wanted=wanted)
    )
    return replace(spec, kernel=kernel_in(directory), initrd=into / "initrd")
