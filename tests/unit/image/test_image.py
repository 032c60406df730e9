"""Images: the initrd's archive and the order of its modules, what an image depends on, and a real one."""

import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from harness import image
from harness.distros import initrd
from harness.errors import InfrastructureError, UsageError
from harness.image import ImageSpec
from harness.store import Store
from tests import ROOT

FILES = ROOT / "images" / "debian"

MODULES_DEP = """\
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_legacy.ko kernel/drivers/virtio/virtio.ko \
kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_legacy.ko:
kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/misc/pvpanic/pvpanic-mmio.ko: kernel/drivers/misc/pvpanic/pvpanic.ko
kernel/drivers/misc/pvpanic/pvpanic.ko:
"""


def spec(channel: str = "bookworm", distro: str = "debian", files: Path = FILES) -> ImageSpec:
    """Return an image of Debian bookworm, unless a test asks for another."""
    return ImageSpec(distro=distro, channel=channel, files=files)


def test_modules_after_their_needs() -> None:
    """Every module is loaded once, and after those that it needs."""
    order = [Path(path).name for path in initrd.order_modules(["virtio_pci", "virtio_blk"], MODULES_DEP)]

    assert ["virtio_ring.ko", "virtio.ko", "virtio_legacy.ko", "virtio_pci.ko", "virtio_blk.ko.xz"] == order


def test_modules_of_other_kernels() -> None:
    """A module that a kernel does not have is left out; a dash is as good as an underscore."""
    order = initrd.order_modules(["ext4", "pvpanic_mmio", "pvpanic"], MODULES_DEP)

    assert ["pvpanic.ko", "pvpanic-mmio.ko"] == [Path(path).name for path in order]


def test_archive_is_cpio(tmp_path: Path) -> None:
    """The cpio tool reads the archive: names, content, and modes."""
    data = initrd.make_cpio([("bin", 0o040755, b""), ("bin/a", 0o100755, b"hello"), ("b", 0o100644, b"")])
    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True, timeout=10)

    assert (tmp_path / "bin" / "a").read_bytes() == b"hello"
    assert (tmp_path / "bin" / "a").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "b").read_bytes() == b""


def modules_archive(path: Path, kernels: list[str]) -> Path:
    """Make a tar archive like that of /lib/modules."""
    with tarfile.open(path, "w") as archive:
        for kernel in kernels:
            for name, data in (("modules.dep", b"kernel/a.ko:\n"), ("kernel/a.ko", b"module")):
                member = tarfile.TarInfo(f"./{kernel}/{name}")
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
    return path


def test_initrd_of_one_kernel(tmp_path: Path) -> None:
    """The initrd has busybox, the init and the modules in order; two kernels in one guest are an error."""
    data = initrd.make_initrd(busybox=b"box", modules=modules_archive(tmp_path / "one", ["6.1"]), wanted=["a"])
    assert all(name in data for name in (b"bin/busybox\0", b"init\0", b"modules/a.ko\0", b"modules/order\0"))

    with pytest.raises(InfrastructureError, match="2 kernels"):
        initrd.make_initrd(busybox=b"box", modules=modules_archive(tmp_path / "two", ["6.1", "6.2"]), wanted=["a"])


def test_init_is_shell() -> None:
    """The initrd's init is valid POSIX shell."""
    subprocess.run(["sh", "-n", initrd.INIT], check=True, timeout=10)
    subprocess.run(["sh", "-n", FILES / "finish.sh"], check=True, timeout=10)


def test_inputs_follow_the_files(tmp_path: Path) -> None:
    """An image is another one when a file in it changes, and when its channel does; not when it is asked for twice."""
    files = tmp_path / "debian"
    shutil.copytree(FILES, files)
    before = image.collect_inputs(spec(files=files))
    assert before == image.collect_inputs(spec(files=files))
    assert before != image.collect_inputs(spec("trixie", files=files))

    (files / "tree" / "etc" / "hostname").write_text("other\n", encoding="utf-8")
    assert before != image.collect_inputs(spec(files=files))


def test_unknown_image(tmp_path: Path) -> None:
    """A channel or a distro that nobody can make is named, with those that exist."""
    with pytest.raises(UsageError, match="no channel `buzz`; known are bookworm, "):
        image.collect_inputs(spec("buzz"))
    with pytest.raises(UsageError, match="no folder harness/distros/plan9"):
        image.collect_inputs(spec(distro="plan9"))
    assert image.find(spec(), Store(tmp_path)) is None
