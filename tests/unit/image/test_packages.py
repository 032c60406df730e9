"""Packages that a suite wants in its guests: which ones are brought, and how their files are laid out."""

from pathlib import Path

import pytest

from harness import distros
from harness.distros.debian import apt
from harness.errors import InfrastructureError, UsageError
from harness.image import Image, ImageSpec
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

DEBIAN = distros.find("debian")
SPEC = ImageSpec(distro="debian", channel="bookworm", files=ROOT / "images" / "debian")


def image_with(directory: Path, installed: str) -> Image:
    """Return an image of which only the list of packages is there."""
    listing = directory / "packages"
    listing.write_text(installed, encoding="utf-8")
    return Image(
        directory=directory, key="0" * 64, disk=directory, kernel=directory, initrd=directory, packages=listing,
        systemd="252", kernel_version="6.1",
    )  # fmt: skip


@pytest.mark.slow
def test_files_are_laid_out_as_in_a_guest(tmp_path: Path, deadline: Deadline) -> None:
    """A package comes with what it depends on, but for what is there; nothing is unpacked over a link into /usr."""
    disk = image_with(tmp_path, "libc6 2.36-9\n")
    store = Store(tmp_path / "store")
    # iputils-ping of bookworm has /bin/ping, and depends on libcap2 and libidn2-0 (which depends on libunistring2).
    made = DEBIAN.make_packages(SPEC, disk, ("iputils-ping",), ("/usr/share/*", "/lib/*/libcap*"), store, deadline)
    again = DEBIAN.make_packages(SPEC, disk, ("iputils-ping",), ("/usr/share/*", "/lib/*/libcap*"), store, deadline)

    assert made is not None
    assert again is not None
    assert (made.cached, again.cached) == (False, True)
    names = {path.name for path in made.path.rglob("*") if path.is_file()}
    assert (made.path / "usr" / "bin" / "ping").stat().st_mode & 0o111
    assert any(name.startswith("libunistring.so") for name in names)
    assert not any(name.startswith("libc.so") for name in names)
    assert {path.name for path in made.path.iterdir()} <= {"usr", "etc"}
    assert not (made.path / "usr" / "share").exists()


def test_nothing_is_brought_where_nothing_is_wanted(tmp_path: Path, deadline: Deadline) -> None:
    """A suite without packages asks no archive, and a guest of another distro takes none of Debian."""
    disk, store = image_with(tmp_path, ""), Store(tmp_path / "store")
    other = ImageSpec(distro="flatcar", channel="stable", files=tmp_path)

    assert DEBIAN.make_packages(SPEC, disk, (), (), store, deadline) is None
    assert distros.find("flatcar").make_packages(other, disk, ("hello",), (), store, deadline) is None


@pytest.mark.slow
def test_package_that_is_not_there_is_named(tmp_path: Path, deadline: Deadline) -> None:
    """A name that the release does not have is the user's mistake; newer packages than the image's are not brought."""
    private = apt.open_apt("bookworm", tmp_path, deadline)

    with pytest.raises(UsageError, match="Debian bookworm has no package no-such-package"):
        private.list_missing(("no-such-package",), {}, deadline)
    with pytest.raises(InfrastructureError, match="would need newer packages than its image has: libc6"):
        private.list_missing(("iputils-ping",), {"libc6": "2.30-1"}, deadline)
    assert private.list_missing(("libc6",), {"libc6": "2.36-9", "libgcc-s1": "12"}, deadline) == {}
