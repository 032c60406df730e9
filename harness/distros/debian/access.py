"""A directory that two users share and no third one enters: this one, and the one that mmdebstrap is inside of its tree.

An ordinary user's mmdebstrap writes as the first of the user's subordinate ids (subuid(5)). A directory that all may write
to would let every user of the computer change the disk that is being made.
"""

import os
import pwd
import struct
from pathlib import Path

from harness.errors import InfrastructureError

__all__ = ["find_subordinate_user", "share_directory"]

ACL = "system.posix_acl_access"
VERSION = 2
OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
"""Tags of entries, and the version, of an access control list as an extended attribute (linux/posix_acl_xattr.h)."""
ALL, NONE = 7, 0
NOBODY = 0xFFFFFFFF


def find_subordinate_user(table: Path = Path("/etc/subuid")) -> int:
    """Return the first subordinate id of this user; raises InfrastructureError if there is none."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    for line in lines:
        who, _, rest = line.partition(":")
        first = rest.partition(":")[0]
        if who in {name, str(os.geteuid())} and first.isdigit():
            return int(first)
    raise InfrastructureError(
        f"The user {name} has no subordinate ids, as which mmdebstrap makes an image.",
        hint=f"Add them with `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`, or make it as root.",
    )


def share_directory(directory: Path, user: int) -> None:
    """Let one other user enter a directory and write there; raises InfrastructureError where the disk has no such rights."""
    entries = [
        (OWNER, ALL, NOBODY),
        (USER, ALL, user),
        (GROUP, NONE, NOBODY),
        (MASK, ALL, NOBODY),
        (OTHER, NONE, NOBODY),
    ]
    value = struct.pack("<I", VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(directory, ACL, value)
    except OSError as error:
        raise InfrastructureError(
            f"The directory {directory} cannot be shared with the user {user}: {error.strerror}.",
            hint="Set TMPDIR to a directory on a disk that has access control lists, such as ext4, xfs, btrfs or tmpfs.",
        ) from error
