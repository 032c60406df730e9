"""A real image."""

from pathlib import Path

from harness import image
from harness.image import Image, ImageSpec
from harness.store import Store
from tests import ROOT

FILES = ROOT / "images" / "debian"


def spec(channel: str = "bookworm", distro: str = "debian", files: Path = FILES) -> ImageSpec:
    """Return an image of Debian bookworm, unless a test asks for another."""
    return ImageSpec(distro=distro, channel=channel, files=files)


def test_real_image(bookworm: Image, store: Store) -> None:
    """The image of bookworm has what QEMU needs and knows its systemd; it is found again and not made again."""
    assert bookworm.systemd.startswith("252.")
    assert bookworm.kernel_version.endswith("-amd64")
    assert "openssh-server " in bookworm.packages.read_text(encoding="utf-8")
    assert bookworm.disk.stat().st_size < 600 << 20
    assert bookworm == image.find(spec(), store)
