"""Flatcar's images without a guest: what GRUB's configuration says, partitions, the kernel's options, the channels."""

import struct
from pathlib import Path

import pytest

from harness import catalog, image, matrix
from harness.distros.flatcar import disk, grub
from harness.errors import InfrastructureError
from harness.image import ImageSpec
from harness.model import CgroupMode
from harness.selection import names
from harness.yamlfile import TextError
from tests import ROOT
from tests.helpers import flatcar_shape

FILES = ROOT / "images" / "flatcar"
HASH = "0123456789abcdef" * 4

COMMON = ("rootflags=rw", "mount.usrflags=ro", "consoleblank=0", "root=LABEL=ROOT")
VERITY = ("mount.usr=/dev/mapper/usr", f"verity.usr=PARTUUID={grub.USR_A}")

NEWER = """\
set linux_root="root=LABEL=ROOT"
set linux_console=""
set oem_id=""
if [ -z "$linux_console" ]; then
    set linux_console="console=ttyS0,115200n8 console=tty0"
fi
set oem=""
if [ -n "$oem_id" ]; then
    set oem="flatcar.oem.id=$oem_id"
fi
set linux_cmdline="rootflags=rw mount.usrflags=ro consoleblank=0 ${linux_root} $linux_console $oem"
menuentry "Flatcar default" --id=flatcar --unrestricted {
    gptprio.next -d usr_device -u usr_uuid
    linux ($root)/flatcar/vmlinuz-a $linux_cmdline mount.usr=PARTUUID=$usr_uuid
}
"""


def test_arguments_of_a_release_whose_kernel_has_the_hash() -> None:
    """What GRUB would put together from variables, with the hash that it takes from the kernel; no console, no oem."""
    text = flatcar_shape.GRUB.replace("{usr}", grub.USR_A)

    assert grub.parse_words(text, HASH) == (*COMMON, *VERITY, f"verity.usrhash={HASH}")


def test_arguments_without_a_hash() -> None:
    """A release without dm-verity has /usr by its partition, and what the file itself says about it counts."""
    assert grub.parse_words(NEWER, None) == (*COMMON, f"mount.usr=PARTUUID={grub.USR_A}")
    bare = 'set linux_cmdline="root=LABEL=ROOT"\nlinux /flatcar/vmlinuz-a $linux_cmdline $nothing\n'
    assert grub.parse_words(bare, None) == ("root=LABEL=ROOT", "mount.usr=PARTLABEL=USR-A")
    assert grub.parse_words(f"{bare.rstrip()} verity.usrhash={HASH}\n", "f" * 64)[1] == f"verity.usrhash={HASH}"


def test_configuration_without_a_kernel() -> None:
    """A file that does not say how the kernel is loaded is reported, and nothing is guessed."""
    with pytest.raises(InfrastructureError, match="no line that loads `vmlinuz-a`"):
        grub.parse_words("set timeout=1\n", HASH)


def test_partitions(tmp_path: Path) -> None:
    """A GPT is read by the places and names of its entries; a disk without one is no Flatcar."""
    disk = tmp_path / "disk"
    header = bytearray(512)
    header[:8] = b"EFI PART"
    struct.pack_into("<QII", header, 72, 2, 4, 128)
    entries = bytearray(512)
    for number, (name, first) in enumerate({"EFI-SYSTEM": 4096, "USR-A": 270336}.items()):
        struct.pack_into(
            "<16s16sQQQ72s", entries, 256 * number, b"t" * 16, b"u" * 16, first, first + 1, 0, name.encode("utf-16-le")
        )
    disk.write_bytes(bytes(512) + header + entries)

    assert grub.read_partitions(disk) == {"EFI-SYSTEM": 4096 * 512, "USR-A": 270336 * 512}
    disk.write_bytes(bytes(2048))
    with pytest.raises(InfrastructureError, match="it has no GPT"):
        grub.read_partitions(disk)


def test_kernel_without_cgroup_v1(tmp_path: Path) -> None:
    """An option that is known and not set is the reason for a refusal; one that the kernel is too old for is none."""
    config = tmp_path / "config"
    options = {"CPUSETS_V1": "Left out.", "MEMCG_V1": "Too."}
    config.write_text("CONFIG_CPUSETS=y\n# CONFIG_CPUSETS_V1 is not set\nCONFIG_MEMCG_V1=y\n", encoding="utf-8")

    assert disk.explain_no_cgroup_v1(config, options) == "The kernel was built without CONFIG_CPUSETS_V1: Left out."
    config.write_text("CONFIG_CPUSETS=y\n", encoding="utf-8")
    assert disk.explain_no_cgroup_v1(config, options) == ""
    assert disk.explain_no_cgroup_v1(None, options) == ""


def test_inputs_follow_release_key_and_files(tmp_path: Path) -> None:
    """An image is another one for another release or another key, and not for another mirror."""
    spec = ImageSpec(distro="flatcar", channel="stable", files=FILES, release="3815.2.5")
    key = tmp_path / "key.asc"
    key.write_text("key", encoding="ascii")

    def inputs(**changes: object) -> object:
        return image.collect_inputs(ImageSpec(**{name: getattr(spec, name) for name in spec.__slots__} | changes))

    assert inputs() == inputs(options=(("mirror", "https://mirror.example.org"),))
    assert inputs() != inputs(release="3815.2.4")
    assert inputs() != inputs(options=(("key", str(key)),))


def test_distro_by_number() -> None:
    """flatcar/3815.2.5 is that release of its channel with its systemd; a number that nobody knows is reported."""
    known = catalog.load(ROOT)

    name = names.check_axis_distro("flatcar/3815.2.5", known)
    assert (name.channel, name.release) == ("stable", "3815.2.5")
    assert known.distros["flatcar"].find_systemd("stable", "3815.2.5") == "252"
    assert known.distros["flatcar"].find_systemd("stable", None) == known.distros["flatcar"].channels["stable"].systemd
    assert names.check_axis_distro("flatcar/stable@3815.2.5", known) == name
    with pytest.raises(TextError, match=r"no channel of flatcar `1\.2\.3`"):
        names.check_axis_distro("flatcar/1.2.3", known)


def test_profile_has_cells_of_its_own() -> None:
    """The cells of the profile flatcar are no others', and are found by their names; v1 is not where systemd has none."""
    known = catalog.load(ROOT)
    wanted = matrix.load(ROOT / "matrix.yaml", known)
    expansion = matrix.expand(wanted, known)
    cells = matrix.choose(expansion, wanted, known, profile="flatcar").cells

    assert {cell.distro for cell in cells} == {"flatcar"}
    assert {cell.channel for cell in cells} == {"stable", "lts"}
    assert "flatcar" not in {cell.distro for cell in expansion.cells}
    for profile in set(wanted.profiles) - {"flatcar"}:
        assert "flatcar" not in {cell.distro for cell in matrix.choose(expansion, wanted, known, profile=profile).cells}
    assert matrix.find(expansion, cells[0].id) == cells[0]
    assert not {cell.id for cell in cells} & {cell.id for cell in expansion.cells}
    gone = known.systemd.find_cgroup_rule(known.distros["flatcar"].find_systemd("beta", "4694.1.0"), CgroupMode.LEGACY)
    assert gone.arguments is None
    assert "258" in gone.reason


def test_channels_have_the_systemd_of_their_newest_release() -> None:
    """What image.yaml says of a channel, for the matrix, is what the newest of its releases in releases.yaml has."""
    distro = catalog.load(ROOT).distros["flatcar"]
    newest: dict[str, tuple[tuple[int, ...], str | None]] = {}
    for number, release in distro.numbered.items():
        version = tuple(int(part) for part in number.split("."))
        newest[release.channel] = max(newest.get(release.channel, ((), None)), (version, release.systemd))

    assert {name: known for name, (_, known) in newest.items()} == {
        name: channel.systemd for name, channel in distro.channels.items() if name in newest
    }
    assert len(newest) == 5
