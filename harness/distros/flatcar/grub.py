"""What Flatcar's boot loader would put on the kernel's command line, for QEMU, which loads the kernel itself.

The words are read from the image's own grub.cfg, in its EFI system partition. The root hash of /usr is on the line in
some releases; in others GRUB as Flatcar has it takes it from the kernel's file, where the build wrote it over 64 bytes
of the old message for floppy disks (flatcar/grub, grub_pass_verity_hash).
"""

import re
import struct
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import proc
from harness.errors import InfrastructureError
from harness.wait import Deadline

__all__ = ["USR_A", "parse_words", "read_arguments", "read_partitions"]

USR_A = "7130c94a-213a-4e5a-8e26-6cce9662f132"
"""Id of the partition that has /usr in a fresh image (flatcar/scripts, disk_layout.json)."""

EFI = "EFI-SYSTEM"
PLACES = ("flatcar/grub/grub.cfg", "flatcar/grub/grub.cfg.tar", "coreos/grub/grub.cfg", "coreos/grub/grub.cfg.tar")
"""Where the file may be in that partition; a release's GRUB may have it in a tar archive next to its modules."""

SECTOR = 512

HASH = slice(0x40, 0x80)
"""Place of the root hash in the kernel's file."""

DROPPED = ("console=", "flatcar.first_boot=", "flatcar.oem.id=", "coreos.first_boot=", "coreos.oem.id=")
"""Words that the harness sets itself."""

OWN = ("flatcar.first_boot=1", "flatcar.oem.id=qemu")
"""What makes Ignition run, and look for its document where QEMU has it."""

SET = re.compile(r"""set\s+(\w+)=(?:"([^"]*)"|'([^']*)'|(\S*))\s*$""")
LINUX = re.compile(r"linux\S*\s+\S*vmlinuz-a\s+(.*)")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def read_arguments(disk: Path, kernel: Path, deadline: Deadline) -> tuple[str, ...]:
    """Return the kernel's command line for an image, besides what the harness gives to every machine.

    Raises:
        InfrastructureError: It is no image of Flatcar, or mtools is not installed.
    """
    with kernel.open("rb") as file:
        head = file.read(HASH.stop)[HASH]
    found = head.decode("ascii") if re.fullmatch(rb"[0-9a-f]{64}", head) else None
    return (*parse_words(_find_configuration(disk, deadline), found), *OWN)


def parse_words(configuration: str, root_hash: str | None) -> tuple[str, ...]:
    """Return the words that a grub.cfg gives to the kernel of the partition USR-A.

    Conditions are not evaluated: of a variable that is set again inside of one, the first value counts.

    Raises:
        InfrastructureError: It has no line for this kernel.
    """
    values = {"usr_uuid": USR_A}
    depth = 0
    for line in map(str.strip, configuration.splitlines()):
        depth += line.startswith("if ") - (line == "fi")
        assignment = SET.match(line)
        if assignment:
            name, *texts = assignment.groups()
            text = _expand(next((value for value in texts if value is not None), ""), values)
            if not depth or not values.get(name):
                values[name] = text
        command = LINUX.match(line)
        if command:
            expanded = _expand(command[1], values).replace('"', " ").split()
            return tuple(_complete([word for word in expanded if not word.startswith(DROPPED)], root_hash))
    raise InfrastructureError("The image's grub.cfg has no line that loads `vmlinuz-a`, so nobody knows how it boots.")


def _expand(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), text)


def _complete(line: list[str], root_hash: str | None) -> Iterator[str]:
    """Yield the line with what GRUB or its configuration would have added about /usr."""
    yield from line
    said = {word.partition("=")[0] for word in line}
    if "verity.usrhash" in said or root_hash is not None:
        defaults = {
            "mount.usr": "/dev/mapper/usr",
            "verity.usr": f"PARTUUID={USR_A}",
            "verity.usrhash": root_hash or "",
        }
    else:
        defaults = {"mount.usr": "PARTLABEL=USR-A"}
    yield from (f"{name}={value}" for name, value in defaults.items() if name not in said)


def read_partitions(disk: Path) -> dict[str, int]:
    """Return where partitions are in bytes, by name (UEFI, 5.3: GPT); raises InfrastructureError without a table."""
    with disk.open("rb") as file:
        file.seek(SECTOR)
        header = file.read(92)
        if header[:8] != b"EFI PART":
            raise InfrastructureError(f"The image {disk} is no disk of Flatcar: it has no GPT.")
        table, count, size = struct.unpack_from("<QII", header, 72)
        file.seek(table * SECTOR)
        entries = file.read(count * size)
    found = {}
    for place in range(0, len(entries), size):
        entry = entries[place : place + size]
        if any(entry[:16]):
            name = entry[56:128].decode("utf-16-le").rstrip("\0")
            found[name] = struct.unpack_from("<Q", entry, 32)[0] * SECTOR
    return found


def _find_configuration(disk: Path, deadline: Deadline) -> str:
    proc.require("mcopy")
    place = read_partitions(disk).get(EFI)
    if place is None:
        raise InfrastructureError(f"The image {disk} is no disk of Flatcar: it has no partition {EFI}.")
    with tempfile.TemporaryDirectory(prefix="harness-grub-") as folder:
        target = Path(folder, "file")
        for name in PLACES:
            argv = ["mcopy", "-n", "-i", f"{disk}@@{place}", f"::/{name}", str(target)]
            if proc.run(argv, deadline=deadline, expect=None).code == 0:
                return _read_text(target)
    raise InfrastructureError(
        f"The image {disk} has no configuration of GRUB; it was looked for at {', '.join(PLACES)} in {EFI}."
    )


def _read_text(path: Path) -> str:
    if not tarfile.is_tarfile(path):
        return path.read_text(encoding="utf-8", errors="replace")
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.endswith("grub.cfg") else None
            if file is not None:
                return file.read().decode("utf-8", errors="replace")
    raise InfrastructureError("The archive of GRUB's configuration has no grub.cfg in it.")
