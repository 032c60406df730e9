"""Files that are laid over an image."""

from pathlib import Path

from harness.store import Artifact, Store
from harness.wait import Deadline

UNIT = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/laid/over
[Install]
WantedBy=sysinit.target
"""


def obtain_overlay(store: Store, deadline: Deadline) -> Artifact:
    """Return a program, the unit that runs it at boot, a link by which systemd starts it, and a file that images have too."""

    def make(files: Path) -> None:
        units = files / "usr/lib/systemd/system"
        (units / "sysinit.target.wants").mkdir(parents=True)
        (units / "laid-over.service").write_text(UNIT)
        (units / "sysinit.target.wants/laid-over.service").symlink_to("../laid-over.service")
        (files / "usr/lib/laid").mkdir()
        (files / "usr/lib/laid/over").write_text("#!/bin/sh\necho it ran >/run/laid-over\n")
        (files / "usr/lib/laid/over").chmod(0o755)
        (files / "usr/lib/os-release").write_text("NAME=laid-over\n")

    return store.obtain("build", {"name": "laid over"}, make, deadline)
