"""Safe unpacking of archives: nothing is written outside of the directory, and no link points there."""

import os
from pathlib import Path

from harness import proc
from harness.errors import InfrastructureError
from harness.wait import Deadline

__all__ = ["unpack"]


def unpack(archive: Path, into: Path, deadline: Deadline) -> None:
    """Unpack a tar archive, compressed or not, into an empty directory.

    GNU tar does it: Python 3.11.2, Debian 12's, has no extraction filters, and tar knows zstd too. Absolute
    names lose their slash and names with `..` are refused by tar itself; links that lead outside are refused here.

    Raises:
        InfrastructureError: It is no archive, or a member leads outside `into`.
    """
    argv = ["tar", "--extract", "--file", str(archive), "--directory", str(into), "--no-same-owner"]
    proc.run([*argv, "--delay-directory-restore"], deadline=deadline, hint=f"{archive.name} is damaged, or malicious.")
    inside = into.resolve()
    for folder, directories, files in os.walk(into):
        for name in (*directories, *files):
            path = Path(folder, name)
            if path.is_symlink() and not _resolve_link(path).is_relative_to(inside):
                raise InfrastructureError(
                    f"The archive {archive.name} has a link that leads outside of it:"
                    f" {path.relative_to(into)} -> {path.readlink()}."
                )


def _resolve_link(link: Path) -> Path:
    """Return where a symbolic link leads; a chain that never ends leads to itself."""
    return Path(os.path.realpath(link))
