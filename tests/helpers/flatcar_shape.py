"""A double of a Flatcar release, made from Debian packages: the same disk, the same files, another system in it.

    directory = release(STABLE, store, deadline, log)     # flatcar_production_image.bin.bz2, .vmlinuz, version.txt ...

What is as in Flatcar: partitions with their names and ids, a read-only /usr that dm-verity checks, OEM, ROOT, the user
core, grub's configuration, a kernel that carries its initramfs and the root hash of /usr, Ignition at the first boot
with a document from QEMU (Debian's own `ignition` runs), no Python, no Perl, no busybox. What is not: everything else
is Debian's, the first stage (`flatcar_shaped/init.sh`) is ours, OEM is ext4, and there is no boot loader.
"""

import bz2
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import proc
from harness.distros import protocol
from harness.distros.debian.apt import find_archive, format_sources_list
from harness.distros.debian.disk import MERGE
from harness.store import Store
from harness.wait import Deadline
from tests.helpers import flatcar_kernel
from tests.helpers.flatcar_kernel import FILES

__all__ = ["LTS", "STABLE", "Shape", "release"]

RECIPE = 1
"""Raised when a release is made differently."""

USR_A = "7130c94a-213a-4e5a-8e26-6cce9662f132"
USR_B = "e03dd35c-7c2d-4a47-b3fe-27f15780a57c"

MIB = 1 << 20

PARTITIONS = (
    # Number, name, size in MiB, type, own id: Flatcar's disk_layout.json before 4487, with a smaller ROOT.
    (1, "EFI-SYSTEM", 128, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", ""),
    (2, "BIOS-BOOT", 2, "21686148-6449-6e6f-744e-656564454649", ""),
    (3, "USR-A", 1024, "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6", USR_A),
    (4, "USR-B", 1024, "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6", USR_B),
    (6, "OEM", 128, "0fc63daf-8483-4772-8e79-3d69d8477de4", ""),
    (7, "OEM-CONFIG", 64, "c95dc21a-df0e-4340-8d7b-26cbfa9a03e0", ""),
    (9, "ROOT", 512, "3884dd41-8582-4404-b9a8-e9b84f2df50e", ""),
)

PACKAGES = (
    "systemd-sysv", "systemd-container", "dbus", "udev", "openssh-server", "kmod", "iproute2", "procps", "passwd",
    "busybox-static", "linux-image-cloud-amd64",
)  # fmt: skip

WITHOUT = (
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/etc/kernel/postinst.d/*",
    "/usr/lib/udev/hwdb.d/*", "/usr/share/zoneinfo/*", "/usr/share/bug/*", "/usr/share/lintian/*",
)  # fmt: skip

KEPT = r"""
/fs/(overlayfs|fuse|autofs|btrfs|squashfs|nls|fat)/
/net/(ipv4|ipv6|netfilter|bridge|802|llc|sched|core|vmw_vsock|9p)/
/drivers/net/(veth|tun|dummy|macvlan|ipvlan|bonding|ifb|vrf)
/drivers/(virtio|block|md|firmware|misc)/
/drivers/char/hw_random/
/(lib|crypto|arch)/
"""
"""Modules of the kernel that stay in /usr, as regular expressions."""


@dataclass(frozen=True)
class Shape:
    """A release to be made.

    Attributes:
        version: Its version: "9999.2.0".
        channel: Its channel: "stable".
        debian: The Debian release whose packages it is made from.
    """

    version: str
    channel: str
    debian: str


STABLE = Shape("9999.2.0", "stable", "bookworm")
"""systemd 252."""
LTS = Shape("9998.3.0", "lts", "bullseye")
"""systemd 247."""

GRUB = """\
set prefix=($root)/flatcar/grub
set default="flatcar"
set timeout=1
set linux_root="root=LABEL=ROOT"
set linux_console=""
set first_boot=""
set oem_id=""
set linux_append=""
search --no-floppy --set oem --part-label OEM --hint "$root"
if [ -n "$oem" -a -f "($oem)/grub.cfg" ]; then
    source "($oem)/grub.cfg"
fi
if [ -f "($root)/flatcar/first_boot" ]; then
    set first_boot="flatcar.first_boot=detected"
fi
if [ -z "$linux_console" ]; then
    set linux_console="console=ttyS0,115200n8 console=tty0"
fi
set suf=""
set linux_cmdline="rootflags=rw mount.usrflags=ro consoleblank=0 $linux_root $linux_console $first_boot $linux_append"
menuentry "Flatcar USR-A" --id=flatcar-a {
    set usr_uuid="{usr}"
    linux$suf /flatcar/vmlinuz-a $linux_cmdline mount.usr=/dev/mapper/usr verity.usr=PARTUUID=$usr_uuid
}
menuentry "Flatcar USR-B" --id=flatcar-b {
    set usr_uuid="{usr_b}"
    linux$suf /flatcar/vmlinuz-b $linux_cmdline mount.usr=/dev/mapper/usr verity.usr=PARTUUID=$usr_uuid
}
"""


def release(shape: Shape, store: Store, deadline: Deadline, log: Path) -> Path:
    """Return the directory with the release's files, not signed; it is made now if it is not in the store."""
    digests = protocol.digest_files(list(FILES.iterdir()), FILES)
    inputs = {"recipe": RECIPE, **asdict(shape), "files": digests}

    def fill(directory: Path) -> Mapping[str, str]:
        programs = flatcar_kernel.tools(store, deadline)
        root = os.geteuid() == 0
        with tempfile.TemporaryDirectory(prefix="flatcar-", dir=directory if root else None) as name:
            work = Path(name)
            _bootstrap(work, shape, deadline, log)
            _publish(work, directory, shape, programs.path, deadline, log)
        return {"title": f"double of Flatcar {shape.version}"}

    return store.obtain("flatcar-shape", inputs, fill, deadline).path


def _bootstrap(work: Path, shape: Shape, deadline: Deadline, log: Path) -> None:
    """Make usr.raw, root.raw, and what the initramfs takes from the system."""
    shutil.copy(FILES / "finish.sh", work)
    _tree(work / "tree", shape)
    (work / "modules.keep").write_text(KEPT.strip() + "\n", encoding="ascii")
    (work / "sources.list").write_text(format_sources_list(find_archive(deadline), shape.debian), encoding="utf-8")
    for name, size in (("usr.raw", 1), ("root.raw", _size("ROOT"))):
        with (work / name).open("wb") as file:
            file.truncate(size)
    for path in work.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for path in (*work.glob("*.raw"), work):
        path.chmod(0o777)
    proc.run(
        [
            "mmdebstrap", "--variant=essential", "--format=null", f"--include={','.join(PACKAGES)}",
            *(f"--dpkgopt=path-exclude={path}" for path in WITHOUT),
            "--aptopt=Acquire::Languages none", "--aptopt=APT::Install-Recommends false", "--dpkgopt=force-unsafe-io",
            f"--setup-hook={MERGE}",
            f'--customize-hook=sh {work}/finish.sh {work} "$1"',
            shape.debian, "/dev/null", str(work / "sources.list"),
        ],
        deadline=deadline,
        output=log,
    )  # fmt: skip


def _tree(tree: Path, shape: Shape) -> None:
    texts = {
        "usr/lib/os-release": (
            f'NAME="Flatcar Container Linux by Kinvolk"\nID=flatcar\nID_LIKE=coreos\nVERSION={shape.version}\n'
            f"VERSION_ID={shape.version}\nBUILD_ID=double\nSYSEXT_LEVEL=1.0\n"
        ),
        "usr/lib/systemd/system-preset/99-default.preset": "disable *\n",
        "usr/lib/systemd/system-preset/50-flatcar.preset": "enable systemd-networkd.service\n",
        # As Flatcar does: whatever has no other configuration is asked for by DHCP.
        "usr/lib/systemd/network/zz-default.network": "[Network]\nDHCP=yes\n",
        "etc/hosts": "127.0.0.1 localhost\n",
        # Without this file Ignition does not know whether what it writes needs labels.
        "etc/selinux/config": "SELINUX=disabled\nSELINUXTYPE=mcs\n",
    }
    for name, text in texts.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, encoding="utf-8")


def _publish(work: Path, directory: Path, shape: Shape, programs: Path, deadline: Deadline, log: Path) -> None:
    kernel = flatcar_kernel.kernel_of(work, programs)
    digest = _verity(work / "usr.raw", deadline)
    # Where GRUB as Flatcar has it finds the root hash, and appends it to the command line.
    kernel[0x40 : 0x40 + len(digest)] = digest.encode("ascii")
    (work / "vmlinuz-a").write_bytes(kernel)
    disk = _disk(work, deadline, log)
    _compressed(disk, directory / "flatcar_production_image.bin.bz2")
    (directory / "flatcar_production_image.vmlinuz").write_bytes(kernel)
    shutil.copy(work / "config", directory / "flatcar_production_image_kernel_config.txt")
    (directory / "flatcar_production_image_packages.txt").write_text(_packages(work / "packages"), encoding="utf-8")
    build, branch, patch = shape.version.split(".")
    (directory / "version.txt").write_text(
        f"FLATCAR_BUILD={build}\nFLATCAR_BRANCH={branch}\nFLATCAR_PATCH={patch}\nFLATCAR_VERSION={shape.version}\n"
        f'FLATCAR_VERSION_ID={shape.version}\nFLATCAR_BUILD_ID=""\nFLATCAR_SDK_VERSION={shape.version}\n',
        encoding="utf-8",
    )


def _packages(listed: Path) -> str:
    """Return the package list in Flatcar's spelling; systemd is named as there, the others are Debian's."""
    found = {}
    for line in listed.read_text(encoding="utf-8").splitlines():
        source, version, _ = line.split(" ")
        found[source] = re.split(r"[-~+]", version.partition(":")[2] or version)[0]
    names = {"systemd": "sys-apps/systemd", "linux-signed-amd64": "sys-kernel/coreos-kernel"}
    return "".join(
        f"{names.get(name, f'debian/{name}')}-{version}::portage-stable\n" for name, version in sorted(found.items())
    )


def _verity(usr: Path, deadline: Deadline) -> str:
    """Append the tree of hashes to a file system, and return the root hash."""
    done = proc.run(
        ["veritysetup", "format", f"--hash-offset={usr.stat().st_size}", str(usr), str(usr)], deadline=deadline
    )
    found = re.search(r"^Root hash:\s*([0-9a-f]{64})$", done.out, re.MULTILINE)
    assert found, done.out
    return found[1]


def _size(name: str) -> int:
    return next(size for _, label, size, _, _ in PARTITIONS if label == name) * MIB


def _disk(work: Path, deadline: Deadline, log: Path) -> Path:
    """Make the whole disk: the partition table, and the file systems in their places; holes where nothing is."""
    disk = work / "disk.bin"
    lines, places, place = ["label: gpt"], {}, 2 * MIB
    for number, name, size, kind, own in PARTITIONS:
        identity = f", uuid={own}" if own else ""
        lines.append(f'{number} : start={place // 512}, size={size * MIB // 512}, type={kind}, name="{name}"{identity}')
        places[name] = place
        place += size * MIB
    with disk.open("wb") as file:
        file.truncate(place + 2 * MIB)
    script = ("\n".join(lines) + "\n").encode()
    proc.run(["sfdisk", "--quiet", str(disk)], stdin=script, deadline=deadline, output=log)
    parts = {
        "EFI-SYSTEM": _efi(work, deadline, log), "USR-A": work / "usr.raw", "OEM": _oem(work, deadline, log),
        "ROOT": work / "root.raw",
    }  # fmt: skip
    for name, part in parts.items():
        assert part.stat().st_size <= _size(name)
        argv = ["dd", f"if={part}", f"of={disk}", "bs=1M", f"seek={places[name] // MIB}", "conv=notrunc,sparse"]
        proc.run(argv, deadline=deadline, output=log)
    return disk


def _efi(work: Path, deadline: Deadline, log: Path) -> Path:
    path, grub = work / "efi.raw", work / "grub.cfg"
    grub.write_text(GRUB.replace("{usr}", USR_A).replace("{usr_b}", USR_B), encoding="ascii")
    (work / "first_boot").touch()
    for argv in (
        ["truncate", "-s", f"{_size('EFI-SYSTEM')}", str(path)],
        ["mkfs.vfat", "-n", "EFI-SYSTEM", str(path)],
        ["mmd", "-i", str(path), "::/flatcar", "::/flatcar/grub"],
        ["mcopy", "-i", str(path), str(grub), "::/flatcar/grub/grub.cfg"],
        ["mcopy", "-i", str(path), str(work / "vmlinuz-a"), str(work / "first_boot"), "::/flatcar/"],
    ):
        proc.run(argv, deadline=deadline, output=log)
    return path


def _oem(work: Path, deadline: Deadline, log: Path) -> Path:
    path, tree = work / "oem.raw", work / "oem"
    tree.mkdir()
    (tree / "oem-release").write_text("ID=qemu\n", encoding="ascii")
    (tree / "grub.cfg").write_text('set linux_append=""\nset oem_id="qemu"\n', encoding="ascii")
    proc.run(["truncate", "-s", str(_size("OEM")), str(path)], deadline=deadline, output=log)
    proc.run(["mkfs.ext4", "-q", "-L", "OEM", "-d", str(tree), str(path)], deadline=deadline, output=log)
    return path


def _compressed(disk: Path, target: Path) -> None:
    """Compress a disk by bzip2, in pieces side by side, which together are one file to every reader of the format."""
    piece = 8 * MIB
    hole = bz2.compress(b"\0" * piece, 1)

    def compress(place: int) -> bytes:
        with disk.open("rb") as file:
            file.seek(place)
            data = file.read(piece)
        return hole if not data.strip(b"\0") and len(data) == piece else bz2.compress(data, 1)

    with target.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(compress, range(0, disk.stat().st_size, piece)):
            file.write(part)
