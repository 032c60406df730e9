"""Programs in a guest besides those of its image, also where /usr is read-only.

There they become a system extension (systemd-sysext(8)), which is laid over /usr while the guest runs. That serves a
runtime; a systemd that is to be PID 1 is laid over before, see `image.overlay`. Guests before systemd 248 know no
extensions, and the overlay is mounted as sysext would do it.
"""

from pathlib import Path

from harness.distros.protocol import RunningGuest
from harness.wait import Deadline

__all__ = ["BUSYBOX", "install_busybox", "install_tree"]

USR = "usr"
EXTENSION = "/var/lib/extensions/harness"

BUSYBOX = "/opt/bin/busybox"
"""Where a busybox goes in a guest that has none: /opt is writable everywhere, and on the PATH of a guest of Flatcar."""

MERGE = f"""\
set -eu
. /etc/os-release
mkdir -p {EXTENSION}/usr/lib/extension-release.d
{{
    echo "ID=$ID"
    if [ -n "${{SYSEXT_LEVEL-}}" ]; then echo "SYSEXT_LEVEL=$SYSEXT_LEVEL"; else echo "VERSION_ID=$VERSION_ID"; fi
}} >{EXTENSION}/usr/lib/extension-release.d/extension-release.harness
if command -v systemd-sysext >/dev/null; then
    systemd-sysext refresh >/dev/null
else
    modprobe overlay 2>/dev/null || :
    mount -t overlay -o lowerdir={EXTENSION}/usr:/usr harness /usr
fi
"""


def install_tree(guest: RunningGuest, tree: Path, *, deadline: Deadline) -> None:
    """Put a tree for the guest's root into a guest; raises InfrastructureError if it does not take it, or is lost."""
    # As root one may write everywhere but to what is read-only (access(2)).
    if guest.run("[ -w /usr ]", deadline=deadline, expect=None).code == 0:
        guest.copy_in(tree, "/", deadline=deadline)
        return
    for part in sorted(tree.iterdir()):
        guest.copy_in(part, f"{EXTENSION}/{USR}" if part.name == USR else f"/{part.name}", deadline=deadline)
    guest.run(MERGE, deadline=deadline)


def install_busybox(guest: RunningGuest, busybox: Path, *, deadline: Deadline) -> None:
    """Bring a static busybox, of which suites make their containers' root file systems, into a guest that has none."""
    if guest.run("command -v busybox >/dev/null", deadline=deadline, expect=None).code:
        guest.copy_in(busybox, BUSYBOX, deadline=deadline)
